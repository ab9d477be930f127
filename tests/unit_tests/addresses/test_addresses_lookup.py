"""Application inference profiles: looked up once, remembered, and never the reason a call fails."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from client_calls import CALLS, Call
from wire import CLAUDE, LLAMA, NOVA, PROFILE_ARN, ask, points, text, user, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheSkippedWarning,
    ChatBedrockCached,
    PrefixMemory,
    UnsupportedModelError,
    cached_client,
)
from langchain_bedrock_cache.address_book import AddressBook
from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.model_lookup import control_client, look_up
from langchain_bedrock_cache.regions import Route

ASKED = ("GetInferenceProfile",)
DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/app/i-0 is not authorized to perform: "
    "bedrock:GetInferenceProfile because no identity-based policy allows it"
)
REQUEST = ask(user("?"), system=[text(2000)], model=PROFILE_ARN)


def emulator_with(model: str, clock: SimulatedClock) -> BedrockEmulator:
    """Return an emulator with an application inference profile for a model."""
    return BedrockEmulator(clock=clock, capture_requests=True, model_arns={PROFILE_ARN: model})


@pytest.fixture
def emulator(clock: SimulatedClock) -> BedrockEmulator:
    """An emulator with an application inference profile for Claude."""
    return emulator_with(CLAUDE, clock)


@CALLS
def test_a_profile_is_cached_as_its_model(
    emulator: BedrockEmulator, memory: PrefixMemory, call: Call
) -> None:
    """Points are placed from the first call on, what is written is read, and AWS is asked once."""
    client = cached_client(emulator.client(), memory=memory)
    usages = [call(client, REQUEST)["usage"] for _ in range(3)]
    assert [u["cacheReadInputTokens"] > 1900 for u in usages] == [False, True, True]
    assert [bool(points(r)) for r in emulator.requests] == [True] * 3
    assert emulator.control_requests == ASKED


def test_the_plan_says_which_model_it_is(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """What was found out stands in the response's metadata; nothing does where IDs say it."""
    client = cached_client(emulator.client(), memory=memory)
    plans = [
        client.converse(**{**REQUEST, "modelId": m})["ResponseMetadata"]["CachePlan"]
        for m in (PROFILE_ARN, CLAUDE)
    ]
    assert [plan["model"] for plan in plans] == [CLAUDE, None]


def test_a_refused_call_keeps_its_model(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """What is sent again without points costs something, too: its model stays known."""
    emulator.refuse_cache_points()
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning, match="refused a cache point"):
        response = client.converse(**REQUEST)
    assert response["ResponseMetadata"]["CachePlan"]["model"] == CLAUDE


def test_a_model_without_caching_is_known_all_the_same(
    memory: PrefixMemory, clock: SimulatedClock
) -> None:
    """Behind a profile of Llama no points are sent, and the price can be looked up."""
    emulator = emulator_with(LLAMA, clock)
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning, match=f"facts are known for model '{LLAMA}'"):
        response = client.converse(**REQUEST)
    assert response["ResponseMetadata"]["CachePlan"]["model"] == LLAMA
    assert points(emulator.requests[0]) == []


def test_limits_are_those_of_the_model(memory: PrefixMemory, clock: SimulatedClock) -> None:
    """Behind a profile of Nova, tools get no point, though the ARN says nothing of Nova."""
    emulator = emulator_with(NOVA, clock)
    tool = {"toolSpec": {"name": "f", "description": words(2000), "inputSchema": {"json": {}}}}
    request = {**REQUEST, "toolConfig": {"tools": [tool]}}
    cached_client(emulator.client(), memory=memory).converse(**request)
    assert points(emulator.requests[0])
    assert not any(point.startswith("tools") for point in points(emulator.requests[0]))


def test_clients_of_one_memory_ask_once(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """A client per request, as in a web server, does not ask per request."""
    for _ in range(3):
        cached_client(emulator.client(), memory=memory).converse(**REQUEST)
    assert emulator.control_requests == ASKED


def test_threads_that_come_together_ask_once(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """Twenty first calls at once wait for the one answer, and all are planned by it."""
    client = cached_client(emulator.client(), memory=memory)
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: client.converse(**REQUEST), range(20)))
    assert emulator.control_requests == ASKED
    assert all(points(request) for request in emulator.requests)


