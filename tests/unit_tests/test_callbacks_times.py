"""`CacheUsageCallbackHandler`: latency and time to first token, of calls and of streams."""

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from langchain_core.tools import tool
from recorded_calls import CALLS, billed, marked_question, plain_chat, ticking_handler

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted


@pytest.fixture
def handler() -> CacheUsageCallbackHandler:
    """A handler whose clock moves on by a second each time it is read."""
    return ticking_handler()


def test_times_of_a_plain_call(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A call that is not streamed has a start and a latency, and no time to first token."""
    plain_chat(emulator).invoke("hi", {"callbacks": [handler]})
    (record,) = handler.records
    assert (record.started_at, record.latency_seconds) == (0.0, 1.0)
    assert record.time_to_first_token_seconds is None


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_times_of_a_streamed_call(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """The clock is read at the start, at the first content and at the end, and only then."""
    CALLS[how](plain_chat(emulator), "hi", {"callbacks": [handler]})
    (record,) = handler.records
    assert (record.started_at, record.latency_seconds) == (0.0, 2.0)
    assert record.time_to_first_token_seconds == 1.0


def test_the_opening_event_is_no_token(emulator: BedrockEmulator) -> None:
    """Bedrock's `messageStart` carries no content: the first token is the one after it."""
    events: list[str] = []
    handler = CacheUsageCallbackHandler(clock=lambda: float(len(events)))

    class _CountTokens(BaseCallbackHandler):
        run_inline = True

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            events.append(token)

    # Handlers are called in order: when ours sees an event, it is not yet in the list.
    list(plain_chat(emulator).stream("hi", {"callbacks": [handler, _CountTokens()]}))
    first_content = next(number for number, token in enumerate(events) if token)
    assert first_content > 0
    assert handler.records[0].time_to_first_token_seconds == first_content


def test_a_tool_call_is_a_first_token() -> None:
    """A stream that begins with a tool call has a time to first token."""
    emulator = BedrockEmulator(responder=scripted([Reply(tool_uses=[ToolUse(name="look")])]))
    handler = CacheUsageCallbackHandler()

    @tool
    def look() -> str:
        """Look."""
        return "a view"

    list(plain_chat(emulator).bind_tools([look]).stream("hi", {"callbacks": [handler]}))
    assert handler.records[0].time_to_first_token_seconds is not None


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_event_streams_are_recorded_once(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """`stream_events` of version 3, however often it is read, is one call."""
    events: Any = plain_chat(emulator).stream_events(
        marked_question("hi"), version="v3", config={"callbacks": [handler]}
    )
    list(events)
    list(events)
    assert [record.usage for record in handler.records] == billed(emulator)
    assert handler.records[0].time_to_first_token_seconds == 1.0


def test_native_event_streams_have_a_first_token(handler: CacheUsageCallbackHandler) -> None:
    """A model that sends protocol events instead of chunks has a time to first token, too."""
    run_id = uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    handler.on_stream_event({"event": "message-start"}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta"}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta"}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta"}, run_id=uuid4())
    handler.on_llm_end(LLMResult(generations=[]), run_id=run_id)
    assert handler.records[0].time_to_first_token_seconds == 1.0
    assert handler.records[0].latency_seconds == 2.0
