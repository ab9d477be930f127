"""Embedded Metric Format: every line is a valid document, and says what the call did."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any, get_args

import pytest
from cloudwatch_traffic import Traffic, record
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import CLAUDE, words

from langchain_bedrock_cache.cloudwatch import EmfSink
from langchain_bedrock_cache.cloudwatch.emf import LineFor
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.usage import CacheUsage

UNITS = {"Count", "Milliseconds", "None"}  # those of the specification that are used


def check(document: dict[str, Any]) -> None:
    """Check a document against the specification, members and limits."""
    metadata = document["_aws"]
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int)
    assert metadata["CloudWatchMetrics"]
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 1024
        assert directive["Dimensions"]
        for names in directive["Dimensions"]:
            assert 1 <= len(names) <= 30
            for name in names:
                assert isinstance(document[name], str)
                assert 1 <= len(document[name]) <= 1024
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert set(metric) == {"Name", "Unit"}
            assert metric["Unit"] in UNITS
            values = document[metric["Name"]]
            values = values if isinstance(values, list) else [values]
            assert 1 <= len(values) <= 100
            assert all(isinstance(value, (int, float)) for value in values)
    assert len(json.dumps(document)) <= 256 * 1024


def documents(text: str) -> list[dict[str, Any]]:
    """Return the documents of some lines, each checked."""
    assert text.endswith("\n")
    found = [json.loads(line) for line in text.splitlines()]
    for document in found:
        check(document)
    return found


def total(found: list[dict[str, Any]], name: str, model_id: str) -> float:
    """Return the sum of a metric, as CloudWatch would read it from the documents."""
    values = [one.get(name, 0) for one in found if one["ModelId"] == model_id]
    return sum(sum(value) if isinstance(value, list) else value for value in values)


@pytest.mark.parametrize("line_for", get_args(LineFor))
def test_lines_say_what_the_ledger_says(line_for: LineFor, traffic: Callable[..., Traffic]) -> None:
    """Metrics in the lines of real chains add up to the emulator's numbers, either way."""
    written = io.StringIO()
    sink = EmfSink(written, line_for=line_for)
    ran = traffic(sink)
    sink.flush()
    found = documents(written.getvalue())
    assert len(found) == 9  # a line per call; the calls are minutes apart
    used = ran.usage(CLAUDE)
    assert used.cache_read_tokens > 0
    assert total(found, "Calls", CLAUDE) == 6
    assert total(found, "FailedCalls", CLAUDE) == 1
    assert total(found, "UncachedInputTokens", CLAUDE) == used.uncached_input_tokens
    assert total(found, "CacheReadTokens", CLAUDE) == used.cache_read_tokens
    assert total(found, "CacheWrite1hTokens", CLAUDE) == used.cache_write_1h_tokens
    assert total(found, "CacheWrite5mTokens", CLAUDE) == used.cache_write_5m_tokens


def test_a_line_of_a_call_has_what_one_searches_for(traffic: Callable[..., Traffic]) -> None:
    """Run ID, verdict and error are in the lines of calls, and no text of prompts is."""
    written = io.StringIO()
    ran = traffic(EmfSink(written))
    found = documents(written.getvalue())
    assert [one["run_id"] for one in found] == [str(r.run_id) for r in ran.handler.records]
    assert {one["verdict"] for one in found} >= {"first_write", "failed"}
    assert [one["error"] for one in found if one["FailedCalls"]] == ["ThrottlingException"]
    assert words(10, "rule") not in written.getvalue()
    assert "Question" not in written.getvalue()


@settings(max_examples=25)
@given(
    minutes=st.lists(st.integers(0, 3), min_size=1, max_size=250),
    models=st.lists(st.sampled_from(["a", "b", None]), min_size=250, max_size=250),
)
def test_a_flush_writes_every_call_once(minutes: list[int], models: list[str | None]) -> None:
    """However calls are spread over models and minutes: all in, each under its model and minute."""
    written = io.StringIO()
    with EmfSink(written, line_for="flush") as sink:
        for minute, model_id in zip(minutes, models, strict=False):
            sink(record(model_id=model_id, started_at=60.0 * minute, usage=CacheUsage()))
    found = documents(written.getvalue())
    for minute in set(minutes):
        for name in ("a", "b", "unknown"):
            here = [one for one in found if one["_aws"]["Timestamp"] // 60_000 == minute]
            expected = sum(
                at == minute and (model or "unknown") == name
                for at, model in zip(minutes, models, strict=False)
            )
            assert total(here, "Calls", name) == expected


def test_a_hundred_calls_flush_themselves() -> None:
    """The array of a metric holds 100 values, so the hundredth call writes the line."""
    written = io.StringIO()
    sink = EmfSink(written, line_for="flush", clock=SimulatedClock(5.0))
    for _ in range(99):
        sink(record())
    assert written.getvalue() == ""
    sink(record())
    (document,) = documents(written.getvalue())
    assert document["Calls"] == [1.0] * 100
    assert document["_aws"]["Timestamp"] == 5_000


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Lambda sends what is printed to CloudWatch Logs, so that is where lines go."""
    EmfSink(namespace="Leases", dimensions={"Service": "leases"})(record())
    (document,) = documents(capsys.readouterr().out)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Leases"
    assert directive["Dimensions"] == [["ModelId", "Service"]]
    assert document["Service"] == "leases"


def test_a_writer_that_fails_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A closed file costs no call, and one warning says so."""
    closed = io.StringIO()
    closed.close()
    sink = EmfSink(closed)
    with caplog.at_level(logging.WARNING):
        sink(record())
        sink(record())
    (line,) = caplog.records
    assert "could not be written" in line.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"line_for": "minute"}, "a 'call' or for a 'flush'"),
        ({"dimensions": {"CostUSD": "x"}}, "also the name of a value"),
        ({"dimensions": {"verdict": "x"}}, "also the name of a value"),
        ({"dimensions": {"_aws": "x"}}, "also the name of a value"),
        ({"namespace": "AWS/Lambda"}, "keeps AWS/ for itself"),
    ],
)
def test_what_would_be_no_valid_document(arguments: dict[str, Any], said: str) -> None:
    """Settings that would spoil documents are refused when the sink is made."""
    with pytest.raises(CachePolicyError, match=said):
        EmfSink(**arguments)
