"""The pytest plugin: a fixture for applications' own tests, and no weight for anybody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

_APPLICATION = """
    from langchain_bedrock_cache import ChatBedrockCached
    from langchain_bedrock_cache.testing import assert_cache_hit, assert_prefix_stable
    from langchain_core.prompts import ChatPromptTemplate

    HANDBOOK = "Guests may bring dogs, but not cats. " * 200
    PROMPT = ChatPromptTemplate([("system", HANDBOOK), ("human", "{q}")])
    MODEL = ChatBedrockCached(model="us.anthropic.claude-sonnet-5", region_name="us-east-1")
    CHAIN = PROMPT | MODEL

    def test_prefix():
        assert_prefix_stable(CHAIN, [{"q": "A dog?"}, {"q": "A cat?"}])

    def test_hit(bedrock_emulator):
        CHAIN.invoke({"q": "A dog?"})
        bedrock_emulator.advance(120)
        with assert_cache_hit(min_read_tokens=2_000):
            CHAIN.invoke({"q": "A cat?"})

    def test_each_test_has_its_own(bedrock_emulator):
        assert not bedrock_emulator.ledger

    def test_broken():
        from uuid import uuid4
        from langchain_core.runnables import RunnableLambda
        prompt = RunnableLambda(lambda q: [("system", f"{uuid4()} {HANDBOOK}"), ("human", q)])
        assert_prefix_stable(prompt | MODEL, ["A dog?", "A cat?"])
"""


def test_an_application_and_its_tests(pytester: pytest.Pytester) -> None:
    """Without network, credentials or clients handed around, three tests pass and one tells why."""
    pytester.makeconftest("from langchain_bedrock_cache.pytest_plugin import bedrock_emulator")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(_APPLICATION)
    result = pytester.runpytest_inprocess("--disable-socket", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*assert_prefix_stable(prompt | MODEL*",
            "E*AssertionError: The prefix of the prompt changes from call to call*",
            "E*run 2 (against run 1): system[[]0[]], character 0 (an identifier, perhaps)*",
        ]
    )


def test_the_plugin_is_light() -> None:
    """Loading it imports neither LangChain nor boto3, nor more of this package than itself."""
    code = (
        "import pytest, sys; before = set(sys.modules)\n"
        "import langchain_bedrock_cache.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = ["langchain_bedrock_cache", "langchain_bedrock_cache.pytest_plugin"]
    assert done.stdout.strip() == str(modules)


def test_the_kit_is_light() -> None:
    """The assertions themselves need no LangChain and no boto3 until they run."""
    code = (
        "import sys, langchain_bedrock_cache.testing\n"
        "print(sorted({'boto3', 'botocore', 'langchain_core', 'pytest'} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
