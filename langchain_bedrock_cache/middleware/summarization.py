"""`CachedSummarizationMiddleware`: compaction of a conversation that reads what is cached.

LangChain's own middleware sends the history to be summarized as a new prompt, without tools and
system prompt, so that it is paid in full (or cut to 4,000 tokens, and the rest never read). Here
the agent itself is asked, at the end of the conversation as it stands: all but the question is
read from the prompt cache. Afterwards tools, system prompt and the first message are as before;
only the summary and the messages that stay are written again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from langchain.agents.middleware import SummarizationMiddleware
from langchain.agents.middleware.internal_call_transformer import internal_call_metadata
from langchain.agents.middleware.types import (
    AgentMiddleware,
    ExtendedModelResponse,
    ModelCallResult,
    ModelRequest,
    ModelResponse,
)
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command
from typing_extensions import override

from langchain_bedrock_cache.checks import check_flag, check_text
from langchain_bedrock_cache.exceptions import CachePolicyError

SUMMARY_INSTRUCTION = """\
This conversation is getting long. Everything in it will be replaced by a summary that you write \
now, except {kept}. Write for yourself, so that you can go on without it: what the user wants and \
has decided; what was found out, with names, identifiers, paths and numbers exactly as they were; \
what was done and what came of it; what is left to do. Leave out what stays anyway. Answer with \
the summary alone. Call no tool."""
"""What the agent is asked; `{kept}` is what stays, in words."""

_SOURCE = "summarization"  # as LangChain marks summaries, and the calls that write them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """A conversation about to be compacted."""

    head: list[AnyMessage]
    summarized: list[AnyMessage]
    preserved: list[AnyMessage]

    @property
    def kept(self) -> str:
        """What stays, in words."""
        last = f"the last {len(self.preserved)} messages before this one"
        return f"its first message and {last}" if self.head else last


class CachedSummarizationMiddleware(SummarizationMiddleware[Any, Any]):
    """Summarize a long conversation with the prompt cache still warm, keeping its beginning.

    A drop-in for LangChain's `SummarizationMiddleware`, for agents whose model is cached: it takes
    the same arguments, and decides by the same rules when to summarize and what stays. Put it
    first in the list, so that the question passes through all other middleware like any call.
    Where the cached conversation cannot be used (a `summarizer` of your own, structured output, a
    conversation that has outgrown the model), it does what LangChain's does.

    It has the name of LangChain's middleware, so that `create_deep_agent` puts it in its place;
    what was summarized is then no longer saved to deepagents' file system.

    Args:
        model: The agent's model: counts tokens, knows its limits. The agent's own calls decide
            which model writes the summary.
        keep_head: Whether the first message of the user stays: the task, and documents with it.
        instruction: What the agent is asked, with `{kept}` where it says what stays.
        settings: Arguments of `SummarizationMiddleware`, such as `trigger=("tokens", 100_000)` and
            `keep=("messages", 20)`.

    Raises:
        CachePolicyError: If the instruction cannot be filled in.
        TypeError: If the instruction is no text, or `keep_head` no truth value.
        ValueError: By LangChain, if the settings cannot be used.

    Example:
        ```python
        compaction = CachedSummarizationMiddleware(model, trigger=("tokens", 100_000))
        agent = create_agent(model, tools, middleware=[compaction, BedrockCacheMiddleware()])
        ```
    """

    # The tools and the system prompt are known only when the model is called.
    before_model = AgentMiddleware.before_model
    abefore_model = AgentMiddleware.abefore_model

    def __init__(
        self,
        model: Any,
        *,
        keep_head: bool = True,
        instruction: str = SUMMARY_INSTRUCTION,
        **settings: Any,
    ) -> None:
        check_flag("keep_head", keep_head)
        _check_instruction(instruction)
        super().__init__(model, **settings)
        self._keep_head = keep_head
        self._instruction = instruction

    @property
    def name(self) -> str:
        """Name among the agent's middleware: that of what it stands in for."""
        return SummarizationMiddleware.__name__

    @override
    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Call the model, with a summary in place of most of the conversation if it is long.

        Args:
            request: What the agent is about to send; not modified.
            handler: Calls the model; also asked for the summary.

        Returns:
            The answer; after a compaction with the update of the state.
        """
        split = self._split(request)
        if split is None:
            return handler(request)
        summary = ""
        if self._asks_the_agent(request):
            try:
                summary = _text_of(handler(self._question(request, split)))
            except ContextOverflowError:
                summary = ""  # LangChain's way cuts the conversation until it fits
        summary = summary or self._create_summary(split.summarized)
        messages = self._compacted(split, summary)
        response = handler(request.override(messages=messages))
        return _with_update(response, messages)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """Do the same as `wrap_model_call`."""
        split = self._split(request)
        if split is None:
            return await handler(request)
        summary = ""
        if self._asks_the_agent(request):
            try:
                summary = _text_of(await handler(self._question(request, split)))
            except ContextOverflowError:
                summary = ""  # as in wrap_model_call
        summary = summary or await self._acreate_summary(split.summarized)
        messages = self._compacted(split, summary)
        response = await handler(request.override(messages=messages))
        return _with_update(response, messages)

    def _split(self, request: ModelRequest[Any]) -> _Split | None:
        """Return what stays and what goes; `None` if nothing is to be summarized now."""
        messages = request.messages
        if not self._should_summarize(messages, self.token_counter(messages)):
            return None
        cutoff = self._determine_cutoff_index(messages)
        head = self._head_of(messages)
        summarized = messages[head:cutoff]
        if all(map(_is_summary, summarized)):  # nothing, or nothing new
            return None
        return _Split(head=messages[:head], summarized=summarized, preserved=messages[cutoff:])

    def _head_of(self, messages: list[AnyMessage]) -> int:
        """Return the number of messages up to the first of the user, that one included."""
        if not self._keep_head:
            return 0
        for number, message in enumerate(messages, 1):
            if isinstance(message, HumanMessage):
                return 0 if _is_summary(message) else number
        return 0

    def _asks_the_agent(self, request: ModelRequest[Any]) -> bool:
        """Whether the summary can come from a call like all others.

        Structured output forces a tool or a schema on every answer, and without it the prompt
        would be another one.
        """
        own = self.summarizer is None and self._summary_chat_model is self.model
        return own and request.response_format is None

    def _question(self, request: ModelRequest[Any], split: _Split) -> ModelRequest[Any]:
        """Return the call that asks for a summary: this one, and one message more.

        It has all messages, also those that stay, since it ends where the last call's tokens were
        written to the cache.
        """
        question = HumanMessage(self._instruction.format(kept=split.kept))
        told = {**(request.model.metadata or {}), "lc_source": _SOURCE, **internal_call_metadata()}
        return request.override(
            model=request.model.model_copy(update={"metadata": told}),
            messages=[*request.messages, question],
            tool_choice=None,
        )

    def _compacted(self, split: _Split, summary: str) -> list[AnyMessage]:
        messages = [*split.head, *self._build_new_messages(summary), *split.preserved]
        self._ensure_message_ids(messages)
        return messages


def _check_instruction(instruction: Any) -> None:
    """Raise now what would fail in the middle of a long conversation."""
    check_text("instruction", instruction, what="what the agent is asked")
    try:
        instruction.format(kept="")
    except (LookupError, ValueError) as error:
        msg = (
            f"The instruction cannot be filled in ({type(error).__name__}: {error}). Its one place "
            "to fill in is {kept}; write other braces twice: {{ and }}."
        )
        raise CachePolicyError(msg) from error


def _is_summary(message: AnyMessage) -> bool:
    return bool(message.additional_kwargs.get("lc_source") == _SOURCE)


def _text_of(response: ModelResponse[Any]) -> str:
    """Return the text of an answer; nothing if the model went on with its tools instead."""
    for message in response.result:
        if isinstance(message, AIMessage):
            return "" if message.tool_calls else message.text.strip()
    return ""


def _with_update(
    response: ModelResponse[Any], messages: list[AnyMessage]
) -> ExtendedModelResponse[Any]:
    """Return the answer, and the messages that take the place of all others in the state."""
    update = [RemoveMessage(id=REMOVE_ALL_MESSAGES), *messages, *response.result]
    return ExtendedModelResponse(
        model_response=response, command=Command(update={"messages": update})
    )
