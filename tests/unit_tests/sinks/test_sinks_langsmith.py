"""What LangSmith is sent of a run, read from the requests of its own client to a local server."""

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import FakeListLLM
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import LangChainTracer
from langsmith import Client, tracing_context
from recorded_calls import CALLS, SONNET, Call
from sinks.sink_calls import ask, chat

from langchain_bedrock_cache import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.langsmith_tracer import CacheUsageTracer, run_metadata
from langchain_bedrock_cache.pricing import Rates

ONE, ZERO = Decimal(1), Decimal(0)
FREE_CACHE = Rates(
    input_usd_per_mtok=ONE,
    output_usd_per_mtok=ONE,
    cache_read_usd_per_mtok=ZERO,
    cache_write_5m_usd_per_mtok=ZERO,
    cache_write_1h_usd_per_mtok=ZERO,
)


class Smith:
    """LangSmith as far as a tracer sees it: runs are posted when they begin, patched at the end."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        smith = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                run = self._body()
                smith.runs[run["id"]] = run
                self._done()

            def do_PATCH(self) -> None:
                smith.runs[self.path.rpartition("/")[2]] |= self._body()
                self._done()

            def _body(self) -> dict[str, Any]:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                read: dict[str, Any] = json.loads(body)
                return read

            def _done(self) -> None:
                self.send_response(202)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # Without batches, a request has been answered when the call returns.
        self.client = Client(api_url=url, api_key="key", auto_batch_tracing=False, info={})

    def models(self) -> list[dict[str, Any]]:
        """Return the runs of models, in the order in which they began."""
        return [run for run in self.runs.values() if run["run_type"] == "llm"]

    def close(self) -> None:
        """Stop the server."""
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def smith() -> Iterator[Smith]:
    """A LangSmith of its own for each test."""
    made = Smith()
    yield made
    made.close()


def _metadata(run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = run["extra"]["metadata"]
    return found


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_langsmith_sees_cached_tokens_and_points(
    call: Call, smith: Smith, emulator: BedrockEmulator
) -> None:
    """LangChain's own tracer sends cache tokens by TTL, and what the planner did, of our model."""
    handler = CacheUsageCallbackHandler()
    model = chat(emulator)
    for question in ("One?", "Two?"):
        call(model, ask(question), {"callbacks": [LangChainTracer(client=smith.client), handler]})

    first, second = (_metadata(run)["usage_metadata"] for run in smith.models())
    wrote, read = (record.usage for record in handler.records)
    assert wrote is not None
    assert read is not None
    details = first["input_token_details"]
    assert details["cache_creation"] + details.get("ephemeral_5m_input_tokens", 0) == (
        wrote.cache_write_tokens
    )
    assert second["input_token_details"]["cache_read"] == read.cache_read_tokens > 0
    assert second["input_tokens"] == read.input_tokens
    message = smith.models()[1]["outputs"]["generations"][0][0]["message"]["kwargs"]
    plan = message["response_metadata"]["ResponseMetadata"]["CachePlan"]
    assert len(plan["points"]) > 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_runs_have_cost_and_verdict(call: Call, smith: Smith, emulator: BedrockEmulator) -> None:
    """However a call is made, its run says what it cost, what it saved and how the cache did."""
    handler = CacheUsageCallbackHandler()
    model = chat(emulator)
    for question in ("One?", "Two?"):
        call(model, ask(question), {"callbacks": [CacheUsageTracer(client=smith.client), handler]})

    runs = smith.models()
    assert [_metadata(run)["prompt_cache_verdict"] for run in runs] == ["first_write", "hit"]
    for run, record in zip(runs, handler.records, strict=True):
        assert UUID(run["id"]) == record.run_id
        assert record.usage is not None
        assert record.cost is not None
        assert record.plan is not None
        metadata = _metadata(run)
        assert {k: v for k, v in metadata.items() if k.startswith("prompt_cache_")} == {
            "prompt_cache_points": len(record.plan["points"]),
            "prompt_cache_read_tokens": record.usage.cache_read_tokens,
            "prompt_cache_write_tokens": record.usage.cache_write_tokens,
            "prompt_cache_uncached_input_tokens": record.usage.uncached_input_tokens,
            "prompt_cache_hit_ratio": record.usage.hit_ratio,
            "prompt_cache_cost_usd": float(record.cost.total_usd),
            "prompt_cache_savings_usd": float(record.cost.savings_usd),
            "prompt_cache_verdict": metadata["prompt_cache_verdict"],
            "prompt_cache_wasted_tokens": 0,
        }
        usage = metadata["usage_metadata"]
        assert usage["total_cost"] == float(record.cost.total_usd)
        assert usage["input_cost"] + usage["output_cost"] == pytest.approx(usage["total_cost"])
        assert usage["input_cost_details"] == {
            "cache_read": float(record.cost.cache_read_usd),
            "cache_creation": float(record.cost.cache_write_usd),
        }
        sent = run["outputs"]["generations"][0][0]["message"]["kwargs"]["usage_metadata"]
        assert sent == usage


