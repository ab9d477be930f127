"""What the package exports is what it says it exports."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import langchain_bedrock_cache as package

TREE = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))


def imported_for_types() -> dict[str, str]:
    """Return what the package imports for type checkers, with the module it comes from."""
    (block,) = [node for node in TREE.body if isinstance(node, ast.If)]
    return {
        alias.name: str(node.module).rpartition(".")[2]
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_all_is_sorted_and_complete() -> None:
    """`__all__`, the table of lazy imports and the imports for type checkers agree."""
    assert package.__all__ == sorted(package._MODULES) == sorted(imported_for_types())
    assert dict(package._MODULES) == imported_for_types()
    assert len(package.__all__) >= 18


@pytest.mark.parametrize("name", package.__all__)
def test_every_name_is_there(name: str) -> None:
    """Each exported name is what its module or package defines, under that name."""
    value = getattr(package, name)
    module = import_module(f"{package.__name__}.{package._MODULES[name]}")
    assert value is getattr(module, name)
    assert f"{value.__module__}.".startswith(f"{module.__name__}.")
    assert value.__qualname__ == name
    assert value.__doc__


@pytest.mark.parametrize("name", package.__all__)
def test_every_name_is_listed(name: str) -> None:
    """Completion in notebooks knows the lazy names."""
    assert name in dir(package)


def test_what_is_not_there() -> None:
    """An unknown name is an AttributeError as of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'CachePolicies'"):
        package.CachePolicies  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    """There is one place for the version."""
    try:
        installed = version("langchain-bedrock-cache")
    except PackageNotFoundError:
        pytest.skip("the package is used from its source tree, not installed")
    assert package.__version__ == installed


def test_the_package_is_typed() -> None:
    """Type checkers take the annotations of an installed package only with this marker."""
    assert (Path(package.__file__).parent / "py.typed").exists()
