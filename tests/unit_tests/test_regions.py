"""Fallback Regions and profiles: tried in order, for faults of the service, by what is warm."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from langchain_core.messages import HumanMessage, SystemMessage
from wire import CLAUDE, NOVA, PROFILE_ARN, ask, text, user, words

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory, cached_client
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.regions import (
    TRANSIENT_CODES,
    Route,
    Router,
    expected_price,
    is_transient,
)

HOME, AWAY = "us-east-1", "us-west-2"
REQUEST = ask(user("?"), system=[text(5_000)])


@dataclasses.dataclass
class World:
    """Two Regions of one emulator, and a client for both that prefers the first."""

    clock: SimulatedClock = dataclasses.field(default_factory=SimulatedClock)

    def __post_init__(self) -> None:
        self.emulator = BedrockEmulator(clock=self.clock)
        self.home = self.emulator.client(region=HOME)
        self.away = self.emulator.client(region=AWAY)
        memory = PrefixMemory(clock=self.clock)
        self.client = cached_client(self.home, memory=memory, fallbacks=[self.away])

    def call(self, **request: Any) -> str:
        """Call, and return the Region that answered."""
        self.client.converse(**(request or REQUEST))
        return self.emulator.ledger[-1].region


@pytest.fixture
def world() -> World:
    """Two healthy Regions."""
    return World()


@pytest.mark.parametrize("code", sorted(TRANSIENT_CODES))
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_faults_of_the_service_go_elsewhere(world: World, code: str, operation: str) -> None:
    """Throttling and service errors are answered by the next Region, before a stream begins."""
    world.emulator.fail_next(code)
    response = getattr(world.client, operation)(**REQUEST)
    assert "stream" not in response or list(response["stream"])
    assert [record.region for record in world.emulator.ledger] == [HOME, AWAY]


@pytest.mark.parametrize(
    "code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"]
)
def test_other_errors_are_the_callers(world: World, code: str) -> None:
    """What another Region would refuse as well is raised at once, unchanged."""
    world.emulator.fail_next(code, "about something else")
    with pytest.raises(ClientError, match="about something else") as caught:
        world.call()
    assert caught.value.response["Error"]["Code"] == code
    assert len(world.emulator.ledger) == 1


def test_the_first_error_is_raised_if_all_fail(world: World) -> None:
    """The caller sees the error of the preferred Region, whatever the others say."""
    world.emulator.fail_next("ThrottlingException", "too many at home")
    world.emulator.fail_next("AccessDeniedException", "not enabled there")
    with pytest.raises(ClientError, match="too many at home"):
        world.call()


def test_a_broken_stream_is_not_restarted(world: World) -> None:
    """Once a stream has begun its errors are the caller's."""
    world.emulator.fail_next("ThrottlingException", after_events=2)
    response = world.client.converse_stream(**REQUEST)
    with pytest.raises(ClientError, match="Too many requests"):
        list(response["stream"])
    assert len(world.emulator.ledger) == 1


def test_stays_where_it_is_warm_and_comes_back(world: World) -> None:
    """After a failure, calls stay with the warm prefix; when it is cold, they come back."""
    world.emulator.fail_next()
    assert world.call() == AWAY
    world.clock.advance(120)  # home is well again, but cold
    assert world.call() == AWAY
    assert world.emulator.ledger[-1].cache_read_tokens >= 5_000
    assert world.call(**ask(user("?"), system=[text(5_000, "new")])) == HOME
    world.clock.advance(2 * 3600)
    assert world.call() == HOME


def test_comes_back_where_home_is_warm_too(world: World) -> None:
    """A prefix that is warm in both Regions is read in the preferred one."""
    assert world.call() == HOME
    world.emulator.fail_next()
    assert world.call() == AWAY
    world.clock.advance(70)
    assert world.call() == HOME
    assert world.emulator.ledger[-1].cache_read_tokens >= 5_000


def test_a_region_that_failed_rests(world: World) -> None:
    """For a minute, also cold prompts go elsewhere first."""
    world.emulator.fail_next()
    assert world.call() == AWAY
    world.clock.advance(59)
    assert world.call(**ask(user("?"), system=[text(5_000, "new")])) == AWAY
    world.clock.advance(2)
    assert world.call(**ask(user("?"), system=[text(5_000, "newer")])) == HOME


def test_caches_are_local(world: World) -> None:
    """What was written in one Region is not believed to be in another."""
    memory = PrefixMemory(clock=world.clock)
    for region in (world.home, world.away):
        client = cached_client(region, memory=memory)
        report = client.converse(**REQUEST)["ResponseMetadata"]["CachePlan"]
        assert report["points"]
        assert world.emulator.ledger[-1].cache_write_tokens >= 5_000
        client.converse(**REQUEST)
        assert world.emulator.ledger[-1].cache_read_tokens >= 5_000


