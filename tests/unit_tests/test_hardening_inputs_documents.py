"""Every bad input of documents, messages and batches: an error with the value, at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from wire import CLAUDE, LLAMA, ask, user

from langchain_bedrock_cache import (
    BedrockCacheError,
    CachePointTransformer,
    CachePolicy,
    ChatBedrockCached,
    KeepAlive,
    Route,
    cached_client,
    cached_tools,
)
from langchain_bedrock_cache.documents import CachedDocuments, PrefixOrder, documents_to_blocks
from langchain_bedrock_cache.emulator import BedrockEmulator

Given = Callable[[BedrockEmulator], Any]


def model(bedrock: BedrockEmulator) -> ChatBedrockCached:
    """Return a chat model on the emulator."""
    return ChatBedrockCached(model_id=CLAUDE, client=bedrock.client())


def documents(bedrock: BedrockEmulator, *, model_id: str = CLAUDE, **settings: Any) -> Any:
    """Return one document to ask about."""
    client = bedrock.client()
    plain = ChatBedrockConverse(model_id=model_id, client=client, bedrock_client=client)
    made = CachedDocuments(plain, **settings)
    made.add("a", Document("A lease."))
    return made


def kept(**settings: Any) -> Given:
    """Return what keeps a prompt alive."""
    return lambda bedrock: KeepAlive(model(bedrock), "?", **settings)


def called(**options: Any) -> Given:
    """Return what calls a cached client."""
    return lambda bedrock: cached_client(bedrock.client()).converse(**ask(user("?")), **options)


def batched(config: Any) -> Given:
    """Return what runs a batch."""
    return lambda bedrock: model(bedrock).batch(["1?", "2?"], config)


def split(**settings: Any) -> Given:
    """Return what splits a prompt."""
    prompt = ChatPromptTemplate([("system", "Rules.<<cache-point>> Today.")])
    return lambda _: CachePointTransformer.split(prompt, **settings)


BAD: dict[str, tuple[Given, str]] = {
    "policy: tenant_key": (
        lambda _: CachePolicy(tenant="acme", tenant_key=5),  # type: ignore[arg-type]
        "tenant_key is 5, but must be a string",
    ),
    "call: base_model_id": (called(base_model_id=5), "base_model_id is 5, but must be a model ID"),
    "call: conversation_id": (
        called(conversation_id=5),
        "conversation_id is 5, but must be a string, or None",
    ),
    "route: model_id": (
        lambda bedrock: Route(client=bedrock.client(), model_id=""),
        "model_id is blank, but must be a model ID, or None",
    ),
    "route: base_model_id": (
        lambda bedrock: Route(client=bedrock.client(), base_model_id=5),  # type: ignore[arg-type]
        "base_model_id is 5, but must be a model ID, or None",
    ),
    "batch: nobody at once": (
        batched({"max_concurrency": 0}),
        "max_concurrency is 0, but must be a whole number, 1 or more",
    ),
    "batch: less than nobody": (batched([{"max_concurrency": -1}, {}]), "max_concurrency is -1"),
    "batch: some": (batched({"max_concurrency": "2"}), "max_concurrency is '2', but must be a"),
    "batch: one text": (
        lambda bedrock: model(bedrock).batch("1?"),  # type: ignore[arg-type]
        "inputs is '1[?]', but must be a list of inputs",
    ),
    "batch: nothing": (
        lambda bedrock: model(bedrock).batch(None),  # type: ignore[arg-type]
        "inputs is None, but must be a list of inputs",
    ),
    "batch as completed": (
        lambda bedrock: [
            *model(bedrock).batch_as_completed(["1?", "2?"], {"max_concurrency": 0}),
        ],
        "max_concurrency is 0",
    ),
    "keep alive: ttl": (kept(ttl="2h"), "ttl is '2h'; choose one of '5m', '1h'"),
    "keep alive: no ttl": (kept(ttl=None), "ttl is None; choose one of '5m', '1h'"),
    "keep alive: for ever": (
        kept(max_seconds=None),
        "max_seconds is None, but must be a number, more than 0",
    ),
    "keep alive: sleep": (kept(sleep=5), "sleep is 5, but must be a function, of seconds"),
    "keep alive: asleep": (kept(asleep=None), "asleep is None, but must be a function"),
    "keep alive: max_usd": (kept(max_usd=Decimal(-1)), r"max_usd is Decimal\('-1'\), but must be"),
    "transformer: unknown setting": (
        lambda _: CachePointTransformer(ttl="1h"),  # type: ignore[call-arg]
        "Extra inputs are not permitted",
    ),
    "split: marker": (split(marker=5), "marker is 5, but must be a string"),
    "split: ttl": (split(ttl="2h"), "ttl"),
    "cached_tools: one name": (
        lambda _: cached_tools("look_up"),
        "tools is 'look_up', but must be a list of tools",
    ),
    "cached_tools: sort": (
        lambda _: cached_tools([], sort="name"),  # type: ignore[arg-type]
        "sort is 'name', but must be True or False",
    ),
    "documents: ttl": (
        lambda bedrock: documents(bedrock, model_id=LLAMA, ttl="2h"),
        "ttl is '2h'; choose one of '5m', '1h'",
    ),
    "documents: instructions": (
        lambda bedrock: documents(bedrock, instructions=None),
        "instructions is None, but must be a string",
    ),
    "documents: template": (
        lambda bedrock: documents(bedrock, template=5),
        r"template is 5, but must be a text or a prompt template, such as '\{page_content\}'",
    ),
    "documents: empty template": (
        lambda bedrock: documents(bedrock, template="<document></document>"),
        r"The template has no variable, so that all documents read the same: \{page_content\}",
    ),
    "documents: citations": (
        lambda bedrock: documents(bedrock, citations="no"),
        "citations is 'no', but must be True or False",
    ),
    "documents: clock": (
        lambda bedrock: documents(bedrock, clock=0),
        "clock is 0, but must be a function that returns seconds",
    ),
    "documents: no IDs": (
        lambda bedrock: documents(bedrock).ask(None, "?"),
        "document_ids is None, but must be an ID, or a list of IDs",
    ),
    "documents: a number": (
        lambda bedrock: documents(bedrock).seconds_left(5),
        "document_ids is 5, but must be an ID, or a list of IDs",
    ),
    "documents: one question": (
        lambda bedrock: documents(bedrock).batch("a?"),
        "questions is 'a[?]', but must be a list of pairs",
    ),
    "documents: a pair": (
        lambda bedrock: documents(bedrock).batch(("a", "?")),
        r"A question is 'a', but must be a pair: \(document ID, question\)",
    ),
    "documents: no pair": (
        lambda bedrock: documents(bedrock).batch([("a",)]),
        "A question is a tuple, but must be a pair",
    ),
    "documents: nobody at once": (
        lambda bedrock: documents(bedrock).batch([("a", "?")], config={"max_concurrency": -1}),
        "max_concurrency is -1, but must be a whole number, 1 or more",
    ),
    "blocks: one text": (
        lambda _: documents_to_blocks("A lease."),  # type: ignore[arg-type]
        "documents is 'A lease.', but must be a list of Documents and Blobs",
    ),
    "blocks: name": (
        lambda _: documents_to_blocks([], name="lease"),  # type: ignore[arg-type]
        "name is 'lease', but must be a function of a file's bytes",
    ),
    "order: max_shift": (
        lambda _: PrefixOrder(max_shift=1.5),  # type: ignore[arg-type]
        "max_shift is 1.5, but must be a whole number, 0 or more",
    ),
    "order: clock": (
        lambda _: PrefixOrder(clock=0),  # type: ignore[arg-type]
        "clock is 0, but must be a function that returns seconds",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_before_anything_is_sent(case: str, emulator: BedrockEmulator) -> None:
    """The message has the argument, the value and what it must be; Bedrock hears nothing."""
    given, message = BAD[case]
    with pytest.raises((BedrockCacheError, ValueError, TypeError), match=message):
        given(emulator)
    assert emulator.ledger == ()


async def test_an_asynchronous_batch_of_nobody_does_not_wait_forever(
    emulator: BedrockEmulator,
) -> None:
    """LangChain takes 0 calls at once at its word, and never comes back."""
    nobody: Any = {"max_concurrency": 0}
    with pytest.raises(BedrockCacheError, match="max_concurrency is 0"):
        await model(emulator).abatch(["1?", "2?"], nobody)
    with pytest.raises(BedrockCacheError, match="max_concurrency is 0"):
        await documents(emulator).abatch([("a", "1?"), ("a", "2?")], config=nobody)
    with pytest.raises(BedrockCacheError, match="max_concurrency is 0"):
        await anext(model(emulator).abatch_as_completed(["1?", "2?"], nobody))
    assert emulator.ledger == ()


def test_good_input_stays_good(emulator: BedrockEmulator) -> None:
    """Limits in USD as decimals, one call at a time, and several documents are no mistakes."""
    assert KeepAlive(model(emulator), "?", max_usd=Decimal("0.5")).report.pings == 0
    assert len(model(emulator).batch(["1?", "2?"], [{"max_concurrency": 1}, {}])) == 2
    asked = documents(emulator)
    asked.add("b", "A second lease.")
    assert len(asked.batch([(["a", "b"], "?"), ["a", "?"]], config={"max_concurrency": 1})) == 2
