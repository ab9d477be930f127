"""Step Functions on this machine: moto's interpreter, our handlers behind its Lambda.

What moto 5.2.5 does not interpret is left out of a definition, or done here, and nothing else:

* `ItemBatcher` and a whole `ToleratedFailurePercentage` are not in its grammar: batches hold one
  document here.
* `ResultWriter` writes an empty manifest: the result files are written here, in the form that
  https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html describes.
* Retries really wait: its clock is replaced, and the waits are kept.
* IAM, quotas, payload limits, logging and the timeouts of Lambda are not there at all.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import (  # noqa: E501
    resource_eval_s3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.utils import TMP_THREADS

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/states"
ANSWER = f"arn:aws:lambda:{REGION}:123456789012:function:answer"
RUN = f"arn:aws:lambda:{REGION}:123456789012:function:run"
RUNS = "runs-bucket"
DOCUMENTS = "documents-bucket"

Fault = Callable[[str, dict[str, Any]], Exception | None]
"""Gets function name and event of a call; returns what it dies of, if anything."""


@dataclass
class LocalStates:
    """The services, and what happened in them.

    Attributes:
        functions: Lambda handlers by name.
        fault: Asked before each call of a function.
        calls: Name and event of each call of a function.
        waits: Seconds before each retry, which did not pass.
        busiest: The most calls of the answering function at one time.
    """

    functions: dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    fault: Fault = lambda _name, _event: None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    busiest: int = 0
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def s3(self) -> Any:
        """A boto3 client of S3."""
        return boto3.client("s3", region_name=REGION)

    def invoke(self, name: str, body: str, response_headers: dict[str, str]) -> str:
        """Call a handler as Lambda does: JSON in and out, errors by the name of their type."""
        event = json.loads(body)
        name = name.rpartition(":")[2]
        with self._lock:
            self.calls.append((name, event))
            self._running += name == "answer"
            self.busiest = max(self.busiest, self._running)
        try:
            if error := self.fault(name, event):
                raise error  # noqa: TRY301 - a failure like those of the handler
            return json.dumps(self.functions[name](event, None))
        except Exception as error:  # noqa: BLE001 - as Lambda's runtime does
            response_headers["x-amz-function-error"] = "Unhandled"
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
        finally:
            with self._lock:
                self._running -= name == "answer"

    def run(self, definition: dict[str, Any], event: dict[str, Any], *, name: str) -> Any:
        """Run a state machine to its end, and return its output."""
        states = boto3.client("stepfunctions", region_name=REGION)
        machine = states.create_state_machine(
            name=name, definition=json.dumps(interpretable(definition)), roleArn=ROLE
        )
        before = len(TMP_THREADS)
        started = states.start_execution(
            stateMachineArn=machine["stateMachineArn"], name=name, input=json.dumps(event)
        )
        TMP_THREADS[before].join(timeout=120)  # the execution's; its workers come after it
        execution = states.describe_execution(executionArn=started["executionArn"])
        assert execution["status"] == "SUCCEEDED", (execution.get("error"), execution.get("cause"))
        return json.loads(execution["output"])


def interpretable(definition: dict[str, Any]) -> dict[str, Any]:
    """Return a definition without what moto's grammar lacks: batches hold one item."""
    definition = copy.deepcopy(definition)
    for state in definition["States"].values():
        if state.pop("ItemBatcher", None):
            assert state.pop("ToleratedFailurePercentage") == 100
            state["ItemSelector"] = {"Items.$": "States.Array($$.Map.Item.Value)"}
    return definition


@contextmanager
def local_states(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStates]:
    """Start the services, with two buckets."""
    local = LocalStates()

    def invoke(
        _backend: Any, name: str, _qualifier: Any, body: str, _headers: Any, response_headers: Any
    ) -> bytes:
        return local.invoke(name, body, response_headers).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    # Making a client takes longer than all the rest of a call.
    monkeypatch.setattr(lambda_eval_utils, "boto_client_for", _kept(boto_client_for))
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=local.waits.append))
    monkeypatch.setattr(
        resource_eval_s3.ResourceEvalS3, "_handle_put_object", staticmethod(_write_results)
    )
    config: Any = {
        "stepfunctions": {"execute_state_machine": True},
        "lambda": {"use_docker": False},
        # Bedrock is not moto's: its client leads to the emulator.
        "core": {
            "mock_credentials": True,
            "reset_boto3_session": True,
            "passthrough": {"services": ["bedrockruntime"], "urls": []},
        },
    }
    with mock_aws(config=config):
        for bucket in (RUNS, DOCUMENTS):
            local.s3.create_bucket(Bucket=bucket)
        yield local


def _kept(make: Callable[..., Any]) -> Callable[..., Any]:
    @lru_cache
    def client(service: str, region: str) -> Any:
        return make(service=service, region=region)

    return lambda service, region, state_credentials=None: client(service, region)


def _write_results(env: Any, _resource: Any, _credentials: Any) -> None:
    """Write manifest and result files of a Distributed Map, where moto leaves them empty."""
    parameters, outputs = env.stack.pop(), env.stack.pop()
    folder = f"{parameters['Prefix']}/0f1e2d3c"
    executions = [
        {"Status": "SUCCEEDED", "Output": json.dumps(output), "Input": "{}"} for output in outputs
    ]
    manifest = {
        "DestinationBucket": parameters["Bucket"],
        "ResultFiles": {
            "FAILED": [],
            "PENDING": [],
            "SUCCEEDED": [{"Key": f"{folder}/SUCCEEDED_0.json", "Size": 1}],
        },
    }
    s3 = boto3.client("s3", region_name=REGION)
    for name, content in (("SUCCEEDED_0.json", executions), ("manifest.json", manifest)):
        s3.put_object(Bucket=parameters["Bucket"], Key=f"{folder}/{name}", Body=json.dumps(content))
    details = {"Bucket": parameters["Bucket"], "Key": f"{folder}/manifest.json"}
    env.stack.append({"MapRunArn": "arn", "ResultWriterDetails": details})
