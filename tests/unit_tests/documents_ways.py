"""The ways of building a RAG chain, with and without this package, and what a run of each costs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from pydantic import Field

from langchain_bedrock_cache import CachePointTransformer, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.documents import (
    PrefixOrder,
    conversational_prompt,
    create_cached_stuff_documents_chain,
    documents_to_blocks,
    split_stable,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.traffic import ReadCall, to_traffics

CLAUDE = "us.anthropic.claude-opus-4-8"
WORKLOADS = "BEDROCK_CACHE_WORKLOADS"
INSTRUCTIONS = "Answer the question from the document."
STUFF_PROMPT = ChatPromptTemplate(
    [("system", INSTRUCTIONS + "\n\n{context}"), ("human", "{question}")]
)
ONE_STRING = ChatPromptTemplate(
    [("system", INSTRUCTIONS), ("human", "Context:\n{context}\n\nQuestion: {question}")]
)
QUESTION = "{context}\n\nQuestion: {input}"

_BETWEEN_DOCUMENTS_SECONDS = 120.0
_BETWEEN_QUESTIONS_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A document and what is asked about it."""

    text: str
    questions: tuple[str, ...]

    def parts(self) -> list[Document]:
        """Return the document as a loader would: in some chapters, in order."""
        size = -(-len(self.text) // 4)
        return [Document(self.text[i : i + size]) for i in range(0, len(self.text), size)]


Asker = Callable[[Subject, str], Any]
MakeAsker = Callable[[Runnable[Any, Any]], Asker]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainWay:
    """One way to build a chain: as everybody does, and with this package."""

    title: str
    unmodified: MakeAsker
    ours: MakeAsker


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run cost, in tokens at the input price, and what the model saw."""

    cost: float
    without_caching: float
    bound: float
    seen: Sequence[Sequence[tuple[str, str]]]


def subjects(limit: int) -> list[Subject]:
    """Return real documents with their questions; skip the test if there are none here."""
    folder = os.environ.get(WORKLOADS)
    if not folder:
        pytest.skip(f"{WORKLOADS} does not name a folder with the SQuALITY documents")
    spec = importlib.util.spec_from_file_location("workload_reader", Path(folder) / "load.py")
    assert spec is not None
    assert spec.loader is not None
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    rows = reader.read("rag_squality")[:limit]
    return [
        Subject(
            text=row["document"],
            questions=tuple(q if isinstance(q, str) else q["question"] for q in row["questions"]),
        )
        for row in rows
    ]


def plain_model(emulator: BedrockEmulator) -> ChatBedrockConverse:
    """Return langchain-aws's model on the emulator."""
    client = emulator.client()
    return ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)


def cached_model(emulator: BedrockEmulator, clock: SimulatedClock) -> ChatBedrockCached:
    """Return our model on the emulator."""
    client = emulator.client()
    memory = PrefixMemory(clock=clock)
    return ChatBedrockCached(
        model_id=CLAUDE, client=client, bedrock_client=client, prefix_memory=memory
    )


def transformed_model(emulator: BedrockEmulator, clock: SimulatedClock) -> Runnable[Any, Any]:
    """Return langchain-aws's model with our transformer before it."""
    memory = PrefixMemory(clock=clock)
    return CachePointTransformer(model=CLAUDE, memory=memory) | plain_model(emulator)


def run(
    make: MakeAsker,
    on: Sequence[Subject],
    model: Callable[[BedrockEmulator, SimulatedClock], Runnable[Any, Any]],
) -> Outcome:
    """Ask every question, and add up the costs."""
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock, capture_requests=True)
    times = []
    ask = make(model(emulator, clock))
    for number, subject in enumerate(on):
        for n, question in enumerate(subject.questions):
            at = number * _BETWEEN_DOCUMENTS_SECONDS + n * _BETWEEN_QUESTIONS_SECONDS
            clock.now = max(clock.now, at)
            times.append(clock.now)
            ask(subject, question)
    return outcome_of(emulator, times)


def outcome_of(emulator: BedrockEmulator, times: Sequence[float]) -> Outcome:
    """Return what the requests of an emulator cost, next to the least they could have."""
    prices = price_multipliers(CLAUDE)
    profile = find_profile(CLAUDE)
    assert profile is not None
    calls = [
        ReadCall(
            at_seconds=at,
            session="",
            model_id=CLAUDE,
            profile=profile,
            prefix=read_converse({"modelId": CLAUDE, **strip_points(request)}, profile),
        )
        for at, request in zip(times, emulator.requests, strict=True)
    ]
    [traffic] = to_traffics(calls, source="test", chars_per_token=3.0)
    cost = sum(
        r.uncached_input_tokens
        + r.cache_read_tokens * prices.read
        + r.cache_write_5m_tokens * prices.write_5m
        + r.cache_write_1h_tokens * prices.write_1h
        for r in emulator.ledger
    )
    return Outcome(
        cost=cost,
        without_caching=sum(r.input_tokens for r in emulator.ledger),
        bound=lower_bound(traffic, prices),
        seen=[seen(request) for request in emulator.requests],
    )


