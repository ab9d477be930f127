"""A request on its way out: what the planner sees of it, and what is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_bedrock_cache.calls import CallOptions, PreparedCall
from langchain_bedrock_cache.invoke_model import encoded
from langchain_bedrock_cache.invoke_model.view import InvokeView
from langchain_bedrock_cache.plan import CachePlan

_logger = logging.getLogger(__name__)

# Whether the two APIs build the same prompt of the same conversation is not known (one measurement
# says yes, one no), so nothing that was written through one is expected to be read by the other.
_INVOKE_MODEL = "|InvokeModel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request of any operation.

    Attributes:
        given: Keyword arguments as the caller gave them.
        view: The same as a Converse request; all of it is planned, if anything is.
        invoke: How `view` became of a body of InvokeModel; `None` on Converse.
        is_readable: False if the planner is to leave it alone.
    """

    given: dict[str, Any]
    view: dict[str, Any]
    invoke: InvokeView | None = None
    is_readable: bool = True

    @property
    def api(self) -> str:
        """The API it goes through: each is taken to have a prompt cache of its own."""
        return "Converse" if self.invoke is None and self.is_readable else "InvokeModel"

    def options(self, options: CallOptions, *, locality: str) -> CallOptions:
        """Return the options of the call at a place."""
        if self.invoke is None:
            return replace(options, locality=locality)
        hint = options.hint or self.invoke.hint
        return replace(options, locality=locality + _INVOKE_MODEL, hint=hint, is_native=True)

    def arguments(self, call: PreparedCall, options: CallOptions) -> dict[str, Any]:
        """Return what to send.

        Args:
            call: Made from `view`, or from `view` with another model ID.
            options: Of the call.
        """
        if self.invoke is None:
            return call.request if self.is_readable else {**self.given, **_model_id(call.request)}
        arguments = {**self.given, **_model_id(call.request)}
        try:
            body = self.invoke.body_of(call.request, states_ttl=_states_ttl(call, options))
            if self.invoke.hint is not None and _is_planned(call):
                body = dict(self.invoke.body if body is None else body)
                del body["cache_control"]  # Bedrock takes it on blocks only
            return arguments if body is None else {**arguments, "body": encoded(body)}
        except Exception:  # caching is never the reason a request fails
            _logger.exception("A body could not be written; it is sent without added cache points.")
            return arguments

    def unplanned(self, request: dict[str, Any]) -> PreparedCall:
        """Return the call that sends the request as it is, unread."""
        return PreparedCall(request=request, original=request, plan=CachePlan())


def of_converse(request: dict[str, Any]) -> Outgoing:
    """Return a Converse request on its way.

    Args:
        request: Keyword arguments of `client.converse`.
    """
    return Outgoing(given=request, view=request)


def of_invoke_model(request: dict[str, Any], view: InvokeView | None) -> Outgoing:
    """Return an InvokeModel request on its way.

    Args:
        request: Keyword arguments of `client.invoke_model`.
        view: Of its body; `None` if that cannot be read.
    """
    if view is None:
        return Outgoing(given=request, view=_model_id(request), is_readable=False)
    return Outgoing(given=request, view={**_model_id(request), **view.request}, invoke=view)


def _model_id(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"modelId": request["modelId"]} if "modelId" in request else {}


def _states_ttl(call: PreparedCall, options: CallOptions) -> bool:
    """Whether the caller spelled out the default lifetime, and the model knows the field."""
    asked = (options.hint or {}).get("ttl") == "5m"
    return asked and call.profile is not None and "1h" in call.profile.ttls


def _is_planned(call: PreparedCall) -> bool:
    return call.commitment is not None or call.refused is not None
