"""Call records as lines of JSON and back, exactly; pure.

A line is one JSON object in ASCII. Version 1 of it:

* `type`: "langchain_bedrock_cache.call"; `version`: 1
* `run_id`, `parent_run_id`, `root_run_id`: UUIDs; `root_name`, `step`, `tags`
* `path`: pairs of ID and name of the runs around the call, the outermost one first
* `model_id`, `answered_by`, `error`
* `started_at`: seconds since the epoch; `latency_seconds`, `time_to_first_token_seconds`
* `usage`: the five counts of `CacheUsage`, no token in two of them; `hit_ratio`: 0.0 to 1.0
* `reported_write_tokens`: written tokens as reported, where `usage` has a number that adds up
* `cost`: the six sums of `CostBreakdown`, and `total_usd` and `savings_usd`; strings such as
  "0.00000375", exact and without an exponent (`usd_text`), as in all JSON that is not a metric
* `plan`: `points`, `skipped`, `refused` of the planner
* `diagnosis`: the fields of `Diagnosis`, with those of its `change`

What is not known is `null`. Keys may be added, and are not missed in older lines; a key that
changes its meaning makes version 2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from math import isfinite
from typing import Any, TypeVar
from uuid import UUID

from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.pricing import CostBreakdown, usd_text
from langchain_bedrock_cache.records import CallRecord, OuterRun
from langchain_bedrock_cache.sent_requests.change_kinds import WORDS
from langchain_bedrock_cache.sent_requests.changes import Change
from langchain_bedrock_cache.usage import CacheUsage

LINE_TYPE = "langchain_bedrock_cache.call"
LINE_VERSION = 1

_T = TypeVar("_T")
_IDS = ("run_id", "parent_run_id", "root_run_id")
_TEXTS = ("root_name", "step", "model_id", "answered_by", "error")
_DIAGNOSED_TOKENS = (
    "expected_read_tokens", "wasted_tokens", "readable_tokens", "unwritten_tokens"
)  # fmt: skip
_SECONDS = ("started_at", "latency_seconds", "time_to_first_token_seconds")


def record_to_line(record: CallRecord) -> str:
    """Return a record as one line of JSON, without the line break.

    Args:
        record: A finished call.

    Returns:
        ASCII; characters beyond it, and line breaks in names, are escaped.

    Raises:
        ValueError: If a number of seconds is not finite.
        TypeError: If the plan or a tag is not plain data.
    """
    usage, cost = record.usage, record.cost
    return json.dumps(
        {
            "type": LINE_TYPE,
            "version": LINE_VERSION,
            **{name: _text_of(getattr(record, name)) for name in _IDS},
            **{name: getattr(record, name) for name in (*_TEXTS, *_SECONDS)},
            "tags": record.tags,
            "path": [(str(run.run_id), run.name) for run in record.path],
            "usage": usage.as_dict() if usage else None,
            "reported_write_tokens": record.reported_write_tokens,
            "hit_ratio": usage.hit_ratio if usage else None,
            "cost": _cost_as_dict(cost) if cost else None,
            "plan": record.plan,
            "diagnosis": _diagnosis_as_dict(record.diagnosis) if record.diagnosis else None,
        },
        allow_nan=False,
        separators=(",", ":"),
    )


def record_from_line(line: str) -> CallRecord | None:
    """Return the record that a line holds.

    Args:
        line: As `record_to_line` returns it.

    Returns:
        An equal record; `None` if the line is something else, or damaged.

    Raises:
        ValueError: If the line was written by a newer version of this package, which says
            something else with it.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):  # a line of another program may be anything
        return None
    if not isinstance(data, dict) or data.get("type") != LINE_TYPE:
        return None
    version = data.get("version")
    if isinstance(version, int) and version > LINE_VERSION:
        msg = (
            f"The line is of version {version}, but this package reads version {LINE_VERSION}. "
            "Update langchain-bedrock-cache here to at least the version that wrote it."
        )
        raise ValueError(msg)
    try:
        return _read(data)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None


