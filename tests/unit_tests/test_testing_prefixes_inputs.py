"""`assert_prefix_stable`: what may be given to it, and errors that are not its own."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from prefix_chains import QUESTIONS, RULES, broken, chain, model
from wire import CLAUDE

from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.testing import aassert_prefix_stable, assert_prefix_stable


def test_functions_of_boto3_are_chains_too() -> None:
    """Code without LangChain is judged as well, and may change its own lists meanwhile."""
    client = BedrockEmulator().client()
    messages: list[Any] = []

    def ask(question: str) -> None:
        messages.append({"role": "user", "content": [{"text": question}]})
        system: Any = [{"text": RULES}, {"cachePoint": {"type": "default"}}]
        answer = client.converse(modelId=CLAUDE, system=system, messages=messages)
        messages.append(answer["output"]["message"])

    assert assert_prefix_stable(ask, QUESTIONS).calls == 3


def test_claude_on_invoke_model_is_judged_too() -> None:
    """Bodies of InvokeModel are compared like Converse requests."""
    client = BedrockEmulator().client()

    def ask(question: str, system: str = RULES) -> None:
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 100,
            "system": system,
            "messages": [{"role": "user", "content": question}],
        }
        client.invoke_model(modelId=CLAUDE, body=json.dumps(body))

    assert assert_prefix_stable(ask, QUESTIONS).shared_tokens == 2_600
    said = broken(lambda question: ask(question, f"{uuid.uuid4()} {RULES}"))
    assert "system[0], character 0 (an identifier, perhaps)" in said


async def test_async_chains() -> None:
    """The async twin says the same, of chains and of functions."""
    await aassert_prefix_stable(chain(lambda: RULES), QUESTIONS)
    with pytest.raises(AssertionError, match="identifier"):
        await aassert_prefix_stable(chain(lambda: f"{uuid.uuid4()} {RULES}"), QUESTIONS)
    stable = chain(lambda: RULES)

    async def ask(question: str) -> Any:
        return await stable.ainvoke(question)

    assert (await aassert_prefix_stable(ask, QUESTIONS)).calls == 3


def test_a_chain_that_does_not_call_bedrock_fails() -> None:
    """An assertion about nothing is no success."""
    fake = GenericFakeChatModel(messages=iter([AIMessage("Yes.")] * 9))
    assert "no chat call to Bedrock" in broken(fake)


def test_errors_of_the_chain_are_its_own() -> None:
    """What the chain raises comes through as it is, and nothing stays patched."""

    def fail(_question: str) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        assert_prefix_stable(fail, QUESTIONS)
    with pytest.raises(NoCredentialsError):
        model().invoke("Hi")


@pytest.mark.parametrize(
    "options", [{"inputs": []}, {"inputs": QUESTIONS, "through": "everything"}]
)
def test_wrong_arguments(options: dict[str, Any]) -> None:
    """No inputs and an unknown extent are said before anything runs."""
    with pytest.raises(CachePolicyError):
        assert_prefix_stable(lambda _q: None, **options)


def test_a_single_input_need_not_be_in_a_list() -> None:
    """A text or a dict is one input, not a sequence of characters or keys."""
    assert assert_prefix_stable(chain(lambda: RULES), "A dog?").runs == 2
    prompt = ChatPromptTemplate([("system", RULES), ("human", "{q}")])
    given: Any = {"q": "A dog?"}
    assert assert_prefix_stable(prompt | model(), given).runs == 2
