"""What a Lambda function is asked, in its several forms, as one value. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from langchain_bedrock_cache.serverless.errors import InvalidRequestError, MethodNotAllowedError

Action = Literal["answer", "warm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest:
    """A question on a document, or a document to be warmed.

    Attributes:
        action: What to do.
        document: Its text, or an S3 URI.
        question: The question; empty for a warm-up.
        id: What the caller calls it.
        prompt_cache: Whether more questions on the document follow, so that caching it pays.
        answer_uri: S3 URI to write the answer to, instead of returning it.
    """

    action: Action
    document: str
    question: str = ""
    id: str | None = None
    prompt_cache: bool = True
    answer_uri: str | None = None


def is_http(event: Any) -> bool:
    """Return whether an event comes from a function URL, an API Gateway or a load balancer."""
    return isinstance(event, Mapping) and "requestContext" in event


def read_http(event: Mapping[str, Any]) -> DocumentRequest:
    """Read a question from an HTTP request with a JSON body.

    Args:
        event: Of a function URL or HTTP API (payload format 1.0 or 2.0). Its body has `document`,
            `question` and, optionally, `id` and `prompt_cache`.

    Raises:
        MethodNotAllowedError: If the method is not POST.
        InvalidRequestError: If the body, or a field of it, is not what it has to be.
    """
    context = event.get("requestContext") or {}
    method = (context.get("http") or {}).get("method") or event.get("httpMethod")
    if method != "POST":
        msg = f"The method is {method}; send a POST with a JSON body."
        raise MethodNotAllowedError(msg)
    fields = _body(event)
    # Whoever may ask over HTTP may not choose where to write, nor warm without an answer.
    return read_request({name: fields[name] for name in _FROM_OUTSIDE if name in fields})


_FROM_OUTSIDE = ("document", "question", "id", "prompt_cache")


def _body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    body = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body, validate=True)
        fields = json.loads(body)
    except (binascii.Error, ValueError) as error:
        msg = "The body is not JSON. Send an object with document and question."
        raise InvalidRequestError(msg, field="body") from error
    if not isinstance(fields, dict):
        msg = f"The body is {_kind(fields)}. Send an object with document and question."
        raise InvalidRequestError(msg, field="body")
    return fields


def read_request(event: Any) -> DocumentRequest:
    """Read a question, or a warm-up, from an event of a direct call or a Step Functions task.

    Args:
        event: `{"document": ..., "question": ...}`, optionally with `action` (`"answer"` or
            `"warm"`), `id`, `prompt_cache` and `answer_uri`.

    Raises:
        InvalidRequestError: If a field is not what it has to be.
    """
    if not isinstance(event, Mapping):
        msg = f"The event is {_kind(event)}. Send an object with document and question."
        raise InvalidRequestError(msg, field="event")
    for choice in get_args(Action):
        if event.get("action", "answer") == choice:
            break
    else:
        choices = ", ".join(map(repr, get_args(Action)))
        msg = f"action is {event['action']!r}; choose one of {choices}."
        raise InvalidRequestError(msg, field="action")
    prompt_cache = event.get("prompt_cache", True)
    if not isinstance(prompt_cache, bool):
        msg = f"prompt_cache is {_kind(prompt_cache)}, but must be true or false."
        raise InvalidRequestError(msg, field="prompt_cache")
    return DocumentRequest(
        action=choice,
        document=_text(event, "document"),
        question=_text(event, "question") if choice == "answer" else "",
        id=_optional_text(event, "id"),
        prompt_cache=prompt_cache,
        answer_uri=_optional_text(event, "answer_uri"),
    )


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        found = "missing" if value is None else _kind(value)
        msg = f"{name} is {found}, but must be a string."
        raise InvalidRequestError(msg, field=name)
    if not value.strip():
        msg = f"{name} is blank, which Bedrock refuses."
        raise InvalidRequestError(msg, field=name)
    return value


def _optional_text(event: Mapping[str, Any], name: str) -> str | None:
    return None if event.get(name) is None else _text(event, name)


def _kind(value: Any) -> str:
    """Name the type of a JSON value, never the value: it may be a prompt."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