def seen(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the model sees: role and text, blocks joined, cache points left out."""
    lists = [("system", request.get("system") or [])]
    lists += [(m["role"], m["content"]) for m in request["messages"]]
    return [(role, "".join(block.get("text", "") for block in blocks)) for role, blocks in lists]


def create_stuff_documents_chain(
    model: Runnable[Any, Any], prompt: Any, **options: Any
) -> Runnable[dict[str, Any], Any]:
    """Return LangChain's own chain; skip the test where it is not installed."""
    combine = pytest.importorskip("langchain_classic.chains.combine_documents")
    chain: Runnable[dict[str, Any], Any] = combine.create_stuff_documents_chain(
        model, prompt, **options
    )
    return chain


def stuffed(model: Runnable[Any, Any]) -> Asker:
    """LangChain's stuff-documents chain."""
    chain = create_stuff_documents_chain(model, STUFF_PROMPT)
    return lambda subject, q: chain.invoke({"context": subject.parts(), "question": q})


def cached_stuffed(model: Runnable[Any, Any]) -> Asker:
    """Our drop-in for it."""
    chain = create_cached_stuff_documents_chain(model, STUFF_PROMPT)
    return lambda subject, q: chain.invoke({"context": subject.parts(), "question": q})


def one_string(model: Runnable[Any, Any]) -> Asker:
    """Document and question in one template."""
    chain = ONE_STRING | model
    return lambda subject, q: chain.invoke({"context": subject.text, "question": q})


def cached_one_string(model: Runnable[Any, Any]) -> Asker:
    """The same template, split."""
    chain = split_stable(ONE_STRING) | model
    return lambda subject, q: chain.invoke({"context": subject.text, "question": q})


def joined_blocks(model: Runnable[Any, Any]) -> Asker:
    """A message written by hand."""

    def ask(subject: Subject, question: str) -> Any:
        text = "".join(f"<document>\n{d.page_content}\n</document>" for d in subject.parts())
        return model.invoke([SystemMessage(INSTRUCTIONS), HumanMessage(text + question)])

    return ask


def separate_blocks(model: Runnable[Any, Any]) -> Asker:
    """A message of documents as blocks."""

    def ask(subject: Subject, question: str) -> Any:
        blocks: list[Any] = documents_to_blocks(
            subject.parts(), template="<document>\n{page_content}\n</document>"
        )
        content = [*blocks, {"type": "text", "text": question}]
        return model.invoke([SystemMessage(INSTRUCTIONS), HumanMessage(content)])

    return ask


class SubjectRetriever(BaseRetriever):
    """Finds the parts of one document, whatever is asked."""

    subject: list[Document] = Field(default_factory=list)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.subject


def joined_documents(documents: Sequence[Document]) -> str:
    """Return documents as one text, as every tutorial does."""
    return "\n\n".join(document.page_content for document in documents)


def retrieved(model: Runnable[Any, Any]) -> Asker:
    """Retriever and LCEL."""
    retriever = SubjectRetriever()
    found = {"context": retriever | joined_documents, "question": RunnablePassthrough()}
    return _asking_retriever(retriever, found | ONE_STRING | model)


def cached_retrieved(model: Runnable[Any, Any]) -> Asker:
    """Retriever and LCEL, without joining the documents, with the template split."""
    retriever = SubjectRetriever()
    found = {"context": retriever, "question": RunnablePassthrough()}
    return _asking_retriever(retriever, found | split_stable(ONE_STRING) | model)


def conversing(model: Runnable[Any, Any]) -> Asker:
    """A conversation that keeps its messages as they were sent."""
    prompt = ChatPromptTemplate(
        [("system", INSTRUCTIONS), MessagesPlaceholder("chat_history"), ("human", QUESTION)]
    )
    return _conversation(prompt, model, joined_documents)


def cached_conversing(model: Runnable[Any, Any]) -> Asker:
    """The same conversation with our prompt."""
    return _conversation(conversational_prompt(INSTRUCTIONS, question=QUESTION), model, list)


def _asking_retriever(retriever: SubjectRetriever, chain: Runnable[Any, Any]) -> Asker:
    def ask(subject: Subject, question: str) -> Any:
        retriever.subject = subject.parts()
        return chain.invoke(question)

    return ask


def _conversation(
    prompt: ChatPromptTemplate,
    model: Runnable[Any, Any],
    context_of: Callable[[Sequence[Document]], Any],
) -> Asker:
    """Keep one conversation a subject; documents that were sent are not sent again."""
    histories: dict[str, list[BaseMessage]] = {}
    sent: dict[str, list[Document]] = {}
    order = PrefixOrder(order="relevance")

    def ask(subject: Subject, question: str) -> Any:
        history = histories.setdefault(subject.text, [])
        before = sent.get(subject.text, [])
        documents = order.transform_documents(subject.parts(), sent=before)
        sent[subject.text] = documents
        messages = prompt.format_messages(
            chat_history=history, context=context_of(documents[len(before) :]), input=question
        )
        answer = model.invoke(messages)
        history += [messages[-1], answer]
        return answer

    return ask


CHAIN_WAYS = (
    ChainWay(title="stuff-documents chain", unmodified=stuffed, ours=cached_stuffed),
    ChainWay(title="one-string template", unmodified=one_string, ours=cached_one_string),
    ChainWay(title="separate blocks", unmodified=joined_blocks, ours=separate_blocks),
    ChainWay(title="retriever + LCEL", unmodified=retrieved, ours=cached_retrieved),
    ChainWay(title="conversational", unmodified=conversing, ours=cached_conversing),
)
