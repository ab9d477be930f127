"""Fixtures of the tests of sinks."""

import pytest

from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.sent_requests import sent_requests


@pytest.fixture(autouse=True)
def _fresh_diagnoses() -> None:
    """Let no verdict depend on what another test sent."""
    default_diagnoser.cache_clear()
    sent_requests.cache_clear()