@pytest.mark.parametrize("where", ["client", "call", "route"])
def test_nobody_is_asked_who_was_told(
    emulator: BedrockEmulator, memory: PrefixMemory, where: str
) -> None:
    """`base_model_id`, wherever it is given, is taken at its word."""
    runtime: Any = emulator.client()
    if where == "call":
        cached_client(runtime, memory=memory).converse(**REQUEST, base_model_id=CLAUDE)
    elif where == "client":
        cached_client(runtime, memory=memory, base_model_id=CLAUDE).converse(**REQUEST)
    else:
        route = Route(client=runtime, model_id=PROFILE_ARN, base_model_id=CLAUDE)
        client = cached_client(emulator.client(), memory=memory, fallbacks=[route])
        emulator.fail_next("ThrottlingException")
        client.converse(**{**REQUEST, "modelId": NOVA})
    assert points(emulator.requests[-1])
    assert emulator.ledger[-1].model_id == PROFILE_ARN
    assert emulator.control_requests == ()


@pytest.mark.parametrize("how", ["policy", "environment", "named"])
def test_nobody_is_asked_without_need(
    emulator: BedrockEmulator, memory: PrefixMemory, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Where nothing is cached, or the ID names its model, there is no question."""
    policy = CachePolicy.off() if how == "policy" else CachePolicy()
    if how == "environment":
        monkeypatch.setenv("LANGCHAIN_BEDROCK_CACHE", "off")
    client = cached_client(emulator.client(), memory=memory, policy=policy)
    client.converse(**{**REQUEST, "modelId": CLAUDE if how == "named" else PROFILE_ARN})
    assert emulator.control_requests == ()


def test_no_permission_is_one_warning(
    emulator: BedrockEmulator, memory: PrefixMemory, clock: SimulatedClock
) -> None:
    """It names the action and the remedies; calls go on without points, and nobody asks again."""
    emulator.fail_next("AccessDeniedException", DENIED, operation="GetInferenceProfile", times=9)
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning) as caught:
        responses = [client.converse(**REQUEST) for _ in range(3)]
    (warning,) = caught
    assert warning.filename == __file__
    for part in (PROFILE_ARN, "bedrock:GetInferenceProfile", "AccessDenied", "base_model_id="):
        assert part in str(warning.message)
    assert [r["usage"]["cacheWriteInputTokens"] for r in responses] == [0, 0, 0]
    assert emulator.control_requests == ASKED


def test_permission_that_comes_later_is_found(
    emulator: BedrockEmulator, memory: PrefixMemory, clock: SimulatedClock
) -> None:
    """An hour after a refusal, the question is asked again."""
    emulator.fail_next("AccessDeniedException", DENIED, operation="GetInferenceProfile")
    silent = CachePolicy(unsupported_model_behavior="ignore")
    client = cached_client(emulator.client(), memory=memory, policy=silent)
    for seconds in (0, 3599, 1):
        clock.advance(seconds)
        client.converse(**REQUEST)
    assert [bool(points(request)) for request in emulator.requests] == [False, False, True]
    assert emulator.control_requests == ASKED * 2


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "InternalServerException", "ResourceNotFoundException"]
)
def test_any_failure_leaves_the_call_alone(
    emulator: BedrockEmulator, memory: PrefixMemory, code: str
) -> None:
    """Whatever the control plane answers, the call is answered; the warning says what it was."""
    emulator.fail_next(code, operation="GetInferenceProfile")
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning, match=f"GetInferenceProfile: {code}"):
        client.converse(**REQUEST)
    assert [r.status for r in emulator.ledger] == [200]
    assert emulator.control_requests == ASKED


def test_raise_says_the_same(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """Who wants an error instead of uncached calls gets one that names the action."""
    emulator.fail_next("AccessDeniedException", DENIED, operation="GetInferenceProfile")
    policy = CachePolicy(unsupported_model_behavior="raise")
    client = cached_client(emulator.client(), memory=memory, policy=policy)
    with pytest.raises(UnsupportedModelError, match="bedrock:GetInferenceProfile"):
        client.converse(**REQUEST)
    assert len(emulator.ledger) == 0


@pytest.mark.parametrize("source", [f"global.{CLAUDE[3:]}", CLAUDE, CLAUDE[3:]])
def test_a_profile_costs_what_its_source_costs(
    source: str, clock: SimulatedClock, memory: PrefixMemory
) -> None:
    """A copy of a global profile has global prices, and others regional ones."""
    emulator = emulator_with(source, clock)
    control = emulator.control_client()
    (found,) = look_up(parse_address(PROFILE_ARN), control)
    client = cached_client(emulator.client(), memory=memory)
    model = ChatBedrockCached(
        model_id=PROFILE_ARN,
        provider="anthropic",
        client=client,
        bedrock_client=control,
        disable_streaming=False,
    )
    assert model.base_model_id == source.removeprefix("us.").removeprefix("global.")
    usage = client.converse(**REQUEST)["usage"]
    assert usage["cacheWriteInputTokens"] > 1900
    assert found == source


@pytest.mark.parametrize("geography", ["eu", "apac", "jp", "au", "us-gov"])
def test_geographies_are_told_by_their_regions(geography: str, clock: SimulatedClock) -> None:
    """Nova's prices differ by geography, which the ARN of a profile does not say."""
    source = f"{geography}.amazon.nova-2-lite-v1:0"
    emulator = emulator_with(source, clock)
    assert look_up(parse_address(PROFILE_ARN), emulator.control_client()) == (source,)


def test_the_control_client_is_like_the_runtime_client() -> None:
    """It has the credentials, Region and proxies of the runtime client, and tries once."""
    runtime = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-3",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token="token",
        config=Config(proxies={"https": "http://proxy:3128"}, use_fips_endpoint=False),
    )
    control = control_client(runtime)
    assert control.meta.service_model.service_name == "bedrock"
    assert control.meta.region_name == "eu-west-3"
    assert control.meta.endpoint_url == "https://bedrock.eu-west-3.amazonaws.com"
    assert control.meta.config.proxies == {"https": "http://proxy:3128"}
    assert control.meta.config.retries["total_max_attempts"] == 1
    assert control.meta.config.connect_timeout + control.meta.config.read_timeout <= 3
    frozen = control._request_signer._credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == (
        "AKIDEXAMPLE",
        "secret",
        "token",
    )


