"""pytest plugin: the fixture `bedrock_emulator`. Imports nothing heavy until a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from langchain_bedrock_cache.testing import EmulatedBedrock


@pytest.fixture
def bedrock_emulator() -> Iterator[EmulatedBedrock]:
    """A local Bedrock that answers every call of the test, whatever client makes it.

    No network and no AWS credentials are used; `.advance(seconds)` moves its clock, `.ledger` has
    what each request read and wrote, `.answer_with(...)` says what the model answers.
    """
    from langchain_bedrock_cache.testing import emulated_bedrock  # noqa: PLC0415 - when first used

    with emulated_bedrock() as bedrock:
        yield bedrock
