"""The drop-in for LangChain's stuff-documents chain, at the wire."""

from __future__ import annotations

from typing import Any

import pytest
from documents_ways import create_stuff_documents_chain, seen
from langchain_aws import ChatBedrockConverse
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    PromptTemplate,
)
from langchain_core.runnables import Runnable, RunnableLambda
from wire import CLAUDE, points, words

from langchain_bedrock_cache import (
    CachePointTransformer,
    CachePolicy,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.documents import PrefixOrder, create_cached_stuff_documents_chain
from langchain_bedrock_cache.emulator import BedrockEmulator

IN_SYSTEM = ChatPromptTemplate([("system", "Use this:\n\n{context}"), ("human", "{input}")])
IN_USER = ChatPromptTemplate([("human", "Use this:\n\n{context}\n\nQuestion: {input}")])
AS_STRING = PromptTemplate.from_template("Use this:\n\n{context}\n\nQuestion: {input}")
DOCUMENTS = [
    Document(words(4_000, name), metadata={"title": name}) for name in ("alpha", "beta", "gamma")
]


@pytest.mark.parametrize("prompt", [IN_SYSTEM, IN_USER, AS_STRING], ids=["system", "user", "str"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"document_prompt": PromptTemplate.from_template("# {title}\n{page_content}")},
        {"document_separator": "\n---\n"},
    ],
    ids=["default", "document_prompt", "separator"],
)
def test_text_is_that_of_the_unmodified_chain(
    prompt: Any,
    options: dict[str, Any],
    plain_model: ChatBedrockConverse,
    emulator: BedrockEmulator,
) -> None:
    """Blocks joined, the model sees what it saw before, and the caller gets the same answer."""
    values = {"context": DOCUMENTS, "input": "Who?"}
    before = create_stuff_documents_chain(plain_model, prompt, **options).invoke(values)
    after = create_cached_stuff_documents_chain(plain_model, prompt, **options).invoke(values)
    assert after == before
    unmodified, ours = emulator.requests
    assert seen(ours) == seen(unmodified)
    assert not points(unmodified)
    assert points(ours)


def test_plain_model_gets_cache_points(
    plain_model: ChatBedrockConverse, emulator: BedrockEmulator
) -> None:
    """A `ChatBedrockConverse`, bound or not, reads the documents on the second question."""
    bound = plain_model.bind(stop=["END"])
    for llm in (plain_model, bound):
        chain = create_cached_stuff_documents_chain(llm, IN_USER)
        for question in ("Who?", "Where?"):
            chain.invoke({"context": DOCUMENTS, "input": question})
    assert emulator.ledger[1].cache_read_tokens > 12_000
    assert emulator.ledger[3].cache_read_tokens > 12_000


def test_cached_models_get_no_transformer(
    cached_model: ChatBedrockCached, plain_model: ChatBedrockConverse
) -> None:
    """What places points itself, or is not a model of Bedrock's, is left alone."""
    wrapped = plain_model.model_copy(update={"client": cached_client(plain_model.client)})
    own: Runnable[Any, Any] = RunnableLambda(lambda _: AIMessage("Hello."))
    for llm in (cached_model, cached_model.bind(stop=["END"]), wrapped, own):
        assert count_transformers(create_cached_stuff_documents_chain(llm, IN_USER)) == 0


def test_transformer_of_the_user_is_the_only_one(plain_model: ChatBedrockConverse) -> None:
    """A chain that was put together by the user gets nothing added."""
    llm = CachePointTransformer() | plain_model
    assert count_transformers(create_cached_stuff_documents_chain(llm, IN_USER)) == 1


def count_transformers(chain: Runnable[Any, Any]) -> int:
    """Count the transformers in a chain."""
    nodes = chain.get_graph().nodes.values()
    return sum(isinstance(node.data, CachePointTransformer) for node in nodes)


@pytest.mark.parametrize("bound", [False, True], ids=["model", "bound"])
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (CachePolicy(), "5m"),
        (CachePolicy(min_tokens=2_000), "5m"),
        (CachePolicy(ttl="1h"), "1h"),
        (CachePolicy(section_ttls={"system": "1h"}), "1h"),
        (CachePolicy.fixed(system="1h"), "1h"),
    ],
)
def test_documents_in_the_system_prompt_live_as_documents(
    policy: CachePolicy,
    expected: str,
    *,
    bound: bool,
    emulator: BedrockEmulator,
    memory: PrefixMemory,
) -> None:
    """They are written for 5 minutes, unless the policy of model or call says otherwise."""
    model = ChatBedrockCached(
        model_id=CLAUDE,
        client=emulator.client(),
        prefix_memory=memory,
        cache_policy=CachePolicy.off() if bound else policy,
    )
    llm: Any = model.bind(cache_policy=policy) if bound else model
    create_cached_stuff_documents_chain(llm, IN_SYSTEM).invoke(
        {"context": DOCUMENTS, "input": "Who?"}
    )
    [record] = emulator.ledger
    written = {"5m": record.cache_write_5m_tokens, "1h": record.cache_write_1h_tokens}
    assert written[expected] > 12_000


