"""The Step Functions definitions, with their parameters filled in."""

from __future__ import annotations

from typing import Any, Literal, get_args

from langchain_bedrock_cache.checks import shown
from langchain_bedrock_cache.serverless.errors import DeploymentError, permanent_errors
from langchain_bedrock_cache.serverless.filling import fill
from langchain_bedrock_cache.serverless.grouping import MAX_QUESTIONS

MapMode = Literal["inline", "distributed"]

# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html (checked 2026-11-22)
_MAX_INLINE_CONCURRENCY = 40
_LONGEST_WAIT_SECONDS = 60
# A standard execution ends after a year:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (checked 2026-11-22)
_LONGEST_TIMEOUT_SECONDS = 31_536_000
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


def state_machine_definition(
    *,
    answer_function: str,
    run_function: str,
    runs_uri: str,
    mode: MapMode = "inline",
    questions_at_once: int = 8,
    documents_at_once: int = 4,
    documents_per_batch: int = 4,
    attempts: int = 6,
    retry_seconds: int = 2,
    task_timeout_seconds: int = 150,
    run_timeout_seconds: int = 86_400,
    partition: str = "aws",
) -> dict[str, Any]:
    """Return a state machine that answers many questions on documents.

    The first question of each document goes ahead and writes it to the prompt cache; the rest
    follow at the same time and read it there. A question that fails for good is a result like any
    other; at the end, results and costs are summed up.

    Args:
        answer_function: ARN of the Lambda function with `handler`.
        run_function: ARN of the Lambda function with `run_handler`.
        runs_uri: S3 URI, ending in a slash, below which each execution gets a folder.
        mode: `"inline"` for up to 400 questions in the input, `"distributed"` for files in S3.
        questions_at_once: Parallel questions on one document.
        documents_at_once: Documents (distributed: batches of documents) at the same time.
        documents_per_batch: Documents in one execution of the Distributed Map. More than
            400 / `documents_per_batch` questions on a document are split, and each part may write
            the document again.
        attempts: Attempts at each call, of errors that a retry may mend.
        retry_seconds: Before the second attempt; doubles, up to a minute, with full jitter.
        task_timeout_seconds: More than the timeout of the answering function.
        run_timeout_seconds: Of an execution.
        partition: `"aws-cn"` in China, `"aws-us-gov"` in GovCloud.

    Returns:
        The definition in Amazon States Language; `json.dumps` makes it a document.

    Raises:
        DeploymentError: If a parameter is out of range.
    """
    if mode not in get_args(MapMode):
        msg = f"mode is {mode!r}; choose one of {', '.join(map(repr, get_args(MapMode)))}."
        raise DeploymentError(msg)
    check_texts(answer_function=answer_function, run_function=run_function, runs_uri=runs_uri)
    check_partition(partition)
    bucket, _, prefix = runs_uri.removeprefix("s3://").partition("/")
    if not (runs_uri.startswith("s3://") and bucket and runs_uri.endswith("/")):
        msg = f"runs_uri is {runs_uri!r}, but must be an S3 URI that ends in a slash."
        raise DeploymentError(msg)
    check_whole("questions_at_once", questions_at_once, _MAX_INLINE_CONCURRENCY)
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (checked 2026-11-22)
    check_whole("documents_at_once", documents_at_once, 40 if mode == "inline" else 10_000)
    check_whole("documents_per_batch", documents_per_batch, MAX_QUESTIONS)
    check_whole("attempts", attempts, 100)
    check_whole("retry_seconds", retry_seconds, _LONGEST_WAIT_SECONDS)
    check_whole("task_timeout_seconds", task_timeout_seconds, _LONGEST_TIMEOUT_SECONDS)
    check_whole("run_timeout_seconds", run_timeout_seconds, _LONGEST_TIMEOUT_SECONDS)
    values = {
        "answer_function": answer_function,
        "run_function": run_function,
        "runs_uri": runs_uri,
        "runs_bucket": bucket,
        "runs_prefix": prefix,
        "questions_at_once": questions_at_once,
        "documents_at_once": documents_at_once,
        "documents_per_batch": documents_per_batch,
        "max_questions": MAX_QUESTIONS // documents_per_batch,
        "task_timeout_seconds": task_timeout_seconds,
        "run_timeout_seconds": run_timeout_seconds,
        "partition": partition,
        "retry": _retry(attempts, retry_seconds),
    }
    document = fill("document.asl.json", values)
    return fill(
        f"{mode}.asl.json",
        {**values, "document_start": document["StartAt"], "document_states": document["States"]},
    )


def _retry(attempts: int, retry_seconds: int) -> list[dict[str, Any]]:
    """Retry everything but what would fail again; Lambda itself may fail in ways nobody lists."""
    return [
        {"ErrorEquals": permanent_errors(), "MaxAttempts": 0},
        {
            "ErrorEquals": ["States.ALL"],
            "IntervalSeconds": retry_seconds,
            "BackoffRate": 2.0,
            "MaxDelaySeconds": _LONGEST_WAIT_SECONDS,
            "MaxAttempts": attempts - 1,
            "JitterStrategy": "FULL",
        },
    ]


def check_whole(name: str, value: int, highest: int) -> None:
    """Raise unless a parameter is a whole number from 1 on.

    Args:
        name: Of the parameter.
        value: Given.
        highest: The highest that is allowed.

    Raises:
        DeploymentError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        msg = f"{name} is {value!r}, but must be a whole number from 1 to {highest:,}."
        raise DeploymentError(msg)


def check_texts(**parameters: Any) -> None:
    """Raise unless parameters are texts that say something.

    Raises:
        DeploymentError: If one is not.
    """
    for name, value in parameters.items():
        if not isinstance(value, str) or not value.strip():
            msg = f"{name} is {shown(value)}, but must be a text that is not blank."
            raise DeploymentError(msg)


def check_partition(partition: str) -> None:
    """Raise unless AWS has such a partition.

    Raises:
        DeploymentError: If it has not.
    """
    if partition not in _PARTITIONS:
        choices = ", ".join(map(repr, _PARTITIONS))
        msg = f"partition is {shown(partition)}; choose one of {choices}."
        raise DeploymentError(msg)
