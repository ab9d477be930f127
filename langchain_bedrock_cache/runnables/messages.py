"""LangChain messages as langchain-aws sends them, and cache points written back into them.

langchain-aws merges, trims and rewrites messages on their way to Converse, so a decision on
messages can land on blocks that no longer exist. None of that is imitated here: numbered probes go
between the blocks, langchain-aws converts the lot, and where a probe comes out, a point would.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    merge_message_runs,
)

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.runnables.marks import (
    Block,
    Content,
    TakenMarks,
    bare_text,
    new_point,
    new_probe,
    probe_number,
    take_marks,
    text_of,
)

# The only messages langchain-aws sends in runs.
_MERGED = (SystemMessage, HumanMessage, AIMessage)
# Assistant messages of other providers are rewritten before anything else.
_OWN_PROVIDERS = (None, "bedrock_converse", "bedrock")
# langchain-aws writes "." for blank text, and drops it again beside tool calls.
_NO_TEXT = ("", ".")


class Slot(NamedTuple):
    """A place for a cache point: which run of messages, and after how many of its blocks."""

    run: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Messages in a row that are sent as one.

    Attributes:
        originals: As they came in.
        message: All in one, marks included.
        taken: Its blocks, and the marks that were between them.
        takes_points: Whether points between the blocks reach the wire and change nothing else.
    """

    originals: tuple[BaseMessage, ...]
    message: BaseMessage
    taken: TakenMarks
    takes_points: bool

    @property
    def slots(self) -> Sequence[int]:
        """Numbers of blocks after which a point could stand; 0 only if a mark does."""
        marked_first = self.taken.marks and self.taken.marks[0][0] == 0
        slots = range(0 if marked_first else 1, len(self.taken.blocks) + 1)
        return slots if self.takes_points else ()

    def content(self, inserted: Mapping[int, Block]) -> list[Block]:
        """Return the content without marks, and with other blocks at some of the slots."""
        content: list[Block] = []
        for index, block in enumerate((*self.taken.blocks, None)):
            if index in inserted:
                content.append(inserted[index])
            if block is not None:
                content.append(block)
        return content


class Conversation:
    """Messages on their way to Converse.

    Args:
        messages: As a chat model takes them; neither the list nor a message is modified.
        model_id: Base model ID; some of the conversion depends on it.

    Attributes:
        request: `system` and `messages` of the Converse request, without cache points.
        slots: For numbers of blocks of that request, where a point after them goes. Blocks that
            langchain-aws makes by itself have none.
        marks: The application's own: number of blocks before each, ascending, and lifetime.

    Raises:
        CachePolicyError: If a mark has an unknown type or ttl.
        ValueError: By langchain-aws, for messages that Converse does not know.
    """

    def __init__(self, messages: Sequence[BaseMessage], *, model_id: str) -> None:
        self._runs = tuple(_runs_of(messages))
        probes = [Slot(n, block) for n, run in enumerate(self._runs) for block in run.slots]
        self.request = _to_converse(self._probed(probes), model_id)
        positions = _take_probes(self.request, probes)
        # Of slots that come to the same (in tool messages, behind the result), the last one counts.
        self.slots = {p: slot for slot, (p, in_list) in positions.items() if in_list}
        self.marks = sorted(
            (positions[slot][0], ttl)
            for n, run in enumerate(self._runs)
            for block, ttl in run.taken.marks
            if (slot := self._slot_of_mark(n, block)) in positions
        )

    def with_points(self, points: Sequence[tuple[int, CacheTTL]]) -> list[BaseMessage]:
        """Return the messages with these cache points and no other mark.

        Args:
            points: Number of blocks of `request` before each point, a key of `slots`; lifetime.

        Returns:
            A new list; messages in which nothing changes are the objects that came in.
        """
        inserted: dict[int, dict[int, Block]] = {}
        for position, ttl in points:
            slot = self.slots[position]
            inserted.setdefault(slot.run, {})[slot.block] = new_point(ttl)
        out: list[BaseMessage] = []
        for n, run in enumerate(self._runs):
            if n not in inserted and not run.taken.changed:
                out.extend(run.originals)
                continue
            content = run.content(inserted.get(n, {}))
            # A message of the user that held nothing but a mark would be sent as a ".".
            if content or not isinstance(run.message, SystemMessage | HumanMessage):
                out.append(_with_content(run.message, content))
        return out

    def _probed(self, probes: Sequence[Slot]) -> Iterator[BaseMessage]:
        """Yield fresh messages with a numbered cache point at every slot."""
        inserted: list[dict[int, Block]] = [{} for _ in self._runs]
        for number, slot in enumerate(probes):
            inserted[slot.run][slot.block] = new_probe(number)
        for run, blocks in zip(self._runs, inserted, strict=True):
            if blocks:
                yield _with_content(run.message, [*map(_untyped, run.content(blocks))])
            elif run.taken.changed:
                yield _with_content(run.message, [*map(_copied, run.content({}))])
            else:
                yield from (_with_content(m, _copied(m.content)) for m in run.originals)

    def _slot_of_mark(self, number: int, block: int) -> Slot | None:
        """Return the slot of a mark, or else the last one before it in the conversation."""
        for n in range(number, -1, -1):
            run = self._runs[n]
            if run.takes_points and (n == number or not isinstance(run.message, SystemMessage)):
                return Slot(n, block if n == number else len(run.taken.blocks))
        return None


