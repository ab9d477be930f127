"""What LangChain's callback arguments tell about a model call: model, usage, cache plan.

Works by looking, not by type: any chat model may be behind them, and reporting must not fail on one
that is unlike the others.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from langchain_bedrock_cache.addresses import base_model_id, parse_address
from langchain_bedrock_cache.diagnosis.facts import Destination
from langchain_bedrock_cache.model_lookup import name_of
from langchain_bedrock_cache.usage import CacheUsage, reported_write_tokens

_PLAN_KEYS = ("points", "skipped", "refused")
_NOTHING: Mapping[str, Any] = {}
# Of langchain-aws, as its chat models call themselves.
_APIS = {"amazon_bedrock_converse_chat": "Converse", "amazon_bedrock_chat": "InvokeModel"}


# Made for every call: named tuples take a fraction of the time of frozen dataclasses.
class ModelNames(NamedTuple):
    """The names a model has.

    Attributes:
        model_id: What is sent as `modelId`, or the nearest to it that is known.
        base_model: The model behind it, where the application says so.
    """

    model_id: str | None = None
    base_model: str | None = None

    def completed_by(self, other: ModelNames) -> ModelNames:
        """Return these names, with those of `other` where they are missing or say less.

        A base model says more with its geography, which decides the price.
        """
        says_less = self.base_model == base_model_id(other.base_model or "")
        return ModelNames(
            model_id=self.model_id or other.model_id,
            base_model=other.base_model if says_less else self.base_model or other.base_model,
        )


class CallReading(NamedTuple):
    """What the response to one prompt tells.

    Attributes:
        usage: Tokens; `None` if not reported.
        reported_write_tokens: Written tokens as reported, where they do not add up with the rest
            and `usage` has another number.
        plan: What our chat model planned, `None` for other models.
        request: Number of the request among the sent ones; `None` if it was not noted.
        names: Model names as the response has them.
        routed_to: The model that a prompt router chose.
        service_tier: What served the call, as Bedrock says; `None` if it does not.
        list_price_applies: False for latency modes, which have prices of their own.
        sent: False if LangChain's response cache answered, and nothing was sent.
    """

    usage: CacheUsage | None = None
    reported_write_tokens: int | None = None
    plan: Mapping[str, Any] | None = None
    request: int | None = None
    names: ModelNames = ModelNames()
    routed_to: str | None = None
    service_tier: str | None = None
    list_price_applies: bool = True
    sent: bool = True


def names_at_start(
    serialized: Mapping[str, Any] | None,
    invocation_params: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
) -> ModelNames:
    """Find the model names in what `on_chat_model_start` is given.

    Args:
        serialized: The model's constructor arguments, in LangChain's serialized form. They have
            the `modelId` that is sent, where invocation params prefer the base model.
        invocation_params: Params of this call; a bound `model_id` is here, and wins.
        metadata: Run metadata, with `ls_model_name`.

    Returns:
        What is found.
    """
    constructor = _mapping(_mapping(serialized).get("kwargs"))
    params = _mapping(invocation_params)
    return ModelNames(
        model_id=_first_text(
            params.get("modelId"),
            params.get("model_id"),
            constructor.get("model_id"),
            params.get("model"),
            params.get("model_name"),
            _mapping(metadata).get("ls_model_name"),
        ),
        base_model=_first_text(constructor.get("base_model_id"), params.get("base_model_id")),
    )


def destination_at_start(
    serialized: Mapping[str, Any] | None,
    invocation_params: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
) -> Destination:
    """Find where a call goes in what `on_chat_model_start` is given.

    Args:
        serialized: The model's constructor arguments, in LangChain's serialized form.
        invocation_params: Params of this call, with the kind of model as `_type`.
        metadata: Run metadata, with the Region where langchain-aws tells it.

    Returns:
        What is found.
    """
    settings = _mapping(_mapping(serialized).get("kwargs"))
    kind = _mapping(invocation_params).get("_type")
    api = "Converse" if settings.get("beta_use_converse_api") else _APIS.get(str(kind), "")
    region = _mapping(_mapping(metadata).get("ls_invocation_params")).get("region_name")
    return Destination(_first_text(region) or "", api)


def read_result(result: Any) -> list[CallReading]:
    """Read an `LLMResult`.

    Args:
        result: Its `generations` has a list of candidate answers for each prompt.

    Returns:
        One reading per prompt.
    """
    return [_read_candidates(answers) for answers in getattr(result, "generations", None) or ()]


def answered_by(reading: CallReading, names: ModelNames) -> str | None:
    """Return the model behind an address that does not name it; `None` if it does, or nobody knows.

    Args:
        reading: What the response tells.
        names: Of the call.
    """
    if reading.routed_to:
        return name_of(reading.routed_to)
    if parse_address(names.model_id or "").names_its_model or names.base_model == names.model_id:
        return None
    return names.base_model


def known_as(*names: str | None) -> list[str]:
    """Return what a price may be given for: the names of a model, and then without geography."""
    said = [name for name in names if name]
    return [*said, *filter(None, map(base_model_id, said))]


def kept_of_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record keeps of a `CachePlan`: points, skipped sections, refusal."""
    return {key: plan.get(key) for key in _PLAN_KEYS}