def test_another_inference_profile(world: World) -> None:
    """A route may change the model ID, in the same Region or another."""
    route = Route(client=world.home, model_id="global.anthropic.claude-opus-4-8")
    client = cached_client(world.home, memory=PrefixMemory(clock=world.clock), fallbacks=[route])
    world.emulator.fail_next()
    client.converse(**REQUEST)
    assert [r.model_id for r in world.emulator.ledger] == [CLAUDE, route.model_id]
    assert route.locality == f"{HOME}/{route.model_id}"


def test_a_fallback_of_an_unknown_name(world: World) -> None:
    """An application inference profile as a fallback names its model for itself."""
    emulator = BedrockEmulator(clock=world.clock, model_arns={PROFILE_ARN: "amazon.nova-pro-v1:0"})
    client = emulator.client()
    route = Route(client=client, model_id=PROFILE_ARN, base_model_id=NOVA)
    cached = cached_client(client, memory=PrefixMemory(clock=world.clock), fallbacks=[route])
    emulator.fail_next()
    cached.converse(**REQUEST)
    assert emulator.ledger[-1].base_model_id == "amazon.nova-pro-v1:0"
    assert emulator.ledger[-1].cache_points


def test_chat_models_take_fallback_clients(world: World) -> None:
    """`fallback_clients` of the chat model, also one made from another model."""
    model = ChatBedrockCached(
        model_id=CLAUDE,
        client=world.home,
        fallback_clients=[world.away],
        prefix_memory=PrefixMemory(clock=world.clock),
    )
    copied = ChatBedrockCached.from_model(model, fallback_clients=[world.away])
    for chat in (model, copied):
        world.emulator.fail_next()
        assert chat.invoke([SystemMessage(words(5_000)), HumanMessage("?")]).text
        assert world.emulator.ledger[-1].region == AWAY


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_retries_of_botocore_come_first(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's own retries are used up in one Region before another is asked."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    emulator = BedrockEmulator()
    config = Config(retries={"mode": mode, "total_max_attempts": 2})
    clients = [emulator.client(region=r, config=config) for r in (HOME, AWAY)]
    client = cached_client(clients[0], memory=PrefixMemory(), fallbacks=clients[1:])
    emulator.fail_next(times=3)
    client.converse(**REQUEST)
    assert [r.region for r in emulator.ledger] == [HOME, HOME, AWAY, AWAY]


def test_retries_and_fallbacks_of_langchain(world: World) -> None:
    """`with_retry` and `with_fallbacks` see Bedrock's own errors; what is sent again is planned."""
    policy = CachePolicy.fixed(system="5m")
    memory = PrefixMemory(clock=world.clock)
    model = ChatBedrockCached(
        model_id=CLAUDE, client=world.home, prefix_memory=memory, cache_policy=policy
    )
    other = ChatBedrockCached(
        model_id=CLAUDE, client=world.away, prefix_memory=memory, cache_policy=policy
    )
    prompt = [SystemMessage(words(5_000)), HumanMessage("?")]
    throttled = world.home.exceptions.ThrottlingException
    retrying = model.with_retry(
        retry_if_exception_type=(throttled,), wait_exponential_jitter=False, stop_after_attempt=2
    )
    world.emulator.fail_next()
    assert retrying.invoke(prompt).text
    world.emulator.fail_next()
    assert model.with_fallbacks([other]).invoke(prompt).text
    served = [(r.region, bool(r.cache_points)) for r in world.emulator.ledger if r.status == 200]
    assert served == [(HOME, True), (AWAY, True)]


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (EndpointConnectionError(endpoint_url="x"), True),
        (ConnectTimeoutError(endpoint_url="x"), True),
        (ReadTimeoutError(endpoint_url="x"), True),
        (NoCredentialsError(), False),
        (ClientError({}, "Converse"), False),
        (ValueError("x"), False),
    ],
)
def test_what_is_transient(error: Exception, *, transient: bool) -> None:
    """Lost connections are; missing credentials and mistakes are not."""
    assert is_transient(error) is transient


def test_prices_decide() -> None:
    """Warm is cheaper than cold, and the same prompt costs less with a cheaper profile."""
    warm, cold = (
        expected_price(model_id=CLAUDE, base_model=None, warm_chars=n, chars=100) for n in (90, 0)
    )
    assert warm < cold / 4
    dear = expected_price(
        model_id="us.anthropic.claude-haiku-4-5-20251001-v1:0",
        base_model=None,
        warm_chars=0,
        chars=100,
    )
    cheap = expected_price(
        model_id="global.anthropic.claude-haiku-4-5-20251001-v1:0",
        base_model=None,
        warm_chars=0,
        chars=100,
    )
    assert cheap < dear
    assert expected_price(model_id="unknown", base_model=None, warm_chars=0, chars=100) > 0


def test_nobody_asks_for_prices_while_all_is_well(world: World, clock: SimulatedClock) -> None:
    """The common case costs nothing: the first place, without reading the request twice."""
    router = Router([Route(client=world.home), Route(client=world.away)], clock=clock)

    def price(_route: Route) -> float:
        pytest.fail("asked")

    assert [route.client for route in router.order(price)] == [world.home, world.away]
