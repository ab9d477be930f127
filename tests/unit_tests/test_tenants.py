"""Tenants: what one of them sends is never found in the cache by another, not even in tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import CLAUDE, HOUR, LLAMA, NOVA, POINT, ask, assistant, text, tool, user

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory, cached_client
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.tenants import TENANT_KEY, salted, tenant_salt

RULES = [text(5_000)]
TOOLS = [tool(5_000)]


def both(request: dict[str, Any], *, key: str = "k") -> tuple[Any, Any]:
    """Send the same request three times for one tenant, then for another; return the emulators."""
    emulator = BedrockEmulator(capture_requests=True)
    client = cached_client(emulator.client(), memory=PrefixMemory())
    usages = [
        client.converse(**request, cache_policy=CachePolicy(tenant=tenant, tenant_key=key))["usage"]
        for tenant in ("acme", "acme", "acme", "bolt")
    ]
    return emulator, usages


REQUESTS: dict[str, dict[str, Any]] = {
    "system": ask(user("?"), system=RULES),
    "tools": ask(user("?"), tools=TOOLS),
    "tools and system": ask(user("?"), tools=TOOLS, system=RULES),
    "a document": ask(user(text(5_000), "?")),
    "a conversation": ask(user(text(5_000)), assistant("yes"), user("?")),
    "points of the application": ask(user("?"), tools=[*TOOLS, POINT], system=[*RULES, POINT]),
    "Nova": ask(user("?"), system=RULES, model=NOVA),
    "Nova without a system prompt": ask(user(text(5_000), "?"), model=NOVA),
}


@pytest.mark.filterwarnings("ignore:Cache points in tools")
@pytest.mark.parametrize("case", REQUESTS)
def test_tenants_share_nothing(case: str) -> None:
    """A tenant reads its own prompts; the next tenant's first call reads nothing."""
    _, usages = both(REQUESTS[case])
    own, other = usages[2], usages[3]
    assert own["cacheReadInputTokens"] >= 5_000
    assert other["cacheReadInputTokens"] == 0


def test_points_in_tools_are_left_out_with_a_word() -> None:
    """What ends in tools would be shared: the application's points there are dropped, and said."""
    request = ask(user("?"), tools=[*TOOLS, HOUR], system=RULES)
    with pytest.warns(UserWarning, match="points in tools are left out") as caught:
        emulator, _ = both(request)
    assert len(caught) == 1
    for sent in emulator.requests:
        assert all("cachePoint" not in item for item in sent["toolConfig"]["tools"])


@pytest.mark.filterwarnings("ignore:Cache points in tools")
@pytest.mark.parametrize("mode", ["off", "switched off"])
def test_points_of_the_application_are_salted_with_the_policy_off(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off sends requests as they are, but never a point that tenants would share."""
    if mode == "switched off":
        monkeypatch.setenv("LANGCHAIN_BEDROCK_CACHE", "off")
    emulator = BedrockEmulator(capture_requests=True)
    client = cached_client(emulator.client(), memory=PrefixMemory())
    request = ask(user("?"), tools=[*TOOLS, POINT], system=[*RULES, POINT])
    for tenant in ("acme", "bolt"):
        policy = CachePolicy(mode="off" if mode == "off" else "auto", tenant=tenant)
        assert client.converse(**request, cache_policy=policy)["usage"]["cacheReadInputTokens"] == 0
        client.converse(**ask(user("?"), system=RULES), cache_policy=policy)
        assert emulator.requests[-1]["system"] == RULES


def test_models_without_a_cache_get_no_salt() -> None:
    """Where nothing is cached, nothing is salted."""
    emulator = BedrockEmulator(capture_requests=True)
    policy = CachePolicy(tenant="acme", unsupported_model_behavior="ignore")
    client = cached_client(emulator.client(), policy=policy, memory=PrefixMemory())
    client.converse(**ask(user("?"), system=RULES, model=LLAMA))
    assert emulator.requests[-1]["system"] == RULES


def test_the_price_is_a_few_tokens() -> None:
    """The salt costs what the documentation says, a call."""
    request = ask(user("?"), system=RULES)
    client = BedrockEmulator().client()
    plain = client.converse(**request)["usage"]["inputTokens"]
    with_salt = client.converse(**salted(request, tenant_salt("acme")))["usage"]["inputTokens"]
    assert 0 < with_salt - plain <= 20


def test_a_refused_salted_request_is_sent_again() -> None:
    """Recovery works as without a tenant, and keeps the salt."""
    emulator = BedrockEmulator(capture_requests=True)
    emulator.refuse_cache_points()
    policy = CachePolicy(tenant="acme")
    client = cached_client(emulator.client(), policy=policy, memory=PrefixMemory())
    with pytest.warns(UserWarning, match="refused a cache point"):
        client.converse(**REQUESTS["system"])
    first, second = emulator.requests
    assert strip_points(first) == second


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.text())
def test_salts(one: str, other: str, key: str, other_key: str) -> None:
    """Equal for equal tenant and key, else different; nothing of the name shows."""
    salt = tenant_salt(one, key=key)
    assert salt == tenant_salt(one, key=key)
    assert (salt == tenant_salt(other, key=key)) is (one == other)
    assert (salt == tenant_salt(one, key=other_key)) is (key == other_key)
    assert len(salt) == 24


def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's secret is used where the policy has none."""
    without = tenant_salt("acme")
    monkeypatch.setenv(TENANT_KEY, "secret")
    assert tenant_salt("acme") == tenant_salt("acme", key="secret") != without


def test_the_key_is_shown_nowhere() -> None:
    """Neither printing nor serializing a model gives the secret away."""
    policy = CachePolicy(tenant="acme", tenant_key="the secret")
    model = ChatBedrockCached(
        model_id=CLAUDE, client=BedrockEmulator().client(), cache_policy=policy
    )
    assert "the secret" not in repr(policy) + repr(model) + json.dumps(model.lc_attributes)


blocks = st.lists(st.sampled_from([text(10), text(1_500), POINT, HOUR]), max_size=3)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(blocks, blocks, st.sampled_from([CLAUDE, NOVA]))
def test_no_request_of_two_tenants_ever_meets(system: Any, content: Any, model: str) -> None:
    """Whatever a request looks like, no second tenant reads what the first one wrote."""
    emulator = BedrockEmulator()
    client = cached_client(emulator.client(), memory=PrefixMemory())
    request = ask(user(text(2_000), *content, "?"), system=[text(9), *system], model=model)
    for tenant in ("acme", "bolt"):
        try:
            client.converse(**request, cache_policy=CachePolicy(tenant=tenant))
        except Exception:  # noqa: BLE001 # points that nobody could send
            return
        assert emulator.ledger[-1].cache_read_tokens == 0
