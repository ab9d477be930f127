"""A request on its way through the emulator: when it came, then what it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.emulator.models import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request of which nothing is known yet but where and when it came in.

    Attributes:
        request_id: As in the response.
        account: AWS account of the cache.
        region: AWS Region of the cache.
        at: Seconds on the emulator's clock.
    """

    request_id: str
    account: str
    region: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose operation, model and parameters are known.

    Attributes:
        arrival: Where and when it came in.
        operation: Name of the operation, such as `Converse`.
        model: The model it names.
        request: Decoded parameters, `modelId` included, binary members as `bytes`.
    """

    arrival: Arrival
    operation: str
    model: Model
    request: dict[str, Any]
