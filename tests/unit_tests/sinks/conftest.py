"""Fixtures of the tests of sinks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.sent_requests import sent_requests

if TYPE_CHECKING:
    from sinks.otel_in_memory import Otel


@pytest.fixture(autouse=True)
def _fresh_diagnoses() -> None:
    """Let no verdict depend on what another test sent."""
    default_diagnoser.cache_clear()
    sent_requests.cache_clear()


@pytest.fixture
def otel() -> Iterator[Otel]:
    """An OpenTelemetry of its own for each test."""
    from sinks.otel_in_memory import Otel  # noqa: PLC0415 - for the tests of one sink only

    made = Otel()
    yield made
    made.close()