def _read(data: Mapping[str, Any]) -> CallRecord:
    values: dict[str, Any] = {
        **{name: _known(_id, data.get(name)) for name in _IDS},
        **{name: _known(_text, data.get(name)) for name in _TEXTS},
        **{name: _known(_number, data.get(name)) for name in _SECONDS},
        "tags": tuple(map(_text, _typed(list, data.get("tags", [])))),
        "path": tuple(map(_outer_run, _typed(list, data.get("path", [])))),
        "usage": _known(_usage, data.get("usage")),
        "reported_write_tokens": _known(_count, data.get("reported_write_tokens")),
        "cost": _known(_cost, data.get("cost")),
        "plan": _known(_plan, data.get("plan")),
        "diagnosis": _known(_diagnosis, data.get("diagnosis")),
    }
    if values["run_id"] is None or values["root_run_id"] is None:
        msg = "a call without an ID"
        raise ValueError(msg)
    return CallRecord(**values)


def _cost_as_dict(cost: CostBreakdown) -> dict[str, str]:
    names = [*(field.name for field in fields(cost)), "total_usd", "savings_usd"]
    return {name: usd_text(getattr(cost, name)) for name in names}


def _diagnosis_as_dict(found: Diagnosis) -> dict[str, Any]:
    change = found.change
    return {field.name: getattr(found, field.name) for field in fields(Diagnosis)} | {
        "change": {f.name: getattr(change, f.name) for f in fields(Change)} if change else None
    }


def _outer_run(value: Any) -> OuterRun:
    run_id, name = _typed(list, value)
    return OuterRun(_id(run_id), _known(_text, name))


def _usage(value: Any) -> CacheUsage:
    return CacheUsage(**{name: _count(count) for name, count in _values(CacheUsage, value)})


def _cost(value: Any) -> CostBreakdown:
    return CostBreakdown(**{name: _usd(usd) for name, usd in _values(CostBreakdown, value)})


def _plan(value: Any) -> dict[str, Any]:
    plan = dict(_typed(dict, value))
    for name in ("points", "skipped"):
        for item in plan.get(name) or ():
            _typed(dict, item)
    return plan


def _diagnosis(value: Any) -> Diagnosis:
    found = dict(_values(Diagnosis, value))
    for name in _DIAGNOSED_TOKENS:
        _count(found.get(name, 0))
    for name in ("verdict", "detail"):
        _text(found.get(name, ""))
    return Diagnosis(**found | {"change": _known(_change, found.get("change"))})


def _change(value: Any) -> Change | None:
    # A newer package may know kinds that this one has no words for; the verdict says enough then.
    change = dict(_values(Change, value))
    return Change(**change) if change["kind"] in WORDS else None


def _values(kind: type[Any], value: Any) -> Iterator[tuple[str, Any]]:
    data = _typed(dict, value)
    return ((field.name, data[field.name]) for field in fields(kind) if field.name in data)


def _known(read: Callable[[Any], _T], value: Any) -> _T | None:
    return None if value is None else read(value)


def _typed(kind: type[_T], value: Any) -> _T:
    if not isinstance(value, kind):
        msg = f"{kind.__name__} expected, not {type(value).__name__}"
        raise TypeError(msg)
    return value


def _text(value: Any) -> str:
    return _typed(str, value)


def _id(value: Any) -> UUID:
    return UUID(_text(value))


def _text_of(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float:
    number = _typed(float, float(value) if isinstance(value, int) else value)
    if not isfinite(number):
        msg = "a number of seconds is finite"
        raise ValueError(msg)
    return number


def _count(value: Any) -> int:
    count = _typed(int, value)
    if count < 0:
        msg = "a count is 0 or more"
        raise ValueError(msg)
    return count


def _usd(value: Any) -> Decimal:
    usd = Decimal(_text(value))
    if not usd.is_finite():
        msg = "a sum of money is finite"
        raise ValueError(msg)
    return usd