def with_metadata(reading: CallReading, metadata: Mapping[str, Any]) -> CallReading:
    """Return a reading with what the client knows and the message does not say.

    Args:
        reading: What the response to a prompt tells.
        metadata: `ResponseMetadata` of that response; empty if it was not seen.
    """
    plan = _mapping(metadata.get("CachePlan"))
    if not plan or reading.plan is not None:
        return reading
    usage, reported = reading.usage, reading.reported_write_tokens
    if converse_usage := _mapping(metadata.get("ConverseUsage")):
        usage = CacheUsage.from_converse(converse_usage)
        reported = reported_write_tokens(converse_usage, usage)
    return reading._replace(
        usage=usage,
        reported_write_tokens=reported,
        plan=kept_of_plan(plan),
        request=plan.get("request"),
    )


def _read_candidates(answers: Iterable[Any]) -> CallReading:
    messages = [message for answer in answers if (message := getattr(answer, "message", None))]
    if not messages:
        return CallReading()
    usages = dict(filter(None, map(_usage_by_request, messages))).values()
    usage = reduce(add, (counts for counts, _ in usages)) if usages else None
    metadata = _mapping(getattr(messages[0], "response_metadata", None))
    plan = _mapping(_mapping(metadata.get("ResponseMetadata")).get("CachePlan"))
    router = _mapping(_mapping(metadata.get("trace")).get("promptRouter"))
    model_name = _first_text(metadata.get("model_name"))
    return CallReading(
        usage=usage,
        reported_write_tokens=_reported_write_tokens(usages),
        plan=kept_of_plan(plan) if plan else None,
        request=plan.get("request"),
        names=ModelNames(
            model_id=_first_text(metadata.get("inference_profile_id"), model_name),
            base_model=_first_text(plan.get("model"), model_name),
        ),
        routed_to=_first_text(router.get("invokedModelId")),
        service_tier=_first_text(_mapping(metadata.get("serviceTier")).get("type")),
        list_price_applies=(
            _mapping(metadata.get("performanceConfig")).get("latency") in (None, "standard")
        ),
        sent=not all(map(_is_from_response_cache, messages)),
    )


def _reported_write_tokens(usages: Collection[tuple[CacheUsage, int | None]]) -> int | None:
    if all(reported is None for _, reported in usages):
        return None
    return sum(
        counts.cache_write_tokens if reported is None else reported for counts, reported in usages
    )


def _usage_by_request(message: Any) -> tuple[Hashable, tuple[CacheUsage, int | None]] | None:
    """Return the usage of a message's request, and its odd writes, once per request.

    Candidates of one request repeat its usage. Bedrock's request ID tells them from answers to
    several requests; without one, equal counts are taken for one request.
    """
    metadata = _mapping(getattr(message, "response_metadata", None))
    from_aws = _mapping(metadata.get("ResponseMetadata"))
    if converse_usage := _mapping(from_aws.get("ConverseUsage")):
        # LangChain's reading loses the TTL of writes where `cacheDetails` is incomplete.
        usage = CacheUsage.from_converse(converse_usage)
        reported = reported_write_tokens(converse_usage, usage)
    elif usage_metadata := _mapping(getattr(message, "usage_metadata", None)):
        usage = CacheUsage.from_usage_metadata(usage_metadata)
        reported = reported_write_tokens(usage_metadata, usage)
    else:
        return None
    return _first_text(from_aws.get("RequestId")) or usage, (usage, reported)


def _is_from_response_cache(message: Any) -> bool:
    """Tell an answer of `BaseChatModel.cache`: LangChain sets its cost to 0."""
    return _mapping(getattr(message, "usage_metadata", None)).get("total_cost") == 0


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):  # asking an ABC is slow, and most calls have many gaps
        return value
    return value if value is not None and isinstance(value, Mapping) else _NOTHING


def _first_text(*values: Any) -> str | None:
    for value in values:
        if value and isinstance(value, str):
            return value
    return None
