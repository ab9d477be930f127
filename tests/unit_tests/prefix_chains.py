"""Chains as users build them, and what `assert_prefix_stable` says of those that do not pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.runnables import RunnableLambda
from wire import CLAUDE

from langchain_bedrock_cache import ChatBedrockCached
from langchain_bedrock_cache.testing import assert_prefix_stable

RULES = "Rule: answer with patience, and in whole sentences.\n" * 150
QUESTIONS = ["May I bring a dog?", "And a cat?"]
MODELS: dict[str, Callable[..., Any]] = {"plain": ChatBedrockConverse, "cached": ChatBedrockCached}


def model(kind: str = "plain", **settings: Any) -> Any:
    """Return a model as an application makes it: with a Region, and no client or credentials."""
    return MODELS[kind](model=CLAUDE, region_name="eu-west-1", **settings)


def chain(system: Callable[[], str], *, kind: str = "plain") -> Any:
    """Return a chain whose system prompt is made anew for each call."""
    return RunnableLambda(lambda q: [("system", system()), ("human", q)]) | model(kind)


def broken(runnable: Any, inputs: Sequence[Any] = QUESTIONS, **options: Any) -> str:
    """Return what is said about a chain that does not pass."""
    with pytest.raises(AssertionError) as raised:
        assert_prefix_stable(runnable, inputs, **options)
    return str(raised.value)
