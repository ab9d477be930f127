"""LangChain messages as langchain-anthropic sends them, with `cache_control` on their blocks.

For `ChatAnthropicBedrock`, which calls InvokeModel through Anthropic's own SDK. As in `messages`,
nothing of the conversion is imitated: numbered probes are put on all blocks, langchain-aws converts
the lot, and where a probe comes out, a cache point would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage

from langchain_bedrock_cache.invoke_model.claude import claude_view
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.runnables.marks import (
    Block,
    TakenMarks,
    new_control,
    take_marks,
    text_of,
)

_CONTROL = "cache_control"
_PROBE = "probe"


class Slot(NamedTuple):
    """A place for a cache point: which message, and after how many of its blocks."""

    message: int
    block: int


class ControlConversation:
    """Messages on their way to Claude's own format; see `messages.Conversation`.

    Args:
        messages: As a chat model takes them; neither the list nor a message is modified.
        model_id: Model ID; some of the conversion depends on it.

    Attributes:
        request: `system` and `messages` as a Converse request, without cache points.
        slots: For numbers of blocks of that request, where a point after them goes.
        marks: The application's own: number of blocks before each, ascending, and lifetime.

    Raises:
        CachePolicyError: If a mark has an unknown type or ttl.
        ValueError: By langchain-anthropic, for messages that Claude does not know.
    """

    def __init__(self, messages: Sequence[BaseMessage], *, model_id: str) -> None:
        self._messages = tuple(messages)
        self._taken = tuple(take_marks(message.content) for message in messages)
        probes = list(_probes(self._taken))
        body = _sent(self._probed(probes), model_id)
        positions = {probes[n]: p for n, p in _take_probes(body).items()}
        self.request: dict[str, Any] = claude_view(body).request
        self.slots = {position: slot for slot, position in positions.items()}
        self.marks = sorted(
            (positions[slot], ttl)
            for n, taken in enumerate(self._taken)
            for block, ttl in taken.marks
            if (slot := _last_before(Slot(n, block), positions)) is not None
        )

    def with_points(self, points: Sequence[tuple[int, CacheTTL]]) -> list[BaseMessage]:
        """Return the messages with these cache points and no other mark.

        Args:
            points: Number of blocks of `request` before each point, a key of `slots`; lifetime.

        Returns:
            A new list; messages in which nothing changes are the objects that came in.
        """
        controls: dict[int, dict[int, Any]] = {}
        for position, ttl in points:
            slot = self.slots[position]
            controls.setdefault(slot.message, {})[slot.block] = new_control(ttl)
        return [
            _with_controls(message, taken, controls[n])
            if n in controls
            else (_with_controls(message, taken, {}) if taken.changed else message)
            for n, (message, taken) in enumerate(zip(self._messages, self._taken, strict=True))
        ]

    def _probed(self, probes: Sequence[Slot]) -> Iterator[BaseMessage]:
        """Yield fresh messages with a numbered probe at every slot."""
        controls: list[dict[int, Any]] = [{} for _ in self._messages]
        for number, slot in enumerate(probes):
            controls[slot.message][slot.block] = {"type": "ephemeral", _PROBE: number}
        for message, taken, probed in zip(self._messages, self._taken, controls, strict=True):
            yield (
                _with_controls(message, taken, probed) if probed else message.model_copy(deep=True)
            )


def _probes(taken: Sequence[TakenMarks]) -> Iterator[Slot]:
    """Yield a slot for every block but blank texts, which are dropped, or take no point."""
    for n, message in enumerate(taken):
        for block, content in enumerate(message.blocks, 1):
            is_text = isinstance(content, str) or content.get("type", "text") == "text"
            if not is_text or text_of(content).strip():
                yield Slot(n, block)


def _with_controls(
    message: BaseMessage, taken: TakenMarks, controls: Mapping[int, Any]
) -> BaseMessage:
    content = [
        {**_typed(block), _CONTROL: controls[n]} if n in controls else _copied(block)
        for n, block in enumerate(taken.blocks, 1)
    ]
    return message.model_copy(update={"content": content})


def _typed(block: Block) -> dict[str, Any]:
    return {"type": "text", "text": block} if isinstance(block, str) else block


def _copied(block: Block) -> Block:
    return {**block} if isinstance(block, dict) else block


def _last_before(slot: Slot, positions: Mapping[Slot, int]) -> Slot | None:
    """Return the slot of a mark, or else the last one before it in the conversation."""
    return max((s for s in positions if s <= slot), default=None)


def _sent(messages: Iterator[BaseMessage], model_id: str) -> dict[str, Any]:
    """Do what `ChatAnthropicBedrock` does with its messages."""
    payload = _converter(model_id)._get_request_payload(list(messages))  # noqa: SLF001
    return {name: payload[name] for name in ("system", "messages") if payload.get(name)}


@lru_cache(maxsize=8)
def _converter(model_id: str) -> Any:
    try:
        from langchain_aws import ChatAnthropicBedrock  # noqa: PLC0415 # an optional package
    except ImportError as error:
        msg = (
            "The cache_control dialect is for ChatAnthropicBedrock, which needs the package "
            "langchain-anthropic: pip install 'langchain-aws[anthropic]'."
        )
        raise ImportError(msg) from error
    return ChatAnthropicBedrock(model=model_id, region_name="us-east-1", max_tokens=1)


def _take_probes(body: dict[str, Any]) -> dict[int, int]:
    """Remove the probes from a body of our own making; return the blocks up to each."""
    positions: dict[int, int] = {}
    position = 0
    for content in (body.get("system", ()), *(m["content"] for m in body["messages"])):
        for block in [content] if isinstance(content, str) else content:
            position += 1
            control = block.pop(_CONTROL, None) if isinstance(block, dict) else None
            if control is not None:
                positions[control[_PROBE]] = position
    return positions
