"""A module imports only from what stands above it in the layout of the package's docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import langchain_bedrock_cache

PACKAGE = Path(langchain_bedrock_cache.__file__).parent
NAME = langchain_bedrock_cache.__name__
# The way in from the command line may import anything, and nothing imports it.
OUTSIDE = {"__init__", "__main__"}


def layout() -> dict[str, list[str]]:
    """Return the layers that the docstring of the package lists, each with its modules."""
    text = re.sub(r"\n[ \t]+", " ", langchain_bedrock_cache.__doc__ or "")
    lines = re.findall(r"^\* ([^:]+): (.*)$", text, re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", modules) for name, modules in lines}


LAYERS = layout()
ORDER = [module for modules in LAYERS.values() for module in modules]


def units() -> dict[str, list[Path]]:
    """Return the modules and packages below the package, with their files."""
    found = {path.stem: [path] for path in PACKAGE.glob("*.py") if path.stem not in OUTSIDE}
    for folder in PACKAGE.iterdir():
        files = sorted(folder.rglob("*.py"))
        if files:
            found[folder.name] = files
    return found


UNITS = units()


def imported(path: Path) -> Iterator[str]:
    """Return the modules of the package that a file imports, at any place, even for types only."""
    lazy = langchain_bedrock_cache._MODULES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == NAME:
                unit = rest.split(".")[0]
                yield lazy.get(unit, unit)


def test_the_layout_names_every_module() -> None:
    """The docstring of the package is complete, and names nothing that is not there."""
    assert len(LAYERS) >= 4
    assert len(ORDER) == len(set(ORDER))
    assert sorted(UNITS) == sorted(ORDER)


@pytest.mark.parametrize("unit", [unit for unit in ORDER if unit in UNITS])
def test_imports_come_from_above(unit: str) -> None:
    """No import of a module or package names one that the layout lists after it."""
    below = ORDER[ORDER.index(unit) + 1 :]
    found = {name for path in UNITS[unit] for name in imported(path)}
    assert sorted(found & set(below)) == []


def test_the_emulator_shares_facts_and_nothing_else() -> None:
    """It is an independent check of the planner: of the package it knows the facts alone."""
    found = {name for path in UNITS["emulator"] for name in imported(path)} - {"emulator"}
    assert found
    assert found <= set(LAYERS["facts"])


FACTS_AND_DECISIONS = [
    module
    for layer, modules in LAYERS.items()
    if layer.startswith(("facts", "decision"))
    for module in modules
]
# Prices come from a package of data, and the shared store is whatever store LangChain has.
FOREIGN = {"genai_prices": {"rates", "pricing"}, "langchain_core": {"memory", "sharing"}}


@pytest.mark.parametrize("unit", FACTS_AND_DECISIONS)
def test_facts_and_decisions_know_neither_langchain_nor_aws(unit: str) -> None:
    """What decides could be used with any client of Bedrock."""
    banned = {"boto3", "botocore", "langchain", "langchain_aws", "pydantic"}
    banned |= {name for name, allowed in FOREIGN.items() if unit not in allowed}
    for path in UNITS[unit]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            assert {name.split(".")[0] for name in names}.isdisjoint(banned), path.name


def test_nothing_imports_the_command_line() -> None:
    """`__main__` is an end, not a library."""
    assert [
        unit for unit, files in UNITS.items() for f in files if "__main__" in set(imported(f))
    ] == []
