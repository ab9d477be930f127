"""Every bad input of templates and state machines: named at once, before anything is deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.loaders import create_loader
from wire import CLAUDE, LLAMA

from langchain_bedrock_cache import (
    BedrockCacheError,
)
from langchain_bedrock_cache.serverless import (
    DeploymentError,
    deployment_template,
    state_machine_definition,
)


def deployed(**parameters: Any) -> Callable[[], Any]:
    """Return what makes a template."""
    return lambda: deployment_template(**{"model": CLAUDE, **parameters})


def states(**parameters: Any) -> Callable[[], Any]:
    """Return what defines a state machine."""
    good: Mapping[str, Any] = {"answer_function": "a", "run_function": "b", "runs_uri": "s3://c/"}
    return lambda: state_machine_definition(**{**good, **parameters})


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "template: ttl": (deployed(model=LLAMA, ttl="2h"), "ttl is '2h'; choose one of '5m', '1h'"),
    "template: bucket": (
        deployed(document_bucket="s3://leases/"),
        "document_bucket is 's3://leases/', but must be the name of a bucket alone",
    ),
    "template: days of logs": (
        deployed(log_retention_days=31),
        "log_retention_days is 31, but CloudWatch Logs takes 1, 3, 5, 7, 14, 30, 60",
    ),
    "template: days of runs": (
        deployed(run_retention_days=0),
        "run_retention_days is 0, but must be a whole number from 1 to",
    ),
    "template: base_model": (deployed(base_model=5), "base_model is 5, but must be a text"),
    "template: instructions": (deployed(instructions=" "), "instructions is ' ', but must be a"),
    "template: max_tokens": (deployed(max_tokens=True), "max_tokens is True, but must be a whole"),
    "template: partition": (deployed(partition="china"), "partition is 'china'; choose one of"),
    "states: function": (states(answer_function=None), "answer_function is None, but must be a"),
    "states: URI": (states(runs_uri=5), "runs_uri is 5, but must be a text that is not blank"),
    "states: task": (states(task_timeout_seconds=0), "task_timeout_seconds is 0, but must be a"),
    "states: run": (states(run_timeout_seconds=-1), "run_timeout_seconds is -1, but must be a"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_at_once(case: str) -> None:
    """The message has the argument, the value and what it must be; nothing is asked or written."""
    given, message = BAD[case]
    with pytest.raises((BedrockCacheError, ValueError, TypeError), match=message):
        given()


def test_days_that_logs_are_kept_are_those_of_botocore() -> None:
    """Every number that CloudWatch Logs documents is taken, and the error names them all."""
    model_of_logs = create_loader().load_service_model("logs", "service-2")
    documented = model_of_logs["shapes"]["Days"]["documentation"]
    with pytest.raises(DeploymentError, match="CloudWatch Logs takes") as caught:
        deployment_template(model=CLAUDE, log_retention_days=2)
    days = str(caught.value).rpartition("takes ")[2].rstrip(".").split(", ")
    assert len(days) > 20
    assert f"{', '.join(days[:-1])}, and {days[-1]}" in documented
    for number in map(int, days):
        assert deployment_template(model=CLAUDE, log_retention_days=number)
