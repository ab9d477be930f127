"""Traffic of two models on the emulator, whose numbers the ledger knows; and lone call records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from langchain_core.messages import HumanMessage, SystemMessage
from wire import CLAUDE, NOVA, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheUsage,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    PrefixMemory,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.sent_requests import sent_requests


def deny(client: Any, operation: str) -> None:
    """Let AWS answer an operation of a CloudWatch client as it does without permission."""
    error = {"Code": "AccessDenied", "Message": "User: x is not authorized to perform this."}
    refusal = (AWSResponse("", 403, HTTPHeaders(), None), {"Error": error, "ResponseMetadata": {}})
    client.meta.events.register(f"before-call.cloudwatch.{operation}", lambda **_: refusal)


def record(**fields: Any) -> CallRecord:
    """Return a call of Claude with some fields set."""
    run_id = uuid4()
    return CallRecord(**{"run_id": run_id, "root_run_id": run_id, "model_id": CLAUDE, **fields})


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Calls of two models, some of them hits, one that fails."""

    clock: SimulatedClock
    emulator: BedrockEmulator
    sinks: tuple[Any, ...] = ()
    handler: CacheUsageCallbackHandler = field(init=False)

    def run(self) -> None:
        """Make the calls: six of Claude over half an hour, one of which fails, and three of Nova.

        The head is written for an hour, so that both lifetimes occur.
        """
        sent_requests.cache_clear()
        default_diagnoser.cache_clear()
        self.handler = CacheUsageCallbackHandler(clock=self.clock, sinks=self.sinks)
        policy = CachePolicy.fixed(system="1h", messages="5m")
        memory = PrefixMemory(clock=self.clock)
        claude, nova = (
            ChatBedrockCached(
                model_id=model_id,
                client=self.emulator.client(),
                prefix_memory=memory,
                cache_policy=policy if model_id == CLAUDE else CachePolicy.fixed(system="5m"),
            )
            for model_id in (CLAUDE, NOVA)
        )
        for number in range(5):
            self._call(claude, f"{words(1_500)} Question {number}?")
        self.emulator.fail_next("ThrottlingException")
        with pytest.raises(Exception, match="ThrottlingException"):
            self._call(claude, "This one fails.")
        for number in range(3):
            self._call(nova, f"Question {number}?")

    def _call(self, model: Any, question: str) -> None:
        self.clock.advance(310.0)
        head = SystemMessage(words(3_000, "rule"))
        for chunk in model.stream([head, HumanMessage(question)], {"callbacks": [self.handler]}):
            assert chunk

    def usage(self, model_id: str | None = None) -> CacheUsage:
        """Return what the emulator's ledger adds up to, of one model or of all."""
        return sum((usage_of(one) for one in self.ledger(model_id)), CacheUsage())

    def ledger(self, model_id: str | None = None) -> list[LedgerRecord]:
        """Return the requests that Bedrock answered, of one model or of all."""
        return [
            one
            for one in self.emulator.ledger
            if one.status == 200 and model_id in (None, one.model_id)
        ]


def usage_of(one: LedgerRecord) -> CacheUsage:
    """Return the tokens of a request."""
    return CacheUsage(
        uncached_input_tokens=one.uncached_input_tokens,
        cache_read_tokens=one.cache_read_tokens,
        cache_write_5m_tokens=one.cache_write_5m_tokens,
        cache_write_1h_tokens=one.cache_write_1h_tokens,
        output_tokens=one.output_tokens,
    )
