"""Importing the package costs nothing; what is heavy comes when it is first used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("boto3", "botocore", "genai_prices", "langchain", "langchain_aws", "langchain_core")
_REPORT = """
import json, sys, time
began = time.perf_counter()
{statement}
seconds = time.perf_counter() - began
print(json.dumps([seconds, [name for name in {heavy!r} if name in sys.modules]]))
"""


def run(statement: str) -> tuple[float, set[str]]:
    """Return how long a statement takes in a new process, and what heavy it imports."""
    code = _REPORT.format(statement=statement, heavy=HEAVY)
    done = subprocess.run(  # noqa: S603 - our own code in our own interpreter
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    seconds, loaded = json.loads(done.stdout)
    return seconds, set(loaded)


PACKAGE = "langchain_bedrock_cache"
LOADS: dict[str, set[str]] = {
    f"import {PACKAGE}": set(),
    f"from {PACKAGE} import CachePolicy, BedrockCacheError, CacheSkippedWarning": set(),
    f"from {PACKAGE} import PrefixMemory, CacheUsage": set(),
    f"from {PACKAGE} import cached_client": set(),
    f"from {PACKAGE}.emulator import BedrockEmulator": set(),
    f"from {PACKAGE} import CachePointTransformer, cached_tools": {"langchain_core"},
    f"from {PACKAGE} import CacheUsageCallbackHandler": {"langchain_core"},
}


@pytest.mark.parametrize("statement", LOADS)
def test_what_is_imported_when(statement: str) -> None:
    """Only what needs LangChain imports it, and nothing imports boto3 before a client is made."""
    assert run(statement)[1] <= LOADS[statement]


def test_importing_takes_no_longer_than_langchain_core() -> None:
    """The price of the import line is below that of the library everybody has imported."""
    ours = min(run(f"import {PACKAGE}")[0] for _ in range(2))
    core = min(run("import langchain_core.messages")[0] for _ in range(2))
    assert ours <= core


def test_importing_changes_nothing() -> None:
    """No handlers, no environment, no warning filters: an import is only an import."""
    run(
        "import logging, os, warnings\n"
        "def state():\n"
        "    handlers = [list(l.handlers) for l in [logging.root]]\n"
        "    return dict(os.environ), list(warnings.filters), handlers\n"
        "before = state()\n"
        f"import {PACKAGE}.client, {PACKAGE}.emulator\n"
        "assert state() == before"
    )