def test_the_application_gets_its_message_unchanged(
    smith: Smith, emulator: BedrockEmulator
) -> None:
    """Costs go to LangSmith only: LangChain adds up `usage_metadata`, and takes whole numbers."""
    model = chat(emulator)
    plain = model.invoke("One?")

    traced = model.invoke("One?", {"callbacks": [CacheUsageTracer(client=smith.client)]})

    assert traced.usage_metadata == plain.usage_metadata
    assert _metadata(smith.models()[0])["usage_metadata"]["total_cost"] > 0


def test_the_metadata_of_the_application_stays(smith: Smith, emulator: BedrockEmulator) -> None:
    """A run keeps what the application said of it, and the application's dict is not written to."""
    mine = {"customer": "acme"}
    config: Any = {"callbacks": [CacheUsageTracer(client=smith.client)], "metadata": mine}
    chain = RunnableLambda(ask) | chat(emulator)

    chain.invoke("One?", config)

    assert mine == {"customer": "acme"}
    metadata = _metadata(smith.models()[0])
    assert metadata["customer"] == "acme"
    assert "prompt_cache_verdict" in metadata
    others = [run for run in smith.runs.values() if run["run_type"] != "llm"]
    assert others
    assert not any("prompt_cache_verdict" in _metadata(run) for run in others)


def test_it_takes_the_place_of_the_tracer_of_the_environment(
    smith: Smith, emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tracing switched on by the environment, runs are still sent once, and of one tree."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    chain = RunnableLambda(ask) | chat(emulator)
    # Metadata of LangSmith's own makes LangChain copy tracers in the middle of a tree.
    with tracing_context(enabled=True, metadata={"team": "legal"}, client=smith.client):
        chain.invoke("One?", {"callbacks": [CacheUsageTracer(client=smith.client)]})

    (run,) = smith.models()
    metadata = _metadata(run)
    assert metadata["team"] == "legal"
    assert metadata["prompt_cache_verdict"] == "first_write"
    assert run["parent_run_id"] in smith.runs


def test_a_failed_run_says_so(smith: Smith, emulator: BedrockEmulator) -> None:
    """A call that failed has a verdict, and no tokens."""
    tracer = CacheUsageTracer(client=smith.client)
    emulator.fail_next("ThrottlingException")
    with pytest.raises(Exception, match="Throttling"):
        chat(emulator).invoke("One?", {"callbacks": [tracer]})

    (run,) = smith.models()
    assert "Throttling" in run["error"]
    metadata = _metadata(run)
    assert metadata["prompt_cache_verdict"] == "failed"
    assert "prompt_cache_read_tokens" not in metadata
    assert not tracer._records


def test_prices_of_ones_own(smith: Smith, emulator: BedrockEmulator) -> None:
    """Negotiated prices reach LangSmith, zeros included."""
    tracer = CacheUsageTracer(client=smith.client, rates={SONNET: FREE_CACHE})

    chat(emulator).invoke(ask("One?"), {"callbacks": [tracer]})

    usage = _metadata(smith.models()[0])["usage_metadata"]
    assert usage["input_cost_details"] == {"cache_read": 0.0, "cache_creation": 0.0}
    assert usage["output_cost"] == usage["output_tokens"] / 1_000_000


def test_answers_of_the_response_cache_cost_nothing(
    smith: Smith, emulator: BedrockEmulator
) -> None:
    """An answer that was not asked of Bedrock has no verdict and no cost of ours."""
    model = chat(emulator)
    model.cache = InMemoryCache()
    model.invoke("One?")

    model.invoke("One?", {"callbacks": [CacheUsageTracer(client=smith.client)]})

    metadata = _metadata(smith.models()[0])
    assert not any(name.startswith("prompt_cache_") for name in metadata)


def test_protocol_events_count_as_answer(smith: Smith) -> None:
    """The first content of a call made with `stream_events` is noted, as the handler does."""
    tracer = CacheUsageTracer(client=smith.client)
    run_id = uuid4()
    tracer.on_chat_model_start({}, [[]], run_id=run_id)

    tracer.on_stream_event({"event": "content-block-delta"}, run_id=run_id)

    assert tracer._calls._calls[run_id].first_token_at is not None


def test_text_models_are_traced(smith: Smith) -> None:
    """A model that reports nothing is traced as ever."""
    FakeListLLM(responses=["Yes."]).invoke(
        "?", {"callbacks": [CacheUsageTracer(client=smith.client)]}
    )

    (run,) = smith.models()
    assert run["outputs"]["generations"][0][0]["text"] == "Yes."
    assert "prompt_cache_cost_usd" not in _metadata(run)


def test_many_calls_leave_nothing_behind(smith: Smith, emulator: BedrockEmulator) -> None:
    """Parallel calls keep their own facts apart, and none of them is kept."""
    tracer = CacheUsageTracer(client=smith.client)
    handler = CacheUsageCallbackHandler()
    chat(emulator).batch(
        [ask(f"{n}?" * n) for n in range(1, 9)],
        {"callbacks": [tracer, handler], "max_concurrency": 4},
    )

    told = {UUID(r["id"]): _metadata(r)["prompt_cache_read_tokens"] for r in smith.models()}
    assert told == {r.run_id: r.usage and r.usage.cache_read_tokens for r in handler.records}
    assert len(told) == 8
    assert not tracer._records
    assert not tracer._calls._calls


def test_nothing_is_said_of_no_calls() -> None:
    """What is not known is left out."""
    assert run_metadata([]) == {}
