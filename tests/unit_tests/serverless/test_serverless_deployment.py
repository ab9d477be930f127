"""Definitions and template: valid, with least privilege, and with what was asked for filled in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.serverless import (
    DeploymentError,
    ServerlessError,
    deployment_template,
    errors,
    state_machine_definition,
)

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARNS: dict[str, Any] = {
    "answer_function": "arn:aws:lambda:us-east-1:123456789012:function:answer",
    "run_function": "arn:aws:lambda:us-east-1:123456789012:function:run",
    "runs_uri": "s3://runs-bucket/runs/",
}


def states_of(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every state of a definition, those inside Maps included."""
    if isinstance(node, dict):
        for name, value in node.get("States", {}).items():
            yield name, value
        for value in node.values():
            yield from states_of(value)


@pytest.mark.parametrize("model", [MODEL, "amazon.nova-pro-v1:0"])
def test_cfn_lint_finds_nothing(model: str) -> None:
    """The template, the definitions in it included, is what CloudFormation wants."""
    cfnlint = pytest.importorskip("cfnlint.api")
    template = json.dumps(deployment_template(model=model, document_bucket="documents"), indent=1)
    broken = template.replace('"MemorySize"', '"MemorySice"', 1)
    for text, rules in ((template, []), (broken, ["E3002"])):
        found = [match.rule.id for match in cfnlint.lint(text, regions=["us-east-1"])]
        assert [rule for rule in found if not rule.startswith("I")] == rules  # I is for information


@pytest.mark.parametrize("mode", ["inline", "distributed"])
def test_everything_asked_for_is_in_the_definition(mode: Any) -> None:
    """No name is left unfilled, and no task is without retry, timeout or catch."""
    definition = state_machine_definition(
        **ARNS, mode=mode, questions_at_once=3, documents_at_once=5, documents_per_batch=2
    )
    text = json.dumps(definition)
    assert "{{" not in text
    states = dict(states_of(definition))
    assert states["AnswerRest"]["MaxConcurrency"] == 3
    outer = states["AnswerDocuments" if mode == "inline" else "AnswerBatches"]
    assert outer["MaxConcurrency"] == 5
    if mode == "distributed":
        assert outer["ItemBatcher"] == {"MaxItemsPerBatch": 2}
        assert states["Plan"]["Parameters"]["Payload"]["max_questions"] == 200
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    assert set(tasks) == {"Plan", "AnswerFirst", "WarmUp", "Answer", "Summarize"}
    for name, task in tasks.items():
        assert task["Retry"][0]["MaxAttempts"] == 0
        assert task["Retry"][1]["ErrorEquals"] == ["States.ALL"]
        assert ("Catch" in task) == (name not in {"Plan", "Summarize"})


def test_errors_that_a_retry_does_not_mend_are_not_retried() -> None:
    """The names in the definition are the classes, as Lambda reports them."""
    state = dict(states_of(state_machine_definition(**ARNS)))["Answer"]
    names = state["Retry"][0]["ErrorEquals"]
    assert "DocumentNotFoundError" in names
    for name in names:
        kind = getattr(errors, name)
        assert issubclass(kind, ServerlessError)
        assert kind.is_permanent
    assert "ThrottledError" not in names


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "parallel"},
        {"runs_uri": "s3://bucket"},
        {"runs_uri": "bucket/runs/"},
        {"questions_at_once": 41},
        {"documents_at_once": 0},
        {"documents_per_batch": 401},
        {"attempts": True},
    ],
)
def test_parameters_out_of_range(wrong: dict[str, Any]) -> None:
    """The error names the parameter."""
    with pytest.raises(DeploymentError, match=next(iter(wrong))):
        state_machine_definition(**{**ARNS, **wrong})


def allowed(template: dict[str, Any], role: str) -> dict[str, Any]:
    """Return actions and resources of a role."""
    (policy,) = template["Resources"][role]["Properties"]["Policies"]
    return {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }


def test_roles_may_do_what_they_need_and_no_more() -> None:
    """No action is a pattern; resources are named, but for log delivery, which takes no others."""
    template = deployment_template(model=MODEL)
    roles = [name for name, r in template["Resources"].items() if r["Type"] == "AWS::IAM::Role"]
    assert len(roles) == 4
    for role in roles:
        for action, resource in allowed(template, role).items():
            assert "*" not in action
            assert resource != "*" or "Log" in action or "ResourcePolic" in action
    assert allowed(template, "AnswerRole")["bedrock:InvokeModel"] == [
        {
            "Fn::Sub": "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:"
            f"inference-profile/{MODEL}"
        },
        {
            "Fn::Sub": "arn:${AWS::Partition}:bedrock:*::foundation-model/"
            f"{MODEL.removeprefix('us.')}"
        },
    ]
    assert "bedrock:InvokeModel" not in allowed(template, "RunRole")


def test_logs_are_kept_for_a_while_and_hold_no_data() -> None:
    """Retention is set, and executions are logged without their input and output."""
    resources = deployment_template(model=MODEL, log_retention_days=14)["Resources"]
    groups = [r for r in resources.values() if r["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == 3
    machines = [r for r in resources.values() if r["Type"] == "AWS::StepFunctions::StateMachine"]
    assert len(machines) == 2
    for machine in machines:
        logging = machine["Properties"]["LoggingConfiguration"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)


def test_timeouts_stand_in_line() -> None:
    """Bedrock's answer is given up before the function is, and the function before the task."""
    resources = deployment_template(model=MODEL)["Resources"]
    function = resources["AnswerFunction"]["Properties"]
    variables = function["Environment"]["Variables"]
    task = dict(states_of(resources["InlineStateMachine"]["Properties"]["Definition"]))["Answer"]
    read = int(variables["LANGCHAIN_BEDROCK_CACHE_READ_TIMEOUT_SECONDS"])
    assert read < function["Timeout"] < task["TimeoutSeconds"]


PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"


def test_models_behind_arns() -> None:
    """The model behind a profile must be allowed too, so somebody has to say which it is."""
    template = deployment_template(model=PROFILE, base_model="amazon.nova-pro-v1:0")
    assert allowed(template, "AnswerRole")["bedrock:InvokeModel"] == [
        PROFILE,
        {"Fn::Sub": "arn:${AWS::Partition}:bedrock:*::foundation-model/amazon.nova-pro-v1:0"},
    ]
    with pytest.raises(DeploymentError, match="base_model"):
        deployment_template(model=PROFILE)
    custom = "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abc"
    template = deployment_template(model=custom)
    assert allowed(template, "AnswerRole")["bedrock:InvokeModel"] == [custom]
    foundation = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    template = deployment_template(model=foundation)
    assert allowed(template, "AnswerRole")["bedrock:InvokeModel"] == [foundation]


def test_a_lifetime_the_model_does_not_know() -> None:
    """It is refused before it is deployed."""
    with pytest.raises(DeploymentError, match="'1h'"):
        deployment_template(model="amazon.nova-pro-v1:0", ttl="1h")


def test_the_command_writes_files_and_overwrites_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it writes is the template; a second time it stops."""
    arguments = ["serverless", str(tmp_path / "out"), "--model", MODEL]
    assert main([*arguments, "--document-bucket", "documents"]) == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["deploy.sh", "items.jsonl", "template.json"]
    template = json.loads((tmp_path / "out" / "template.json").read_text(encoding="utf-8"))
    assert template == deployment_template(model=MODEL, document_bucket="documents")
    assert main(arguments) == 1
    assert "already" in capsys.readouterr().err
    script = (tmp_path / "out" / "deploy.sh").read_text(encoding="utf-8")
    subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True)
