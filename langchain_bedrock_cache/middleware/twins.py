"""The cached twin of a Bedrock chat model: the same settings, its client behind a planner."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.client import CachedClient

if TYPE_CHECKING:
    from langchain_aws import ChatBedrockConverse
    from langchain_core.language_models import BaseChatModel

    from langchain_bedrock_cache.chat_models import ChatBedrockCached


def cached_twin(model: BaseChatModel, planner: CallPlanner) -> BaseChatModel | None:
    """Return a model that answers like the given one, and whose calls are planned.

    Cheap enough for every call: nothing is validated again, no client is made.

    Args:
        model: Any chat model; not changed. One that is planned already keeps its own planner.
        planner: For all others.

    Returns:
        The model itself if it is a `ChatBedrockCached`; a `ChatBedrockCached` (which is also of
        the model's own class, if that is a subclass) for a `ChatBedrockConverse`; a copy for a
        `ChatBedrock`; `None` for a model that does not call Bedrock through boto3.
    """
    from langchain_aws import ChatBedrock, ChatBedrockConverse  # noqa: PLC0415 - heavy

    from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - heavy

    if isinstance(model, ChatBedrockCached):
        return model
    if not isinstance(model, ChatBedrockConverse | ChatBedrock):
        return None
    if not isinstance(model.client, CachedClient):
        client = CachedClient(model.client, planner, base_model_id=model.base_model_id)
        model = model.model_copy(update={"client": client})
    if isinstance(model, ChatBedrockConverse):
        return _cached_class(type(model)).from_model(model)
    return model


@lru_cache(maxsize=64)
def _cached_class(kind: type[ChatBedrockConverse]) -> type[ChatBedrockCached]:
    """Return `ChatBedrockCached`, or its subclass that does what a subclass of its parent does."""
    from langchain_aws import ChatBedrockConverse  # noqa: PLC0415 - heavy

    from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - heavy

    if kind is ChatBedrockConverse:
        return ChatBedrockCached
    members: dict[str, Any] = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (ChatBedrockCached, kind), members)
