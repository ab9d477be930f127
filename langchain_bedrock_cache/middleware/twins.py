"""The cached twin of a Bedrock chat model: the same settings, its client behind a planner."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.client import CachedClient

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from langchain_bedrock_cache.cached_chat import CachedChat


def cached_twin(model: BaseChatModel, planner: CallPlanner) -> CachedChat | None:
    """Return a model that answers like the given one, and whose calls are planned.

    Cheap enough for every call: nothing is validated again, no client is made.

    Args:
        model: Any chat model; not changed. A client that plans already keeps its own planner.
        planner: For all others.

    Returns:
        The model itself if it is cached already; a cached model, which is also of the model's own
        class, for a `ChatBedrockConverse` or a `ChatBedrock`; `None` for a model that does not
        call Bedrock through boto3.
    """
    from langchain_aws import ChatBedrock, ChatBedrockConverse  # noqa: PLC0415 - heavy

    from langchain_bedrock_cache.cached_chat import CachedChat  # noqa: PLC0415 - heavy

    if isinstance(model, CachedChat):
        return model
    if not isinstance(model, ChatBedrockConverse | ChatBedrock):
        return None
    kind = _cached_class(type(model))
    values = {name: getattr(model, name) for name in type(model).model_fields}
    if not isinstance(model.client, CachedClient):
        base_model: str | None = model.base_model_id
        values["client"] = CachedClient(model.client, planner, base_model_id=base_model)
    twin = kind.model_construct(_fields_set=set(model.model_fields_set), **values)
    for name in type(model).__private_attributes__:
        setattr(twin, name, getattr(model, name))
    return twin


@lru_cache(maxsize=64)
def _cached_class(kind: type[BaseChatModel]) -> type[CachedChat]:
    """Return our class, or for a class of the user's one that is both."""
    from langchain_aws import ChatBedrock, ChatBedrockConverse  # noqa: PLC0415 - heavy

    from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - heavy
    from langchain_bedrock_cache.invoke_chat_model import (  # noqa: PLC0415 - heavy
        ChatBedrockInvokeCached,
    )

    converse = issubclass(kind, ChatBedrockConverse)
    ours: type[CachedChat] = ChatBedrockCached if converse else ChatBedrockInvokeCached
    if kind in (ChatBedrockConverse, ChatBedrock):
        return ours
    members: dict[str, Any] = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (ours, kind), members)