def test_policy_of_a_wrapped_client_is_kept(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """A client that the user wrapped with caching off stays off."""
    client = cached_client(emulator.client(), policy=CachePolicy.off(), memory=memory)
    model = ChatBedrockCached(model_id=CLAUDE, client=client)
    create_cached_stuff_documents_chain(model, IN_SYSTEM).invoke(
        {"context": DOCUMENTS, "input": "Who?"}
    )
    assert points(emulator.requests[0]) == []


def test_order_arranges_the_documents(
    cached_model: ChatBedrockCached, emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """With an order, the same documents in another ranking are read, not written."""
    chain = create_cached_stuff_documents_chain(
        cached_model, IN_USER, order=PrefixOrder(clock=clock)
    )
    chain.invoke({"context": DOCUMENTS, "input": "Who?"})
    chain.invoke({"context": DOCUMENTS[::-1], "input": "Where?"})
    assert emulator.ledger[1].cache_read_tokens == emulator.ledger[0].cache_write_tokens


async def test_async_batch_and_stream(
    cached_model: ChatBedrockCached, emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """The chain runs in every way that LangChain's runs."""
    chain = create_cached_stuff_documents_chain(
        cached_model, IN_USER, order=PrefixOrder(clock=clock)
    )
    values = {"context": DOCUMENTS, "input": "Who?"}
    answer = chain.invoke(values)
    assert await chain.ainvoke(values) == answer
    assert "".join(chain.stream(values)) == answer
    assert "".join([piece async for piece in chain.astream(values)]) == answer
    assert chain.batch([values]) == [answer]
    assert all(record.cache_read_tokens > 12_000 for record in emulator.ledger[1:])
    assert len(emulator.ledger) == 5


def test_it_fits_into_a_retrieval_chain(cached_model: ChatBedrockCached) -> None:
    """`create_retrieval_chain` takes it as it takes LangChain's."""
    chains = pytest.importorskip("langchain_classic.chains")
    retriever: Runnable[Any, Any] = RunnableLambda(lambda _: DOCUMENTS)
    chain = chains.create_retrieval_chain(
        retriever, create_cached_stuff_documents_chain(cached_model, IN_SYSTEM)
    )
    result = chain.invoke({"input": "Who?"})
    assert result["context"] == DOCUMENTS
    assert isinstance(result["answer"], str)


def test_other_parser_and_variable(
    cached_model: ChatBedrockCached, emulator: BedrockEmulator
) -> None:
    """Parser and variable are the caller's."""

    class Shouting(BaseOutputParser[str]):
        def parse(self, text: str) -> str:
            return text.upper()

    chain = create_cached_stuff_documents_chain(
        cached_model,
        ChatPromptTemplate([("human", "{docs} {input}")]),
        output_parser=Shouting(),
        document_variable_name="docs",
    )
    answer = chain.invoke({"docs": DOCUMENTS, "input": "Who?"})
    assert answer == answer.upper()
    assert len(emulator.requests[0]["messages"][0]["content"]) == 5


def test_prompt_without_the_variable_is_an_error(plain_model: ChatBedrockConverse) -> None:
    """The error is LangChain's."""
    prompt = ChatPromptTemplate([("human", "{input}")])
    with pytest.raises(ValueError, match="must accept context") as ours:
        create_cached_stuff_documents_chain(plain_model, prompt)
    with pytest.raises(ValueError, match="must accept context") as theirs:
        create_stuff_documents_chain(plain_model, prompt)
    assert str(ours.value) == str(theirs.value)


def test_prompt_that_cannot_be_cut_is_an_error(plain_model: ChatBedrockConverse) -> None:
    """A prompt that formats in its own way is named, and what to use instead."""
    prompt = FewShotPromptTemplate(
        examples=[], example_prompt=AS_STRING, suffix="{context}", input_variables=["context"]
    )
    with pytest.raises(TypeError, match="FewShotPromptTemplate may format"):
        create_cached_stuff_documents_chain(plain_model, prompt)
