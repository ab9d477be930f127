"""The emulator over HTTP, end to end: real sockets on the loopback interface, real clients."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, EventStreamError

from langchain_bedrock_cache.emulator import BedrockEmulator, scripted
from langchain_bedrock_cache.emulator.cli import run
from langchain_bedrock_cache.emulator.server import EmulatorServer

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}"
REQUEST: dict[str, Any] = {
    "modelId": CLAUDE,
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
    "system": [{"text": "s" * 6_000}, {"cachePoint": {"type": "default"}}],
}


@pytest.fixture
def emulator() -> BedrockEmulator:
    """An emulator of its own for each test; time stands still, so nothing arrives out of order."""
    return BedrockEmulator(clock=lambda: 0.0)


@pytest.fixture
def server(emulator: BedrockEmulator) -> Iterator[EmulatorServer]:
    """The emulator on a free port."""
    with emulator.serve() as running:
        yield running


Connect = Callable[..., Any]


@cache
def session() -> boto3.Session:
    """One session for all tests, because it reads botocore's data once."""
    return boto3.Session("x", "y", region_name="us-east-1")


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A function that makes ordinary boto3 clients for an endpoint, closed after the test."""
    clients: list[Any] = []

    def make(url: str, region: str = "us-east-1") -> Any:
        once = Config(retries={"total_max_attempts": 1})
        client = session().client(
            "bedrock-runtime", region_name=region, endpoint_url=url, config=once
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def test_boto3_converses_over_http(
    emulator: BedrockEmulator, server: EmulatorServer, connect: Connect
) -> None:
    """A plain boto3 client writes and reads the cache, and ARNs find their way."""
    client = connect(server.url)
    assert client.converse(**REQUEST)["usage"]["cacheWriteInputTokens"] == 2_000
    by_arn = client.converse(**REQUEST | {"modelId": ARN})
    assert by_arn["usage"]["cacheReadInputTokens"] == 2_000
    assert [record.model_id for record in emulator.ledger] == [CLAUDE, ARN]


def test_boto3_streams_over_http(server: EmulatorServer, connect: Connect) -> None:
    """Binary frames come in chunks and end with the usage."""
    events = list(connect(server.url).converse_stream(**REQUEST)["stream"])
    text = "".join(
        event["contentBlockDelta"]["delta"]["text"]
        for event in events
        if "contentBlockDelta" in event
    )
    assert text == "Hello from the Bedrock emulator."
    assert events[-1]["metadata"]["usage"]["cacheWriteInputTokens"] == 2_000


def test_http_and_in_process_clients_share_the_cache(
    emulator: BedrockEmulator, server: EmulatorServer, connect: Connect
) -> None:
    """What a client in this process wrote, one over HTTP reads: it is one emulator."""
    emulator.client().converse(**REQUEST)
    assert connect(server.url).converse(**REQUEST)["usage"]["cacheReadInputTokens"] == 2_000


def test_region_comes_from_the_signature(
    emulator: BedrockEmulator, server: EmulatorServer, connect: Connect
) -> None:
    """Requests signed for another Region use the cache of that Region."""
    connect(server.url).converse(**REQUEST)
    elsewhere = connect(server.url, "ap-southeast-2").converse(**REQUEST)
    assert elsewhere["usage"]["cacheReadInputTokens"] == 0
    assert emulator.ledger[-1].region == "ap-southeast-2"


def test_errors_are_modeled_exceptions_over_http(
    emulator: BedrockEmulator, server: EmulatorServer, connect: Connect
) -> None:
    """Status, code and message survive the socket, in and outside of streams."""
    client = connect(server.url)
    with pytest.raises(client.exceptions.ValidationException, match="model identifier is invalid"):
        client.converse(**REQUEST | {"modelId": "nothing"})
    emulator.fail_next("ServiceUnavailableException")
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        client.converse_stream(**REQUEST)
    emulator.fail_next(after_events=1)
    stream = client.converse_stream(**REQUEST)["stream"]
    with closing(stream), pytest.raises(EventStreamError, match="throttlingException"):
        list(stream)


def test_connection_is_kept_alive(server: EmulatorServer) -> None:
    """Several requests of any kind go over one connection, streams in between."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    body = json.dumps({"messages": REQUEST["messages"]})
    statuses = []
    for action in ("converse", "converse-stream", "nothing", "converse"):
        connection.request("POST", f"/model/{CLAUDE}/{action}", body=body)
        response = connection.getresponse()
        response.read()
        statuses.append((response.status, response.will_close))
    connection.close()
    assert statuses == [(200, False), (200, False), (404, False), (200, False)]


