"""The state machines, run to their end on this machine: real handlers, the emulator behind them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import pytest
from serverless.lease_questions import MODEL, answering_model
from step_functions import ANSWER, DOCUMENTS, RUN, RUNS, LocalStates, local_states

from langchain_bedrock_cache import PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.serverless import (
    create_handler,
    create_run_handler,
    state_machine_definition,
)
from langchain_bedrock_cache.usage import CacheUsage

MODES: tuple[Literal["inline", "distributed"], ...] = ("inline", "distributed")


@pytest.fixture
def states(
    monkeypatch: pytest.MonkeyPatch, emulator: BedrockEmulator, clock: SimulatedClock
) -> Iterator[LocalStates]:
    """Both functions, on the emulator."""
    model = answering_model(emulator, PrefixMemory(clock=clock))
    with local_states(monkeypatch) as local:
        local.functions["answer"] = create_handler(model, s3_client=local.s3)
        local.functions["run"] = create_run_handler(s3_client=local.s3)
        yield local


def put_documents(states: LocalStates, count: int) -> list[str]:
    """Put long documents into S3, and return their URIs."""
    for n in range(count):
        text = f"Lease {n}. " + f"The tenant of flat {n} waters its balcony. " * 120
        states.s3.put_object(Bucket=DOCUMENTS, Key=f"lease-{n}.txt", Body=text.encode())
    return [f"s3://{DOCUMENTS}/lease-{n}.txt" for n in range(count)]


def mixed_items(documents: list[str], each: int) -> list[dict[str, Any]]:
    """Return questions in an order in which no two on a document stand together."""
    return [
        {"id": f"d{d}q{q}", "document": document, "question": f"What does clause {q} say?"}
        for q in range(each)
        for d, document in enumerate(documents)
    ]


def start(
    states: LocalStates, mode: Literal["inline", "distributed"], items: list[dict[str, Any]]
) -> dict[str, Any]:
    """Run a state machine on items, and return the summary."""
    definition = state_machine_definition(
        answer_function=ANSWER, run_function=RUN, runs_uri=f"s3://{RUNS}/runs/", mode=mode
    )
    event: dict[str, Any] = {"items": items}
    if mode == "distributed":
        lines = "".join(json.dumps(item) + "\n" for item in items)
        states.s3.put_object(Bucket=DOCUMENTS, Key="items.jsonl", Body=lines.encode())
        event = {"items_uri": f"s3://{DOCUMENTS}/items.jsonl"}
    summary: dict[str, Any] = states.run(definition, event, name=f"run-{mode}")
    return summary


def results_of(states: LocalStates, mode: str) -> list[dict[str, Any]]:
    """Return the results of a run, one for each question."""
    body = states.s3.get_object(Bucket=RUNS, Key=f"runs/run-{mode}/results.jsonl")["Body"].read()
    return [json.loads(line) for line in body.decode().splitlines()]


@pytest.mark.parametrize("mode", MODES)
def test_two_hundred_questions_and_one_call_in_twenty_dies(
    states: LocalStates, emulator: BedrockEmulator, mode: Literal["inline", "distributed"]
) -> None:
    """One write a document, no question lost, and a summary that is the sum of its items."""
    items = mixed_items(put_documents(states, 20), 10)
    doomed = set(random.Random(7).sample([item["id"] for item in items], 10))
    died: Counter[str] = Counter()

    def dies_once(_name: str, event: dict[str, Any]) -> Exception | None:
        if event.get("id") in doomed and not died[event["id"]]:
            died[event["id"]] += 1
            return RuntimeError("the container is gone")
        return None

    states.fault = dies_once
    summary = start(states, mode, items)

    assert len(items) == 200
    assert died == Counter(dict.fromkeys(doomed, 1))
    assert len(states.waits) == 10
    assert (summary["items"], summary["answered"], summary["failed"]) == (200, 200, 0)
    results = results_of(states, mode)
    assert [result["id"] for result in results] == sorted(
        (item["id"] for item in items), key=lambda name: tuple(map(int, name[1:].split("q")))
    )
    # One write a document, in Bedrock's own account of it.
    writes = Counter(r.cache_write_tokens > 0 for r in emulator.ledger)
    assert writes == {True: 20, False: 180}
    # The summary, to the token and the last digit: from the items, and from the ledger.
    usage = sum((CacheUsage(**result["usage"]) for result in results), CacheUsage())
    assert summary["total"]["usage"] == usage.as_dict()
    assert summary["total"]["usage"] == {
        name: sum(getattr(record, name) for record in emulator.ledger) for name in usage.as_dict()
    }
    costs = [Decimal(result["cost"]["total_usd"]) for result in results]
    assert Decimal(summary["total"]["total_usd"]) == sum(costs)
    assert sum(costs) == sum(
        price_of(CacheUsage(**result["usage"]), MODEL).total_usd for result in results
    )
    assert Decimal(summary["total"]["total_usd"]) < Decimal(
        summary["total"]["without_caching_usd"]
    ) * Decimal("0.5")


@pytest.mark.parametrize("mode", MODES)
def test_what_fails_for_good_is_a_result(
    states: LocalStates, emulator: BedrockEmulator, mode: Literal["inline", "distributed"]
) -> None:
    """A missing document fails its questions, by name, and no others; nothing is asked in vain."""
    good, *_ = put_documents(states, 1)
    bad = f"s3://{DOCUMENTS}/missing.txt"
    items = mixed_items([good, bad], 3)

    summary = start(states, mode, items)

    assert (summary["answered"], summary["failed"]) == (3, 3)
    assert summary["failures"] == [
        {"id": f"d1q{q}", "error": "DocumentNotFoundError"} for q in range(3)
    ]
    assert states.waits == []  # a retry would not mend it
    assert len(emulator.ledger) == 3


@pytest.mark.parametrize("mode", MODES)
def test_the_document_is_warmed_where_its_first_question_fails(
    states: LocalStates, emulator: BedrockEmulator, mode: Literal["inline", "distributed"]
) -> None:
    """The rest still finds the document in the cache, and the warm-up is in the total."""
    items = mixed_items(put_documents(states, 1), 5)

    def first_always_dies(_name: str, event: dict[str, Any]) -> Exception | None:
        return RuntimeError("again") if event.get("id") == "d0q0" else None

    states.fault = first_always_dies
    summary = start(states, mode, items)

    assert summary["failures"] == [{"id": "d0q0", "error": "RuntimeError"}]
    assert len(states.waits) == 5
    assert [r.cache_write_tokens > 0 for r in emulator.ledger] == [True, *[False] * 4]
    assert summary["warm_ups"]["calls"] == 1
    answers, total = summary["answers"]["usage"], summary["total"]["usage"]
    assert answers["cache_write_5m_tokens"] == 0
    assert total["cache_write_5m_tokens"] == emulator.ledger[0].cache_write_tokens


def test_the_rest_is_asked_where_the_warm_up_fails_too(states: LocalStates) -> None:
    """Caching is no reason to give up."""
    items = mixed_items(put_documents(states, 1), 3)

    def first_and_warm_up_die(_name: str, event: dict[str, Any]) -> Exception | None:
        doomed = event.get("id") == "d0q0" or event["action"] == "warm"
        return RuntimeError("again") if doomed else None

    states.fault = first_and_warm_up_die
    summary = start(states, "inline", items)

    assert (summary["answered"], summary["failed"]) == (2, 1)
    assert summary["warm_ups"]["calls"] == 0


def test_a_document_that_is_asked_about_once_is_not_written(
    states: LocalStates, emulator: BedrockEmulator
) -> None:
    """Nobody would read it, so it costs what it costs without caching."""
    summary = start(states, "inline", mixed_items(put_documents(states, 3), 1))

    assert [r.cache_write_tokens for r in emulator.ledger] == [0, 0, 0]
    total = summary["total"]
    assert Decimal(total["total_usd"]) == Decimal(total["without_caching_usd"]) > 0


def test_as_many_at_once_as_was_said(states: LocalStates) -> None:
    """Documents times questions at once is the most there ever is."""
    definition = state_machine_definition(
        answer_function=ANSWER,
        run_function=RUN,
        runs_uri=f"s3://{RUNS}/runs/",
        documents_at_once=2,
        questions_at_once=2,
    )
    states.run(definition, {"items": mixed_items(put_documents(states, 4), 8)}, name="bounded")

    assert 1 <= states.busiest <= 4


def test_answers_are_in_the_folder_of_the_run(states: LocalStates) -> None:
    """Each answer is an object, the plan and the summary are beside them."""
    items = [{"document": "The cat is called Mia.", "question": "What is the cat called?"}]
    summary = start(states, "inline", items)

    (result,) = results_of(states, "inline")
    assert result["id"] == "0"
    assert result["answer_uri"] == f"s3://{RUNS}/runs/run-inline/answers/00000000.json"
    assert "answer" not in result
    key = result["answer_uri"].removeprefix(f"s3://{RUNS}/")
    answer = json.loads(states.s3.get_object(Bucket=RUNS, Key=key)["Body"].read())
    assert answer["answer"]
    kept = states.s3.get_object(Bucket=RUNS, Key="runs/run-inline/summary.json")["Body"].read()
    assert json.loads(kept) == summary
