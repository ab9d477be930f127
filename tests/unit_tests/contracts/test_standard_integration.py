"""LangChain's standard integration tests on the emulator, for our model and the plain one."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx
import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(32)


def answer(request: dict[str, Any]) -> Reply:
    """Answer like a model that calls a tool once when it is asked to, or must.

    The suite expects certain arguments: the number or the quoted name of the question.
    """
    config = request.get("toolConfig") or {}
    choice = config.get("toolChoice") or {}
    last = request["messages"][-1]["content"]
    question = " ".join(block["text"] for block in last if "text" in block)
    forced = "any" in choice or "tool" in choice
    if config and (forced or ("weather" in question)):
        specs = {t["toolSpec"]["name"]: t["toolSpec"] for t in config["tools"] if "toolSpec" in t}
        name = (choice.get("tool") or {}).get("name") or next(iter(specs))
        arguments = _arguments(specs[name]["inputSchema"]["json"], question)
        return Reply(tool_uses=[ToolUse(name=name, input=arguments)])
    return Reply(text="Hello to you.")


def _arguments(schema: dict[str, Any], question: str) -> dict[str, Any]:
    quoted = re.search(r"'([^']+)'", question)
    number = re.search(r"\d+", question)
    values = {
        "string": quoted[1] if quoted else "San Francisco",
        "integer": int(number[0]) if number else 1,
    }
    properties = schema.get("properties") or {}
    return {name: values.get(properties[name].get("type"), "x") for name in properties}


@cache
def _client() -> Any:
    emulator = BedrockEmulator(clock=lambda: 0.0, responder=answer)
    return emulator.client()


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand out small files of our own where the suite would fetch some from the web."""

    def get(url: str, **_kwargs: Any) -> httpx.Response:
        return httpx.Response(200, content=b"%PDF-1.4 small" if url.endswith("pdf") else PIXEL)

    monkeypatch.setattr(httpx, "get", get)


# Said of PDFs without a name, and true: the suite has some.
@pytest.mark.filterwarnings("ignore:Bedrock Converse may require a filename")
class Standard(ChatModelIntegrationTests):
    """The settings that both models are tested with."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Return a model on the emulator."""
        return {"model": MODEL, "client": _client(), "bedrock_client": _client()}

    @property
    def supports_image_inputs(self) -> bool:
        """Claude takes images."""
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        """Also from tools."""
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        """Claude takes PDFs."""
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        """Also from tools."""
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        """langchain-aws converts Anthropic's blocks."""
        return True

    @property
    def supports_model_override(self) -> bool:
        """langchain-aws takes `model_id` per call, and no `model`."""
        return False

    @property
    def supported_usage_metadata_details(self) -> dict[Any, Any]:
        """Return what the usage of Bedrock tells."""
        details = ["cache_read_input", "cache_creation_input"]
        return {"invoke": details, "stream": details}

    def ask_twice(self, *, stream: bool) -> tuple[AIMessage, AIMessage]:
        """Ask about a long system prompt twice, with langchain-aws's own hint."""
        model = self.chat_model_class(**self.chat_model_params)
        prompt = [SystemMessage("Be brief. " * 900), HumanMessage("Hello")]
        hint = {"type": "ephemeral", "ttl": "5m"}

        def ask() -> AIMessage:
            if not stream:
                return model.invoke(prompt, cache_control=hint)
            first, *rest = model.stream(prompt, cache_control=hint)
            message = sum(rest, start=first)
            assert isinstance(message, AIMessageChunk)
            return message

        return ask(), ask()

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        """Return the answer that wrote the prompt cache."""
        return self.ask_twice(stream=stream)[0]

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        """Return the answer that read it."""
        return self.ask_twice(stream=stream)[1]


class TestPlain(Standard):
    """What langchain-aws's own model passes ..."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """Return langchain-aws's class."""
        return ChatBedrockConverse


class TestCached(Standard):
    """... ours passes."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """Return our class."""
        return ChatBedrockCached

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Return the same with a memory of its own."""
        return {**super().chat_model_params, "prefix_memory": PrefixMemory(clock=lambda: 0.0)}
