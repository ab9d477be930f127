"""Permissions: the table has what the code calls, no less and no more, and errors name it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

import langchain_bedrock_cache
from langchain_bedrock_cache.cloudwatch import NAMESPACE
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.permissions import (
    FEATURES,
    missing_permission,
    naming_missing_permissions,
    policy_document,
)

PACKAGE = Path(langchain_bedrock_cache.__file__).parent
# The emulator answers these operations, and calls none.
NO_CALLERS = {"emulator"}
SERVICES = ("bedrock-runtime", "bedrock", "cloudwatch", "logs", "s3", "stepfunctions", "lambda")
PERMISSIONS = {one.action: one for feature in FEATURES.values() for one in feature}


@cache
def operations() -> dict[str, str]:
    """Return the operations of AWS services by the names of boto3's methods."""
    session = botocore.session.Session()
    return {
        xform_name(name): name
        for service in SERVICES
        for name in session.get_service_model(service).operation_names
    }


def called_in(source: str) -> Iterator[str]:
    """Return the operations that a module calls, by name of the method or of the paginator.

    A name that is put together or looked up stands as a string somewhere, so strings count too.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
        else:
            continue
        if name in operations() and ("_" in name or name == "converse"):
            yield operations()[name]


def called() -> dict[str, set[str]]:
    """Return the operations that the package calls, each with its modules."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] not in NO_CALLERS:
            for name in called_in(path.read_text(encoding="utf-8")):
                found.setdefault(name, set()).add(str(inside))
    return found


def test_calls_are_found() -> None:
    """Methods, paginators and names in strings are recognized; other methods are not calls."""
    source = "c.put_metric_data(); c.get_paginator('list_metrics'); x = {'converse'}; y.update()"
    assert sorted(called_in(source)) == ["Converse", "ListMetrics", "PutMetricData"]


def test_the_table_has_every_operation_that_is_called() -> None:
    """No code calls an operation whose permission the table does not have."""
    covered = {operation for one in PERMISSIONS.values() for operation in one.operations}
    assert {name: where for name, where in called().items() if name not in covered} == {}


def test_the_table_has_nothing_that_is_not_called() -> None:
    """Nobody is asked to allow what no code calls."""
    covered = {operation for one in PERMISSIONS.values() for operation in one.operations}
    assert len(covered) >= 9
    assert covered - set(called()) == set()


def test_actions_are_those_that_the_operations_ask_for() -> None:
    """An action has the name of its operation, but for the Converse family, as botocore says."""
    model = botocore.session.Session().get_service_model("bedrock-runtime")
    for action, one in PERMISSIONS.items():
        for operation in one.operations:
            if operation in model.operation_names:
                text = re.sub("<[^>]+>", "", model.operation_model(operation).documentation)
                assert re.search(rf"permissions? (for the|to perform the) {action} action", text)
            else:
                assert action.partition(":")[2] == operation


def test_the_condition_is_the_namespace_that_is_published_to() -> None:
    """Publishing is allowed in the package's default namespace."""
    condition = PERMISSIONS["cloudwatch:PutMetricData"].condition
    assert condition == {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}


def test_a_policy_of_features() -> None:
    """A policy is valid JSON with one statement per action, and nothing of other features."""
    document = policy_document(["report", "dashboard"])
    assert json.loads(json.dumps(document)) == document
    assert document["Version"] == "2012-10-17"
    assert [one["Action"] for one in document["Statement"]] == [
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "cloudwatch:PutDashboard",
    ]
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Resource"]


def test_an_unknown_feature() -> None:
    """A feature that is not there is refused with those that are."""
    with pytest.raises(CachePolicyError, match=r"'reports'.*'report'"):
        policy_document(["reports"])


def error(code: str, operation: str) -> ClientError:
    """Return an error of AWS."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@pytest.mark.parametrize("action", [a for a, one in PERMISSIONS.items() if one.operations])
def test_a_denied_operation_names_its_action(action: str) -> None:
    """Whichever operation is denied, the message has the action and a statement that allows it."""
    for operation in PERMISSIONS[action].operations:
        said = missing_permission(error("AccessDeniedException", operation))
        assert said is not None
        assert f"lacks {action}." in said
        statement = json.loads(said.partition("policy: ")[2])
        assert statement == PERMISSIONS[action].statement()


@pytest.mark.parametrize(
    "other",
    [
        error("ThrottlingException", "PutMetricData"),
        error("AccessDenied", "DescribeAlarms"),
        ValueError("x"),
    ],
)
def test_other_errors_are_left_alone(other: Exception) -> None:
    """What is not about a permission of the table passes through without a note."""
    assert missing_permission(other) is None
    with pytest.raises(type(other)) as caught, naming_missing_permissions():
        raise other
    assert caught.value is other
    assert getattr(other, "__notes__", []) == []