def merged_runs(
    messages: Sequence[BaseMessage],
) -> Iterator[tuple[tuple[BaseMessage, ...], BaseMessage | None]]:
    """Yield messages of one role in a row, and the one that langchain-aws makes of them.

    The one is `None` if it must not be made in advance: assistant messages are rewritten one by
    one before they are merged.

    Args:
        messages: As a chat model takes them; not modified.
    """
    for role, group in groupby(messages, key=_merged_as):
        run = tuple(group)
        if role is None:
            yield from (((message,), message) for message in run)
        elif len(run) == 1:
            yield run, run[0]
        else:
            merged = merge_message_runs(run) if role is not AIMessage else []
            yield run, merged[0] if len(merged) == 1 else None


def _merged_as(message: BaseMessage) -> type[BaseMessage] | None:
    return next((role for role in _MERGED if isinstance(message, role)), None)


def _runs_of(messages: Sequence[BaseMessage]) -> Iterator[_Run]:
    """Merge first, so that a point cannot change the merging, and open up into blocks."""
    for originals, merged in merged_runs(messages):
        if merged is None:
            yield from (_run((m,), m, takes_points=False) for m in originals)
        else:
            yield _run(originals, merged, takes_points=True)


def _run(originals: tuple[BaseMessage, ...], message: BaseMessage, *, takes_points: bool) -> _Run:
    taken = take_marks(message.content)
    return _Run(
        originals=originals,
        message=message,
        taken=taken,
        takes_points=takes_points
        and (not isinstance(message, AIMessage) or _keeps_points(message, taken.blocks)),
    )


def _keeps_points(message: AIMessage, blocks: Sequence[Block]) -> bool:
    """Whether langchain-aws sends an assistant message block by block, whatever else is in it.

    It does not if it has to translate it first, or if there is no text in it: then the content may
    be dropped or replaced, depending on whether anything (a point, say) is left.
    """
    metadata = message.response_metadata
    return (
        metadata.get("output_version") != "v1"
        and metadata.get("model_provider") in _OWN_PROVIDERS
        and any(text_of(block).strip() not in _NO_TEXT for block in blocks)
    )


def _with_content(message: BaseMessage, content: Content) -> BaseMessage:
    return message.model_copy(update={"content": content})


def _copied(content: Any) -> Any:
    """Return a copy of a block or of content: langchain-aws trims in place."""
    if isinstance(content, list):
        return [*map(_copied, content)]
    return {**content} if isinstance(content, dict) else content


def _untyped(block: Block) -> Block:
    """Return a copy of a block, in Bedrock's own form if that makes no difference but in time.

    langchain-aws reads the type hints of all its block types for every typed block: 0.2 ms.
    """
    match block:
        case {"type": "text", "text": str(text), **more} if not more:
            return bare_text(text)
        case {"type": "tool_use", "id": call, "name": name, "input": dict(given), **more} if (
            not more
        ):
            return {"toolUse": {"toolUseId": call, "input": given, "name": name}}
        case dict():
            return {**block}
    return block


def _to_converse(messages: Iterator[BaseMessage], model_id: str) -> dict[str, Any]:
    """Do what `ChatBedrockConverse` does with its messages."""
    from langchain_aws.chat_models.bedrock_converse import _messages_to_bedrock  # noqa: PLC0415
    from langchain_core.language_models._utils import _normalize_messages  # noqa: PLC0415

    known: dict[str, Any] = {"model_id": model_id, "provider": model_id.partition(".")[0]}
    options = {name: known[name] for name in known if name in _options_of(_messages_to_bedrock)}
    wire, system = _messages_to_bedrock(_normalize_messages([*messages]), **options)
    return {"system": system, "messages": wire}


@cache
def _options_of(function: Any) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def _take_probes(request: dict[str, Any], probes: Sequence[Slot]) -> dict[Slot, tuple[int, bool]]:
    """Remove the probes from a request of our own making, and say where they were.

    Returns:
        For each slot the number of blocks before it, and whether one of them is in its own list.
    """
    positions: dict[Slot, tuple[int, bool]] = {}
    position = 0
    for blocks in (request["system"], *(m["content"] for m in request["messages"])):
        kept: list[Any] = []
        for block in blocks:
            number = probe_number(block)
            if number is None:
                kept.append(block)
            else:
                positions[probes[number]] = (position + len(kept), bool(kept))
        blocks[:] = kept
        position += len(kept)
    return positions
