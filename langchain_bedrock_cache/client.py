"""`cached_client`: any boto3 `bedrock-runtime` client, with its prompts cached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_bedrock_cache.caching import CallOptions, CallPlanner, PreparedCall
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.refusals import refusal_of


def cached_client(
    client: Any,
    *,
    policy: CachePolicy | None = None,
    memory: PrefixMemory | None = None,
    base_model_id: str | None = None,
) -> Any:
    """Return a client that places cache points in every Converse and ConverseStream call.

    All else passes through to the given client, which is not changed. Works for any code that
    takes a boto3 client; safe to share between threads.

    Args:
        client: A boto3 `bedrock-runtime` client. One that is wrapped already is returned as it is
            if nothing else is given, and re-wrapped with the new settings otherwise.
        policy: When and how long to cache; default: `CachePolicy()`.
        memory: What was seen so far; default: one memory for the process.
        base_model_id: The model behind an ARN that does not name it.

    Returns:
        A client with the methods of the given one. `converse` and `converse_stream` also take
        `cache_policy=CachePolicy(...)`, `base_model_id=...` and langchain-aws's `cache_control=`
        for a single call. `response["ResponseMetadata"]["CachePlan"]` says where points went.
    """
    if isinstance(client, CachedClient):
        if policy is None and memory is None and base_model_id is None:
            return client
        client = client.wrapped
    planner = CallPlanner(
        policy=policy or CachePolicy(),
        memory=memory if memory is not None else default_memory(),
    )
    return CachedClient(client, planner, base_model_id=base_model_id)


class CachedClient:
    """A boto3 client whose Converse calls go through the planner; made by `cached_client`."""

    def __init__(
        self, client: Any, planner: CallPlanner, *, base_model_id: str | None = None
    ) -> None:
        self.wrapped = client
        self.planner = planner
        self._base_model_id = base_model_id

    def converse(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call Converse with cache points; arguments and errors are those of boto3."""
        options = self._options(cache_policy, cache_control, base_model_id)
        call, response = self._send(self.wrapped.converse, request, options)
        if isinstance(response, dict):
            _report(response, call, response.get("usage"))
            self.planner.succeeded(call, response.get("usage"))
        return response

    def converse_stream(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call ConverseStream with cache points; a stream that has begun is never restarted."""
        options = self._options(cache_policy, cache_control, base_model_id)
        call, response = self._send(self.wrapped.converse_stream, request, options)
        if isinstance(response, dict) and "stream" in response:
            _report(response, call, None)
            response["stream"] = _ObservedStream(response, call, self.planner)
        return response

    def _options(
        self,
        policy: CachePolicy | None,
        hint: Mapping[str, Any] | None,
        base_model: str | None,
    ) -> CallOptions:
        return CallOptions(
            policy=policy, hint=hint, base_model=base_model or self._base_model_id
        )

    def _send(
        self, operation: Callable[..., Any], request: dict[str, Any], options: CallOptions
    ) -> tuple[PreparedCall, Any]:
        """Send a call; once more without the added points if Bedrock refuses those."""
        call = self.planner.prepare(request, options)
        try:
            return call, operation(**call.request)
        except Exception as error:
            refusal = refusal_of(error)
            retry = self.planner.without_points(call, refusal) if refusal else None
            if retry is None:
                self.planner.failed(call)
                raise
        return retry, operation(**retry.request)

    def __getattr__(self, name: str) -> Any:
        """Pass everything else through."""
        if name == "wrapped":  # not set yet: this object is being unpickled or copied
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def __eq__(self, other: object) -> bool:
        """Equal to the client it wraps, and to others that wrap the same one."""
        return bool(self.wrapped == (other.wrapped if isinstance(other, CachedClient) else other))

    def __hash__(self) -> int:
        return hash(self.wrapped)

    def __repr__(self) -> str:
        return f"cached_client({self.wrapped!r})"


class _ObservedStream:
    """An event stream that hands the usage of its last event to the planner."""

    def __init__(self, response: dict[str, Any], call: PreparedCall, planner: CallPlanner) -> None:
        self._stream = response["stream"]
        self._response = response
        self._call = call
        self._planner = planner

    def __iter__(self) -> Iterator[Any]:
        for event in self._stream:
            if isinstance(event, dict) and "metadata" in event:
                usage = event["metadata"].get("usage")
                _report(self._response, self._call, usage)
                self._planner.succeeded(self._call, usage)
            yield event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _report(response: dict[str, Any], call: PreparedCall, usage: Any) -> None:
    """Put the plan, and the usage as Bedrock sent it, where callbacks can find them."""
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, dict):
        return
    metadata["CachePlan"] = call.report()
    if isinstance(usage, dict):
        metadata["ConverseUsage"] = dict(usage)
