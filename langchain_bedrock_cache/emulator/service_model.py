"""Validation with botocore's own model of the service, for callers that bypass botocore too."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.emulator.errors import (
    invalid,
    not_an_object,
    not_base64,
    unknown_values,
)

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

# Bedrock's front end answers these before the operation is known, so no operation declares them.
_FRONT_END_STATUS = {"UnknownOperationException": 404, "SerializationException": 400}

_Path = tuple[str | int, ...]
_Shape = Any  # botocore decides by `type_name`, which no type checker follows


def decode_request(operation: str, model_id: str, body: bytes) -> dict[str, Any]:
    """Read a request body as the service does.

    Members that the service does not know are dropped, as Bedrock does (a cache point inside
    `toolResult.content` is accepted and caches nothing, if the client lets it through). Structures
    come out in the order of the service model, free-form JSON in the sender's order.

    Args:
        operation: Such as `Converse`.
        model_id: From the path of the request.
        body: JSON, with binary members in base64.

    Returns:
        The parameters of the operation, `modelId` included, with binary members as `bytes`.

    Raises:
        ServiceError: If the body is no JSON object, an enumeration has an unknown value (in
            Bedrock's words), or anything else contradicts the model (in botocore's words).
    """
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        raise not_an_object() from None
    if not isinstance(values, dict):
        raise not_an_object()
    shape = _runtime_model().operation_model(operation).input_shape
    problems: list[str] = []
    request = _read({**values, "modelId": model_id}, shape, (), problems)
    if problems:
        raise unknown_values(problems)
    _validate(request, shape)
    return dict(request)


def error_status(code: str) -> int:
    """Return the HTTP status of an error code.

    Raises:
        ValueError: If the operations of the emulator have no such error.
    """
    statuses = _error_statuses()
    if code not in statuses:
        msg = f"Bedrock has no error {code!r}. Choose one of {', '.join(sorted(statuses))}."
        raise ValueError(msg)
    return statuses[code]


def stream_exceptions() -> frozenset[str]:
    """Return the error codes that can come in the middle of a stream."""
    stream: _Shape = _runtime_model().shape_for("ConverseStreamOutput")
    return frozenset(
        shape.name for shape in stream.members.values() if shape.metadata.get("exception")
    )


@cache
def data_loader() -> Loader:
    """Return botocore's loader, which keeps the files it has read: most of a client's cost."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - a heavy import

    return create_loader()


@cache
def _runtime_model() -> ServiceModel:
    from botocore.model import ServiceModel  # noqa: PLC0415 - a heavy import

    description = data_loader().load_service_model("bedrock-runtime", "service-2")
    return ServiceModel(description, "bedrock-runtime")


@cache
def _error_statuses() -> Mapping[str, int]:
    shapes = _runtime_model().operation_model("Converse").error_shapes
    return _FRONT_END_STATUS | {s.name: s.metadata["error"]["httpStatusCode"] for s in shapes}


def _read(value: Any, shape: _Shape, path: _Path, problems: list[str]) -> Any:
    """Return `value` without what `shape` does not know; wrong types are left to botocore."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        if shape.is_document_type:
            return value
        return {
            name: _read(value[name], member, (*path, name), problems)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list" and isinstance(value, list):
        items = [
            _read(item, shape.member, (*path, number), problems)
            for number, item in enumerate(value, 1)
        ]
        return [read for read, item in zip(items, value, strict=True) if read or not item]
    if kind == "blob" and isinstance(value, str):
        return _read_blob(value, path)
    if kind == "string" and shape.enum and value not in shape.enum:
        problems.append(_enum_error(value, shape.enum, path))
    return value


def _read_blob(value: str, path: _Path) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise not_base64(".".join(map(str, path))) from None


def _enum_error(value: object, allowed: list[str], path: _Path) -> str:
    """Word an unknown enumeration value as AWS services do, which count list members from 1."""
    where = ".".join(f"{part}.member" if isinstance(part, int) else part for part in path)
    return (
        f"Value '{value}' at '{where}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(allowed)}]"
    )


def _validate(request: Mapping[str, Any], shape: _Shape) -> None:
    from botocore.validate import ParamValidator  # noqa: PLC0415 - a heavy import

    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