def test_a_custom_endpoint_is_taken_over(clock: SimulatedClock, memory: PrefixMemory) -> None:
    """Over HTTP, the emulator answers both planes at one address."""
    emulator = emulator_with(CLAUDE, clock)
    with emulator.serve() as server:
        runtime = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
            endpoint_url=server.url,
        )
        cached_client(runtime, memory=memory).converse(**REQUEST)
    assert emulator.control_requests == ASKED
    assert points(emulator.requests[0])


def test_an_unreachable_control_plane_costs_one_attempt(
    clock: SimulatedClock, memory: PrefixMemory
) -> None:
    """Where nothing listens, the first call goes out without points and later ones do not wait."""
    emulator = emulator_with(CLAUDE, clock)
    runtime = emulator.client()
    asked = []

    def nowhere(**_: Any) -> Any:
        asked.append(1)
        session = botocore.session.Session()
        session.set_credentials("x", "y")
        once = Config(retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=1)
        return session.create_client(
            "bedrock", region_name="us-east-1", endpoint_url="http://127.0.0.1:9", config=once
        )

    runtime.meta.events.unregister(
        "control-client.bedrock-runtime",
        unique_id="langchain-bedrock-cache-emulator/control-client.bedrock-runtime",
    )
    runtime.meta.events.register("control-client.bedrock-runtime", nowhere)
    client = cached_client(runtime, memory=memory)
    with pytest.warns(CacheSkippedWarning, match="EndpointConnectionError"):
        client.converse(**REQUEST)
    for _ in range(3):
        client.converse(**REQUEST)
    assert asked == [1]


class _NotBoto3:
    """What somebody's tests may hand over for a client."""

    def converse(self, **_request: Any) -> dict[str, Any]:
        return {}


def test_other_clients_are_not_asked(memory: PrefixMemory) -> None:
    """A stand-in for boto3's client has no control plane, and that is no problem."""
    silent = CachePolicy(unsupported_model_behavior="ignore")
    client = cached_client(_NotBoto3(), memory=memory, policy=silent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert client.converse(**REQUEST) == {}


def test_the_book_is_bounded(clock: SimulatedClock) -> None:
    """Addresses that never come back do not fill the memory of the process."""
    book = AddressBook(clock=clock)
    arn = "arn:aws:bedrock:us-east-1:123456789012:prompt-router/"
    for number in range(1100):
        book.chose(f"{arn}{number}", CLAUDE)
    assert len(book._known) == 1000
    assert book.models(f"{arn}0").models == ()
    assert book.models(f"{arn}1099").models == (CLAUDE,)
