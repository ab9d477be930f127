"""Records as lines of JSON: nothing is lost on the way there and back."""

import json
from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sinks.sink_calls import records

from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.record_lines import record_from_line, record_to_line
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.sent_requests.changes import Change
from langchain_bedrock_cache.usage import CacheUsage

ID = UUID(int=1)
FULL = CallRecord(
    run_id=ID,
    root_run_id=ID,
    usage=CacheUsage(cache_read_tokens=1),
    cost=CostBreakdown(),
    plan={"points": [], "skipped": [{"reason": "off"}], "refused": None},
    diagnosis=Diagnosis(verdict="prefix_changed", change=Change(kind="date", section="system")),
)


@given(records)
def test_there_and_back(record: CallRecord) -> None:
    """A record comes back equal: money to the last digit, hostile names included."""
    line = record_to_line(record)
    back = record_from_line(line)

    assert back == record
    assert line.isascii()
    assert not set("\r\n") & set(line)


@given(records)
def test_lines_are_plain_json(record: CallRecord) -> None:
    """Any JSON reader takes a line; what is derived agrees with what it is derived from."""
    data = json.loads(record_to_line(record), parse_constant=pytest.fail)

    assert (data["type"], data["version"]) == ("langchain_bedrock_cache.call", 1)
    assert data["hit_ratio"] == (record.usage.hit_ratio if record.usage else None)
    if record.cost:
        assert data["cost"]["total_usd"] == f"{record.cost.total_usd:f}"
        assert data["cost"]["savings_usd"] == f"{record.cost.savings_usd:f}"
        assert not {"e", "E"} & set("".join(data["cost"].values()))


def test_the_schema_of_version_1() -> None:
    """Keys of version 1 stay: others read these lines too."""
    data = json.loads(record_to_line(FULL))

    assert set(data) == {"type", "version", "hit_ratio", *(f.name for f in fields(CallRecord))}
    assert set(data["usage"]) == {
        "uncached_input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
    }
    assert set(data["cost"]) == {
        "uncached_input_usd",
        "cache_read_usd",
        "cache_write_5m_usd",
        "cache_write_1h_usd",
        "output_usd",
        "without_caching_usd",
        "total_usd",
        "savings_usd",
    }
    assert set(data["diagnosis"]) == {
        "verdict",
        "expected_read_tokens",
        "wasted_tokens",
        "readable_tokens",
        "unwritten_tokens",
        "change",
        "age_seconds",
        "ttl",
        "blocks",
        "detail",
    }
    assert set(data["diagnosis"]["change"]) == {
        "kind",
        "section",
        "message",
        "block",
        "offset_chars",
        "detail",
    }


def test_new_keys_are_ignored() -> None:
    """Keys that a later release adds do not stop this one from reading."""
    data = json.loads(record_to_line(FULL)) | {"mood": "good"}

    assert record_from_line(json.dumps(data)) == FULL


def test_missing_keys_are_not_missed() -> None:
    """Lines of before a key was added read as if it were not known."""
    data = {"type": "langchain_bedrock_cache.call", "version": 1}
    ids = {"run_id": str(ID), "root_run_id": str(ID)}

    assert record_from_line(json.dumps(data | ids)) == CallRecord(run_id=ID, root_run_id=ID)
    assert record_from_line(json.dumps(data)) is None


def test_an_unknown_change_keeps_its_verdict() -> None:
    """A kind of change that only a later release knows is left out, so that reports can be made."""
    data = json.loads(record_to_line(FULL))
    data["diagnosis"]["change"]["kind"] = "moon_phase"

    back = record_from_line(json.dumps(data))

    assert back is not None
    assert back.diagnosis == Diagnosis(verdict="prefix_changed")


def test_a_newer_version_is_an_error() -> None:
    """Reading another meaning into a line would be worse than not reading it."""
    data = json.loads(record_to_line(FULL)) | {"version": 2}

    with pytest.raises(ValueError, match=r"version 2, .* reads version 1. Update"):
        record_from_line(json.dumps(data))


@pytest.mark.parametrize(
    "line",
    ["", "{", "null", "[]", "42", "hello", '{"type": "other"}', "[" * 100_000, "\x00", "{}\ufffd"],
)
def test_other_lines_are_no_records(line: str) -> None:
    """What other programs write into the same stream is told apart."""
    assert record_from_line(line) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["run_id"], None),
        (["run_id"], "no-uuid"),
        (["root_run_id"], 7),
        (["parent_run_id"], {}),
        (["tags"], "abc"),
        (["tags"], [1]),
        (["model_id"], 1),
        (["started_at"], "now"),
        (["started_at"], float("nan")),
        (["latency_seconds"], 10**400),
        (["usage"], []),
        (["usage", "cache_read_tokens"], -1),
        (["usage", "cache_read_tokens"], "12"),
        (["usage", "cache_read_tokens"], None),
        (["reported_write_tokens"], -1),
        (["cost", "output_usd"], "NaN"),
        (["cost", "output_usd"], "much"),
        (["cost", "output_usd"], 1.5),
        (["plan"], "points"),
        (["plan", "skipped"], ["off"]),
        (["diagnosis", "verdict"], None),
        (["diagnosis", "wasted_tokens"], "many"),
        (["diagnosis", "change"], "date"),
    ],
)
def test_damaged_values_are_no_records(path: list[str], value: Any) -> None:
    """A value of the wrong kind costs its line, not the report."""
    data = json.loads(record_to_line(FULL))
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    assert path[-1] in inner
    inner[path[-1]] = value

    assert record_from_line(json.dumps(data)) is None


@given(st.data())
def test_a_torn_line_is_no_record(data: st.DataObject) -> None:
    """Whatever a crash leaves of a line reads as nothing."""
    line = record_to_line(FULL)

    assert record_from_line(line[: data.draw(st.integers(0, len(line) - 1))]) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from([field.name for field in fields(CallRecord)]),
)
def test_no_value_breaks_the_reader(value: Any, name: str) -> None:
    """Whatever stands under a key, a line is a record or none, and reading goes on."""
    data = json.loads(record_to_line(FULL)) | {name: value}

    back = record_from_line(json.dumps(data))

    assert back is None or record_from_line(record_to_line(back)) == back
