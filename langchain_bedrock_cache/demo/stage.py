"""Where the calls of one run go: an emulator on simulated time, or Amazon Bedrock itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.replies import Responder


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a run needs of its surroundings.

    Attributes:
        client: A boto3 `bedrock-runtime` client.
        clock: Returns seconds.
        wait: Lets seconds pass, or not: nobody waits for a live demonstration.
        label: Begins the system prompt. Runs that must not read what the others wrote have
            different ones.
    """

    client: Any
    clock: Callable[[], float]
    wait: Callable[[float], None]
    label: str


def emulated_stage(responder: Responder) -> Stage:
    """Return an emulator of its own, with an empty cache, on simulated time.

    Args:
        responder: What the model says.
    """
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock, responder=responder)
    return Stage(client=emulator.client(), clock=clock, wait=clock.advance, label="Demonstration.")


def live_stage(client: Any) -> Stage:
    """Return real Bedrock, in real time, under a label that nothing cached begins with.

    Args:
        client: A boto3 `bedrock-runtime` client.
    """
    return Stage(
        client=client,
        clock=time.time,
        wait=lambda _seconds: None,
        label=f"Demonstration {uuid.uuid4()}.",
    )
