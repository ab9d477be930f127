"""The error tree: what users can catch, and that it survives the way between processes."""

from __future__ import annotations

import pickle

import pytest

from langchain_bedrock_cache import exceptions
from langchain_bedrock_cache.exceptions import (
    BedrockCacheError,
    CachePlanError,
    CachePointPositionError,
    CachePolicyError,
    CacheSkippedWarning,
    CacheTTLOrderError,
    PriceNotFoundError,
    TooManyCachePointsError,
    UnsupportedModelError,
)

TREE: dict[type[Exception], tuple[type[Exception], ...]] = {
    BedrockCacheError: (Exception,),
    CachePolicyError: (BedrockCacheError, ValueError),
    CachePlanError: (BedrockCacheError, ValueError),
    TooManyCachePointsError: (CachePlanError,),
    CacheTTLOrderError: (CachePlanError,),
    CachePointPositionError: (CachePlanError,),
    UnsupportedModelError: (CachePlanError,),
    PriceNotFoundError: (BedrockCacheError, LookupError),
    CacheSkippedWarning: (UserWarning,),
}


@pytest.mark.parametrize("error", TREE)
def test_bases(error: type[Exception]) -> None:
    """Each class has the bases that its callers catch."""
    assert error.__bases__ == TREE[error]


@pytest.mark.parametrize("error", TREE)
def test_pickling(error: type[Exception]) -> None:
    """An error arrives in another process as what it was."""
    copy = pickle.loads(pickle.dumps(error("what, limit, remedy")))  # noqa: S301 - our own bytes
    assert type(copy) is error
    assert copy.args == ("what, limit, remedy",)


def test_the_table_and_the_docstring_are_complete() -> None:
    """Every class of the module is in the table above and in the tree that the module draws."""
    classes = {c for c in vars(exceptions).values() if isinstance(c, type)}
    assert classes == set(TREE)
    assert exceptions.__doc__ is not None
    assert [c.__name__ for c in classes if c.__name__ not in exceptions.__doc__] == []
