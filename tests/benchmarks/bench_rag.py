"""What the order of retrieved chunks is worth: BM25 over real documents, questions in random order.

Run with `BEDROCK_CACHE_WORKLOADS=... python tests/benchmarks/bench_rag.py`, the folder with the
SQuALITY documents. Each row asks about 40 documents, one question every few seconds, with the best
8 chunks of all of them, on the emulated cache. Some questions ("What is the plot?") come for many
documents; the second table asks each of them once. Costs are shares of what the same requests cost
without caching; the script fails if one of the first table is above 1.01.

The last table is 10 conversations of 10 turns, with two new passages of 1,000 tokens a turn, and
where those stand. Costs are in thousands of tokens at the input price, since the prompts differ.
"""

from __future__ import annotations

import importlib.util
import math
import os
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_aws import ChatBedrockConverse
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough

from langchain_bedrock_cache import CacheSkippedWarning, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.documents import (
    CacheOrderedRetriever,
    DocumentsPromptTemplate,
    PrefixOrder,
    conversational_prompt,
    split_stable,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.traffic import ReadCall, to_traffics

MODEL = "us.anthropic.claude-opus-4-8"
DOCUMENTS = 40
TOP = 8
CHUNK_TOKENS = (200, 400, 800)
CHARS_PER_TOKEN = 3
ORDERS = {"relevance": 0, "cache, shift <= 2": 2, "cache": None}
MOST = 1.01
CONVERSATIONS = 10
TURNS = 10
SECONDS_BETWEEN_QUESTIONS = 3.0
PROMPT = ChatPromptTemplate(
    [
        ("system", "Answer the question from the passages."),
        ("human", "Passages:\n{context}\n\nQuestion: {question}"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run.

    Attributes:
        cost: Share of the cost without caching.
        bound: The least that any placement of points could cost, in this order; same unit.
        reordered: Share of the requests that came in another order than relevance.
    """

    cost: float
    bound: float
    reordered: float


class BM25Retriever(BaseRetriever):
    """The best chunks by BM25 (Robertson and Zaragoza 2009), with the usual constants."""

    chunks: list[Document]
    counts: list[Counter[str]]
    rarity: dict[str, float]

    @classmethod
    def of(cls, chunks: list[Document]) -> BM25Retriever:
        """Return a retriever for chunks."""
        counts = [Counter(_words(chunk.page_content)) for chunk in chunks]
        found_in = Counter(word for count in counts for word in count)
        rarity = {w: math.log(1 + (len(chunks) - n + 0.5) / (n + 0.5)) for w, n in found_in.items()}
        return cls(chunks=chunks, counts=counts, rarity=rarity)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        words = _words(query)
        mean = sum(count.total() for count in self.counts) / len(self.counts)

        def score(i: int) -> float:
            count = self.counts[i]
            norm = 1.5 * (0.25 + 0.75 * count.total() / mean)
            return sum(
                self.rarity[w] * count[w] * 2.5 / (count[w] + norm) for w in words if w in count
            )

        best = sorted(range(len(self.chunks)), key=score, reverse=True)
        return [self.chunks[i] for i in best[:TOP]]


def read_workload(folder: str, *, documents: int) -> list[dict[str, Any]]:
    """Return documents with their questions."""
    spec = importlib.util.spec_from_file_location("workload_reader", Path(folder) / "load.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    rows: list[dict[str, Any]] = reader.read("rag_squality")[:documents]
    return rows


def chunks_of(rows: Sequence[dict[str, Any]], *, tokens: int) -> list[Document]:
    """Split documents into chunks of whole paragraphs, up to so many tokens where they allow it."""
    chunks: list[str] = []
    for row in rows:
        chunk = ""
        for paragraph in row["document"].split("\n"):
            if chunk and len(chunk) + len(paragraph) > tokens * CHARS_PER_TOKEN:
                chunks.append(chunk)
                chunk = ""
            chunk = f"{chunk}\n{paragraph}".strip()
        chunks.append(chunk)
    return [Document(chunk) for chunk in chunks if chunk]


def questions_of(rows: Sequence[dict[str, Any]], *, seed: int) -> list[str]:
    """Return all questions in random order."""
    questions = [
        q if isinstance(q, str) else q["question"] for row in rows for q in row["questions"]
    ]
    random.Random(seed).shuffle(questions)
    return questions


def measure(
    chunks: list[Document], questions: Sequence[str], *, max_shift: int | None, seconds: float
) -> Row:
    """Ask all questions of a retriever in cache order (`max_shift=0`: in order of relevance)."""
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock, chars_per_token=CHARS_PER_TOKEN, capture_requests=True)
    client = emulator.client()
    order = PrefixOrder(max_shift=max_shift, clock=clock)
    retriever = CacheOrderedRetriever(retriever=BM25Retriever.of(chunks), order=order)
    model: ChatBedrockConverse = ChatBedrockCached(
        model_id=MODEL,
        client=client,
        bedrock_client=client,
        prefix_memory=PrefixMemory(clock=clock),
    )
    chain = {"context": retriever, "question": RunnablePassthrough()} | split_stable(PROMPT) | model
    for question in questions:
        chain.invoke(question)
        clock.advance(seconds)
    without = sum(r.input_tokens for r in emulator.ledger)
    return Row(
        cost=_cost(emulator) / without,
        bound=_bound(emulator, seconds) / without,
        reordered=order.counts.reordered_ratio,
    )


def _cost(emulator: BedrockEmulator) -> float:
    prices = price_multipliers(MODEL)
    return sum(
        r.uncached_input_tokens
        + r.cache_read_tokens * prices.read
        + r.cache_write_5m_tokens * prices.write_5m
        + r.cache_write_1h_tokens * prices.write_1h
        for r in emulator.ledger
    )


def _bound(emulator: BedrockEmulator, seconds: float) -> float:
    profile = find_profile(MODEL)
    if profile is None:
        raise LookupError(MODEL)
    calls = [
        ReadCall(
            at_seconds=n * seconds,
            session="",
            model_id=MODEL,
            profile=profile,
            prefix=read_converse({"modelId": MODEL, **strip_points(request)}, profile),
        )
        for n, request in enumerate(emulator.requests)
    ]
    [traffic] = to_traffics(calls, source="bench", chars_per_token=float(CHARS_PER_TOKEN))
    return lower_bound(traffic, price_multipliers(MODEL))


def _words(text: str) -> list[str]:
    return "".join(c.lower() if c.isalnum() else " " for c in text).split()


def main() -> None:
    """Measure, and print a table."""
    folder = os.environ.get("BEDROCK_CACHE_WORKLOADS")
    if not folder:
        sys.exit("Set BEDROCK_CACHE_WORKLOADS to the folder with the SQuALITY documents.")
    rows = read_workload(folder, documents=DOCUMENTS)
    questions = questions_of(rows, seed=0)
    worst = max(row.cost for row in _table(rows, questions))
    for _ in _table(rows, [*dict.fromkeys(questions)]):
        pass  # it prints
    _conversation_table(rows[:CONVERSATIONS])
    if worst > MOST:
        sys.exit(f"A row of the first table costs {worst:.4f} times no caching; {MOST} is allowed.")


def converse(
    rows: Sequence[dict[str, Any]], prompt: DocumentsPromptTemplate, *, keep: bool
) -> float:
    """Return what conversations cost, in tokens at the input price.

    Args:
        rows: A document for each conversation.
        prompt: With `chat_history`, `context` and `input`.
        keep: Whether the history holds messages as they were sent, or questions alone.
    """
    clock = SimulatedClock()
    emulator = BedrockEmulator(
        clock=clock, chars_per_token=CHARS_PER_TOKEN, responder=lambda _: "An answer. " * 120
    )
    client = emulator.client()
    model = ChatBedrockCached(
        model_id=MODEL,
        client=client,
        bedrock_client=client,
        prefix_memory=PrefixMemory(clock=clock),
    )
    for row in rows:
        passages = chunks_of([row], tokens=1_000)
        history: list[BaseMessage] = []
        for turn in range(TURNS):
            found = [passages[(2 * turn + i) % len(passages)] for i in range(2)]
            found = [Document(f"Turn {turn}: {passage.page_content}") for passage in found]
            question = f"What happens in part {turn}?"
            messages = prompt.format_messages(chat_history=history, context=found, input=question)
            sent = messages[-1] if keep else HumanMessage(question)
            history += [sent, model.invoke(messages)]
            clock.advance(20.0)
    return _cost(emulator)


def _conversation_table(rows: Sequence[dict[str, Any]]) -> None:
    in_system = ChatPromptTemplate(
        [
            ("system", "Answer from this:\n\n{context}"),
            MessagesPlaceholder("chat_history"),
            ("human", "{input}"),
        ]
    )
    behind = conversational_prompt("Answer from the passages.")
    warnings.simplefilter("ignore", CacheSkippedWarning)  # the system prompt changes: on purpose
    for title, prompt, keep in (
        ("in the system prompt", split_stable(in_system), False),
        ("behind the history, not kept", behind, False),
        ("behind the history, kept", behind, True),
    ):
        print(f"{title:<30}{converse(rows, prompt, keep=keep) / 1000:>8.0f}")


def _table(rows: Sequence[dict[str, Any]], questions: Sequence[str]) -> Iterator[Row]:
    print(f"{len(questions)} questions, {len(rows)} documents, top {TOP}; no caching = 1")
    print(f"{'chunk tokens':>12}  {'order':<24}{'cost':>8}{'bound':>8}{'reordered':>11}")
    for tokens in CHUNK_TOKENS:
        chunks = chunks_of(rows, tokens=tokens)
        for title, max_shift in ORDERS.items():
            row = measure(chunks, questions, max_shift=max_shift, seconds=SECONDS_BETWEEN_QUESTIONS)
            print(
                f"{tokens:>12}  {title:<24}{row.cost:>8.4f}{row.bound:>8.4f}{row.reordered:>11.0%}",
                flush=True,
            )
            yield row


if __name__ == "__main__":
    main()
