"""The README says what is so: its code runs, its output is real, its tables and links are right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from readme_blocks import (
    README,
    SKIPPED,
    TABLES,
    WORKLOADS_FOLDER,
    one_memory,
    python_blocks,
    with_output,
)

from langchain_bedrock_cache.__main__ import COMMANDS
from langchain_bedrock_cache.profiles import unregister_profile

TEXT = README.read_text(encoding="utf-8")
BLOCKS = python_blocks(TEXT)
UPDATE = "run: python tests/unit_tests/readme_blocks.py"


class Session:
    """The blocks from the top down, each run once, however many tests want it."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {}
        self.texts: list[str] = []

    def run_to(self, number: int) -> str:
        """Return a block as it should be, after running it and those before it."""
        for block in BLOCKS[len(self.texts) : number + 1]:
            self.texts.append(with_output(block, self.namespace))
        return self.texts[number]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One session for all blocks, as a reader has who runs them from top to bottom."""
    with one_memory():
        yield Session()
    unregister_profile("anthropic.claude-sonnet-9")


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=lambda n: f"line-{BLOCKS[n].line}")
def test_blocks_print_what_they_say(number: int, session: Session) -> None:
    """Each Python block runs and prints exactly the `#>` lines below its statements."""
    assert session.run_to(number) == BLOCKS[number].text, UPDATE


def test_the_first_screen_differs_in_one_word() -> None:
    """Before and after are the same code but for the class name, and both print token counts."""
    before, after = ([*_code(block.text)] for block in BLOCKS[1:3])
    changes = [word for word in difflib.ndiff(before, after) if word[0] in "-+"]
    assert changes == ["- ChatBedrockConverse", "+ ChatBedrockCached"]
    paid_before, paid_after = (_printed_numbers(block.text) for block in BLOCKS[1:3])
    assert sum(paid_before) == sum(paid_after)
    assert paid_before[1:] == [0, 0]
    assert paid_after[0] < paid_before[0] / 100


def _code(text: str) -> Iterator[str]:
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#>"))
    return (match[0] for match in re.finditer(r"\w+|\S", code))


def _printed_numbers(text: str) -> list[int]:
    output = text.splitlines()[-1]
    assert output.startswith("#> ")
    return [int(number) for number in re.findall(r"\d+", output)]


def test_only_live_code_is_skipped() -> None:
    """There are blocks, and those that are not run say why."""
    assert len(BLOCKS) > 10
    for block in BLOCKS:
        if block.is_skipped:
            assert "AWS" in block.text.partition("\n")[0].removeprefix(SKIPPED)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_generated(name: str) -> None:
    """Tables of facts and figures are those of the profiles and of real traffic."""
    table = TABLES[name]()
    if table is None:
        pytest.skip(f"{WORKLOADS_FOLDER} names no folder with workloads")
    assert table in TEXT, UPDATE


def test_two_commands_set_everything_up() -> None:
    """The README has exactly two set-up commands, which the gate runs: the demo and the tests."""
    commands = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(commands) == 2
    assert all(command.count("\n") == 1 for command in commands)
    assert commands[0].endswith("-m langchain_bedrock_cache demo\n")
    assert commands[1].endswith("-m pytest -n auto --dist loadfile\n")


def test_every_command_is_mentioned() -> None:
    """Each command of the command line has a place in the README."""
    for name in COMMANDS:
        assert re.search(rf"langchain[-_]bedrock[-_]cache {name}\b", TEXT), name


def test_links_lead_somewhere() -> None:
    """Links to files and headings exist, and tests that are named are in the file they link to."""
    links = re.findall(r"\[([^\]]+)\]\(([^)]+)\)", TEXT)
    anchors = {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    local = [(text, target) for text, target in links if not target.startswith("https:")]
    assert len(local) > 10
    for text, target in local:
        if target.startswith("#"):
            assert target[1:] in anchors, target
            continue
        file = README.parent / target
        assert file.is_file(), target
        named = re.fullmatch(r"`(test_\w+)`", text)
        if named:
            assert f"def {named[1]}(" in file.read_text(encoding="utf-8"), text


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
