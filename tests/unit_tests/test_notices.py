"""Notices: said once, at the line of the application that called a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from wire import LLAMA

from langchain_bedrock_cache import CacheSkippedWarning, ChatBedrockCached
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.notices import Notices


def _model() -> ChatBedrockCached:
    client = BedrockEmulator().client()
    return ChatBedrockCached(model_id=LLAMA, client=client, bedrock_client=client)


def _agent() -> Any:
    agents = pytest.importorskip("langchain.agents", reason="agents are an extra")
    return agents.create_agent(_model(), [])


_ASKED = {"messages": [("user", "Hello!")]}
_WAYS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "chain": (lambda: RunnableLambda(lambda text: text) | _model(), lambda it: it.invoke("Hello!")),
    "with_retry": (lambda: _model().with_retry(), lambda it: it.invoke("Hello!")),
    "agent": (_agent, lambda it: it.invoke(_ASKED)),
    "streaming agent": (_agent, lambda it: list(it.stream(_ASKED))),
}


@pytest.mark.parametrize("way", _WAYS)
def test_the_line_of_the_application_is_named(way: str) -> None:
    """Chains, retries and agents lie between the application and the model; none is blamed."""
    make, call = _WAYS[way]
    made = make()
    with pytest.warns(CacheSkippedWarning) as caught:
        call(made)
    assert len(caught) == 1
    assert Path(caught[0].filename).samefile(__file__)
    assert caught[0].lineno == call.__code__.co_firstlineno


def test_a_module_of_a_like_name_is_the_application() -> None:
    """A module of the application may begin like a library: names are compared as a whole."""
    namespace = {"__name__": "langchain_tools_of_ours", "notices": Notices()}
    code = "\n\ndef warn():\n    notices.once('a', 'b')\n"
    exec(compile(code, "ours.py", "exec"), namespace)  # noqa: S102 - a module that is not on disk
    with pytest.warns(CacheSkippedWarning) as caught:
        namespace["warn"]()  # type: ignore[operator]
    assert (caught[0].filename, caught[0].lineno) == ("ours.py", 4)


def test_nothing_is_said_twice(recwarn: pytest.WarningsRecorder) -> None:
    """One key is one warning, however often it comes."""
    notices = Notices()
    for _ in range(3):
        notices.once("key", "Something was skipped.")
    assert [str(warning.message) for warning in recwarn] == ["Something was skipped."]
