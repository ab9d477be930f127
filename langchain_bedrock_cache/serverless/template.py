"""The CloudFormation template of functions and state machines, and the files to deploy it."""

from __future__ import annotations

import json
from typing import Any, get_args

from langchain_bedrock_cache.checks import shown
from langchain_bedrock_cache.profiles import CacheTTL, find_profile
from langchain_bedrock_cache.serverless.definition import (
    check_texts,
    check_whole,
    state_machine_definition,
)
from langchain_bedrock_cache.serverless.errors import DeploymentError
from langchain_bedrock_cache.serverless.filling import fill
from langchain_bedrock_cache.serverless.model_access import model_resources
from langchain_bedrock_cache.serverless.settings import PREFIX

_FUNCTION_TIMEOUT_SECONDS = 120
_LONGEST_RETENTION_DAYS = 36_500  # a century: more is a mistake
# What CloudWatch Logs takes; a stack with another number fails while it is made. Guarded by
# test_days_that_logs_are_kept_are_those_of_botocore.
_LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def deployment_template(
    *,
    model: str,
    base_model: str | None = None,
    document_bucket: str = "",
    instructions: str | None = None,
    ttl: CacheTTL = "5m",
    max_tokens: int = 1024,
    questions_at_once: int = 8,
    documents_at_once: int = 4,
    documents_per_batch: int = 4,
    log_retention_days: int = 30,
    run_retention_days: int = 30,
    partition: str = "aws",
) -> dict[str, Any]:
    """Return a CloudFormation template with functions, state machines and least-privilege roles.

    It creates no way in from the internet but a function URL that wants signed requests, and
    writes no prompt to a log. Step Functions itself keeps inputs, questions among them, for 90
    days: put documents into S3.

    Args:
        model: Model ID, inference profile ID or ARN.
        base_model: The model behind an ARN that does not name it.
        document_bucket: Existing bucket with documents and lists of items; also a parameter of the
            template.
        instructions: System prompt of all questions.
        ttl: Lifetime of a document in the prompt cache.
        max_tokens: Longest answer.
        questions_at_once: See `state_machine_definition`.
        documents_at_once: See `state_machine_definition`.
        documents_per_batch: See `state_machine_definition`.
        log_retention_days: Days that logs are kept.
        run_retention_days: Days that answers and results are kept.
        partition: See `state_machine_definition`.

    Raises:
        DeploymentError: If a parameter is out of range.
    """
    if not isinstance(model, str) or not model.strip():
        msg = f"model is {model!r}, but must be a model ID, an inference profile ID or an ARN."
        raise DeploymentError(msg)
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        msg = f"max_tokens is {max_tokens!r}, but must be a whole number, 1 or more."
        raise DeploymentError(msg)
    _check_texts(base_model=base_model, instructions=instructions)
    _check_bucket(document_bucket)
    _check_retention(log_retention_days)
    check_whole("run_retention_days", run_retention_days, _LONGEST_RETENTION_DAYS)
    if ttl not in get_args(CacheTTL):
        msg = f"ttl is {shown(ttl)}; choose one of {', '.join(map(repr, get_args(CacheTTL)))}."
        raise DeploymentError(msg)
    profile = find_profile(model, base_model=base_model)
    if profile is not None and profile.supports_caching and ttl not in profile.ttls:
        msg = f"ttl is {ttl!r}, but {model} knows only {', '.join(map(repr, profile.ttls))}."
        raise DeploymentError(msg)
    environment = {
        "MODEL": model,
        "BASE_MODEL": base_model,
        "INSTRUCTIONS": instructions,
        "TTL": ttl,
        "MAX_TOKENS": str(max_tokens),
        "READ_TIMEOUT_SECONDS": str(_FUNCTION_TIMEOUT_SECONDS - 20),
    }
    values: dict[str, Any] = {
        "document_bucket": document_bucket,
        "log_retention_days": log_retention_days,
        "run_retention_days": run_retention_days,
        "function_timeout_seconds": _FUNCTION_TIMEOUT_SECONDS,
        "model_resources": model_resources(model, base_model=base_model),
        "environment": {f"{PREFIX}{name}": value for name, value in environment.items() if value},
    }
    for mode in ("inline", "distributed"):
        values[f"{mode}_definition"] = state_machine_definition(
            mode=mode,
            # CloudFormation knows them when it deploys: `DefinitionSubstitutions`.
            answer_function="${AnswerFunctionArn}",
            run_function="${RunFunctionArn}",
            runs_uri="s3://${RunBucket}/runs/",
            partition=partition,
            questions_at_once=questions_at_once,
            documents_at_once=documents_at_once,
            documents_per_batch=documents_per_batch,
            task_timeout_seconds=_FUNCTION_TIMEOUT_SECONDS + 30,
        )
    template = fill("template.json", values)
    if not document_bucket:
        del template["Parameters"]["DocumentBucket"]["Default"]
    return template


def deployment_files(**parameters: Any) -> dict[str, str]:
    """Return the files of a deployment: template, example of items, and how to deploy.

    Args:
        parameters: See `deployment_template`.

    Returns:
        Contents by file name.

    Raises:
        DeploymentError: If a parameter is out of range.
    """
    bucket = parameters.get("document_bucket") or "MY-DOCUMENT-BUCKET"
    items = [
        {"id": "q1", "document": f"s3://{bucket}/lease.pdf", "question": "Who pays for repairs?"},
        {"id": "q2", "document": f"s3://{bucket}/lease.pdf", "question": "May I keep a dog?"},
    ]
    return {
        "template.json": json.dumps(deployment_template(**parameters), indent=2) + "\n",
        "items.jsonl": "".join(json.dumps(item) + "\n" for item in items),
        "deploy.sh": _DEPLOY,
    }


def _check_texts(**parameters: str | None) -> None:
    check_texts(**{name: value for name, value in parameters.items() if value not in (None, "")})


def _check_bucket(bucket: str) -> None:
    if not isinstance(bucket, str) or "/" in bucket or ":" in bucket:
        msg = f"document_bucket is {shown(bucket)}, but must be the name of a bucket alone."
        raise DeploymentError(msg)


def _check_retention(days: int) -> None:
    if not isinstance(days, int) or isinstance(days, bool) or days not in _LOG_RETENTION_DAYS:
        choices = ", ".join(map(str, _LOG_RETENTION_DAYS))
        msg = f"log_retention_days is {shown(days)}, but CloudWatch Logs takes {choices}."
        raise DeploymentError(msg)


# Wheels for the function's processor, whatever machine this runs on.
_DEPLOY = """\
#!/bin/sh
# Usage: sh deploy.sh STACK_NAME CODE_BUCKET DOCUMENT_BUCKET
# PACKAGE in the environment names another version of the package, or the wheel of one.
set -eu
cd "$(dirname "$0")"
python3 -m pip install --quiet --target build --upgrade --only-binary=:all: \\
  --platform manylinux2014_aarch64 --python-version 3.13 \\
  "${PACKAGE:-langchain-bedrock-cache}"
(cd build && python3 -m zipfile -c ../langchain-bedrock-cache.zip ./*)
aws s3 cp langchain-bedrock-cache.zip "s3://$2/"
aws cloudformation deploy --template-file template.json --stack-name "$1" \\
  --capabilities CAPABILITY_IAM --parameter-overrides "CodeBucket=$2" "DocumentBucket=$3"
"""
