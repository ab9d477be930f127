"""LangChain's standard unit tests, for our chat model and for the one it stands in for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_bedrock_cache import ChatBedrockCached

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OURS = ("langchain_bedrock_cache", "chat_models", "ChatBedrockCached")
BARE = {"model": MODEL, "region_name": "us-east-1"}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "made-up-id",
    "AWS_SECRET_ACCESS_KEY": "made-up-key",
    "AWS_SESSION_TOKEN": "made-up-token",
}


class Serialized:
    """Stands in for a snapshot: the class by its name, secrets by theirs."""

    def __call__(self, *, name: str) -> Serialized:
        """Return the expectation of that name."""
        assert name == "serialized"
        return self

    def __eq__(self, other: object) -> bool:
        """Equal to what a model of either class is dumped as."""
        assert isinstance(other, dict)
        secrets = {
            k: v["id"]
            for k, v in other["kwargs"].items()
            if isinstance(v, dict) and v.get("type") == "secret"
        }
        return (
            (other["lc"], other["type"]) == (1, "constructor")
            and tuple(other["id"])
            in (OURS, ("langchain_aws", "chat_models", "ChatBedrockConverse"))
            and "made-up" not in str(other)
            and secrets == {name.lower(): [name] for name in ENVIRONMENT}
        )

    __hash__ = None  # type: ignore[assignment] # only compared


@pytest.fixture
def snapshot() -> Serialized:
    """What a dumped model looks like."""
    return Serialized()


@pytest.fixture
def benchmark(benchmark: Any) -> Any:
    """Run what is to be timed once: here it only has to work."""
    benchmark.disabled = True
    return benchmark


@pytest.fixture(autouse=True)
def _listed_by_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `load(allowed_objects="all")` know our class.

    "all" means the partner packages that langchain-core lists; others have to be named one by one,
    which the standard suite does not do.
    """
    module = import_module("langchain_core.load.load")
    listed = module._get_default_allowed_class_paths
    monkeypatch.setattr(
        module, "_get_default_allowed_class_paths", lambda mode: listed(mode) | {OURS}
    )


@pytest.mark.filterwarnings("ignore:.*`load` is in beta")
@pytest.mark.filterwarnings("ignore:.*`BaseChatModel.dict` was deprecated")
@pytest.mark.filterwarnings("ignore:.*The 'strict' parameter only applies to")
class Standard(ChatModelUnitTests):
    """The settings that both models are tested with."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Return a model with made-up credentials, made without a call to AWS."""
        return {**BARE, **{name.lower(): value for name, value in ENVIRONMENT.items()}}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """Return the standard parameters that Bedrock has: it knows no `api_key`."""
        params = dict(super().standard_chat_model_params)
        del params["api_key"]
        return params

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """Return AWS's environment variables, and what becomes of them."""
        expected = {name.lower(): value for name, value in ENVIRONMENT.items()}
        return ENVIRONMENT, BARE, expected


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
