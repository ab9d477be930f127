"""`cached_client`: any boto3 `bedrock-runtime` client, with its prompts cached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any

from langchain_bedrock_cache.caching import CallOptions, CallPlanner, PreparedCall
from langchain_bedrock_cache.call_context import with_asked
from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.invoke_model import view_of, with_body_at_hand
from langchain_bedrock_cache.invoke_model.usage import StreamedUsage
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.observed import (
    ConverseUsage,
    ObservedStream,
    UsageReader,
    observe_answer,
    observe_body,
    observe_foreign,
    report,
)
from langchain_bedrock_cache.outgoing import Outgoing, of_converse, of_invoke_model
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.regions import Route
from langchain_bedrock_cache.sending import Sender
from langchain_bedrock_cache.settling import CallRecorder, Settlement


def cached_client(
    client: Any,
    *,
    policy: CachePolicy | None = None,
    memory: PrefixMemory | None = None,
    base_model_id: str | None = None,
    fallbacks: Sequence[Any] = (),
    recorder: CallRecorder | None = None,
) -> Any:
    """Return a client that places cache points in every call of a model.

    In Converse and ConverseStream; in InvokeModel and InvokeModelWithResponseStream, where the body
    is a conversation in Claude's or Nova's format. All else passes through to the given client,
    whose own calls stay as they are. Works for any code that takes a boto3 client; safe to share
    between threads.

    Args:
        client: A boto3 `bedrock-runtime` client. One that is wrapped already is returned as it is
            if nothing else is given, and otherwise wrapped anew, with its settings where none are
            given here.
        policy: When and how long to cache; default: `CachePolicy()`.
        memory: What was seen so far; default: one memory for the process.
        base_model_id: The model behind an ARN that does not name it.
        fallbacks: Clients of other Regions, or `Route`s to other inference profiles, tried in
            order when Bedrock throttles or fails, before an answer has begun.
        recorder: Told of every call as it ends, verdict included: a `CacheUsageCallbackHandler`,
            which then has records, totals and a report as of LangChain's calls. A call inside a
            LangChain run that the same handler listens to is recorded once, as part of the run.
            `get_cache_usage_callback()` records the calls of its block without being given here.

    Returns:
        A client with the methods of the given one. The four that call a model also take
        `cache_policy=CachePolicy(...)`, `base_model_id=...`, `conversation_id=...` (for a gradual
        roll-out) and langchain-aws's `cache_control=` for a single call.
        `response["ResponseMetadata"]["CachePlan"]` says where points went, `["ConverseUsage"]` what
        was used, in the words of Converse for every operation.

    Raises:
        TypeError: If one of them is something else.
    """
    check_type("policy", policy, (CachePolicy, NoneType), what="a CachePolicy, or None")
    check_type("memory", memory, (PrefixMemory, NoneType), what="a PrefixMemory, or None")
    check_type("base_model_id", base_model_id, (str, NoneType), what="a model ID, or None")
    check_type("fallbacks", fallbacks, (list, tuple), what="a list of clients or Routes")
    if recorder is not None and not callable(getattr(recorder, "record_call", None)):
        check_type("recorder", recorder, (), what="a CacheUsageCallbackHandler, or None")
    if isinstance(client, CachedClient):
        given = (policy, memory, base_model_id, recorder)
        if not fallbacks and all(one is None for one in given):
            return client
        policy = policy or client.planner.policy
        memory = client.planner.memory if memory is None else memory
        base_model_id = base_model_id or client._base_model_id  # noqa: SLF001 # our own class
        fallbacks = fallbacks or client._fallbacks  # noqa: SLF001 # as above
        recorder = client._recorder if recorder is None else recorder  # noqa: SLF001 # as above
        client = client.wrapped
    planner = CallPlanner(
        policy=policy or CachePolicy(),
        memory=memory if memory is not None else default_memory(),
    )
    return CachedClient(
        client, planner, base_model_id=base_model_id, fallbacks=fallbacks, recorder=recorder
    )


class CachedClient:
    """A boto3 client whose calls of models go through the planner; made by `cached_client`."""

    def __init__(
        self,
        client: Any,
        planner: CallPlanner,
        *,
        base_model_id: str | None = None,
        fallbacks: Sequence[Any] = (),
        recorder: CallRecorder | None = None,
    ) -> None:
        self.wrapped = client
        self.planner = planner
        self._recorder = recorder
        self._base_model_id = base_model_id
        self._fallbacks = tuple(fallbacks)
        routes = [f if isinstance(f, Route) else Route(client=f) for f in (client, *fallbacks)]
        self._sender = Sender(planner, routes, recorder)

    def converse(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call Converse with cache points; arguments and errors are those of boto3."""
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        call, response, settlement = self._sender.send("converse", of_converse(request), options)
        observe_answer(response, call, self.planner, settlement)
        return response

    def converse_stream(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call ConverseStream with cache points; a stream that has begun is never restarted."""
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        call, response, settlement = self._sender.send(
            "converse_stream", of_converse(request), options
        )
        return self._observed(response, "stream", call, ConverseUsage(), settlement)

    def invoke_model(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call InvokeModel with cache points in bodies of Claude and Nova; all others as they are.

        The body of the response is read, and can be read once more, as boto3's.
        """
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        outgoing = self._outgoing(request, options)
        call, response, settlement = self._sender.send("invoke_model", outgoing, options)
        if outgoing.is_readable:
            observe_body(response, call, self.planner, settlement)
        elif settlement is not None:
            observe_foreign(response, call, settlement)
        return response

    def invoke_model_with_response_stream(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call InvokeModelWithResponseStream as `invoke_model` calls InvokeModel."""
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        outgoing = self._outgoing(request, options)
        operation = "invoke_model_with_response_stream"
        call, response, settlement = self._sender.send(operation, outgoing, options)
        if not outgoing.is_readable and settlement is None:
            return response
        return self._observed(
            response, "body", call, StreamedUsage(), settlement, is_read=outgoing.is_readable
        )

    def _outgoing(self, request: dict[str, Any], options: CallOptions) -> Outgoing:
        request = with_body_at_hand(request)
        try:
            return of_invoke_model(request, view_of(request, base_model=options.base_model))
        except CachePolicyError:
            if not self.planner.is_off(options):
                raise
        return of_invoke_model(request, None)

    def _observed(
        self,
        response: Any,
        name: str,
        call: PreparedCall,
        reader: UsageReader,
        settlement: Settlement | None,
        *,
        is_read: bool = True,
    ) -> Any:
        """Return a response whose stream tells the planner what was used."""
        if isinstance(response, dict) and name in response:
            plan = report(response, call, None) if is_read else None
            response[name] = ObservedStream(
                response[name], response, call, self.planner, reader, settlement, plan
            )
        else:
            self.planner.begun(call)
        return response

    def _options(
        self,
        policy: CachePolicy | None,
        hint: Mapping[str, Any] | None,
        base_model: str | None,
        conversation: str | None,
    ) -> CallOptions:
        check_type("cache_policy", policy, (CachePolicy, NoneType), what="a CachePolicy, or None")
        wanted = "a dict such as {'type': 'ephemeral'}, or None"
        check_type("cache_control", hint, (Mapping, NoneType), what=wanted)
        check_type("base_model_id", base_model, (str, NoneType), what="a model ID, or None")
        check_type("conversation_id", conversation, (str, NoneType), what="a string, or None")
        asked = with_asked(
            CallOptions(policy=policy, hint=hint, base_model=base_model, conversation=conversation)
        )
        return replace(asked, base_model=asked.base_model or self._base_model_id)

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