def test_parallel_clients_are_served(
    emulator: BedrockEmulator, server: EmulatorServer, connect: Connect
) -> None:
    """Connections do not wait for each other, and no request is lost."""
    barrier = threading.Barrier(4)

    def work(client: Any) -> int:
        barrier.wait()
        return sum(client.converse(**REQUEST)["usage"]["cacheReadInputTokens"] for _ in range(5))

    clients = [connect(server.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        read = sum(pool.map(work, clients))
    assert read == 19 * 2_000
    assert len(emulator.ledger) == 20


def test_failing_responder_is_an_internal_error(
    caplog: pytest.LogCaptureFixture, connect: Connect
) -> None:
    """Client and log hear of an exception in the responder, but not its text."""
    with BedrockEmulator(responder=scripted([])).serve() as server:
        client = connect(server.url)
        with pytest.raises(
            client.exceptions.InternalServerException, match="LookupError"
        ) as caught:
            client.converse(**REQUEST)
    assert "LookupError" in caplog.text
    assert "script" not in str(caught.value) + caplog.text


def test_broken_request_does_not_stop_the_server(server: EmulatorServer, connect: Connect) -> None:
    """A connection that talks nonsense is dropped, and the next one is served."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    connection.putrequest("POST", f"/model/{CLAUDE}/converse")
    connection.putheader("Content-Length", "many")
    connection.endheaders()
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()
    assert connect(server.url).converse(**REQUEST)["stopReason"] == "end_turn"


def test_localhost_is_a_loopback_address(emulator: BedrockEmulator, connect: Connect) -> None:
    """The usual name works like the address."""
    with emulator.serve(host="localhost") as server:
        assert server.url.startswith("http://localhost:")
        assert connect(server.url).converse(**REQUEST)["stopReason"] == "end_turn"


def test_closed_server_does_not_answer(emulator: BedrockEmulator, connect: Connect) -> None:
    """After closing, even an open connection is cut; closing twice is harmless."""
    server = emulator.serve()
    client = connect(server.url)
    client.converse(**REQUEST)
    server.close()
    with pytest.raises(EndpointConnectionError):
        client.converse(**REQUEST)
    server.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.com", "::"])  # noqa: S104
def test_only_loopback_addresses_are_served(host: str) -> None:
    """There is no access control, so other interfaces are refused."""
    with pytest.raises(ValueError, match="no access control"):
        BedrockEmulator().serve(host=host)


def test_command_serves_and_says_how_to_use_it(connect: Connect) -> None:
    """The command prints the URL first and then a line of numbers for each request."""
    lines: list[str] = []
    started, stop = threading.Event(), threading.Event()

    def echo(line: str) -> None:
        lines.append(line)
        started.set()

    thread = threading.Thread(target=run, kwargs={"port": 0, "echo": echo, "stop": stop})
    thread.start()
    assert started.wait(10)
    url = next(word for word in lines[0].split() if word.startswith("http://"))
    client = connect(url)
    client.converse(**REQUEST)
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(**REQUEST | {"modelId": "nothing"})
    stop.set()
    thread.join(10)
    assert f'endpoint_url="{url}"' in lines[0]
    assert lines[1:] == [
        f"Converse {CLAUDE}: 0 read, 2,000 written, 4 uncached, 11 output tokens",
        "Converse nothing: ValidationException",
    ]


class Interrupted(threading.Event):
    """An event during whose wait the user presses Ctrl-C."""

    def wait(self, timeout: float | None = None) -> bool:
        """Raise what Python raises then."""
        raise KeyboardInterrupt


def test_command_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an echo of its own the command prints, and says that it stopped."""
    assert run(port=0, stop=Interrupted()) == 0
    output = capsys.readouterr().out
    assert output.startswith("Bedrock emulator on http://127.0.0.1:")
    assert output.endswith("Stopped.\n")


def test_command_stops_at_ctrl_c() -> None:
    """An interrupt ends the process cleanly, without a traceback."""
    # What a shell starts in the background, these tests perhaps, does not hear interrupts.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = "from langchain_bedrock_cache.emulator.cli import run; raise SystemExit(run(port=0))"
    process = subprocess.Popen(  # noqa: S603 - our own code in our own interpreter
        [sys.executable, "-c", f"{listen}; {code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert "Bedrock emulator on http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.rstrip().endswith("Stopped.")
    assert errors == ""
