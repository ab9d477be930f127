"""The emulator as a command: it serves until it is told to stop."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from langchain_bedrock_cache.emulator.core import BedrockEmulator
from langchain_bedrock_cache.emulator.ledger import LedgerRecord

DEFAULT_PORT = 8790


def run(
    *,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    region: str = "us-east-1",
    chars_per_token: float = 3.0,
    echo: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Serve the emulator over HTTP until Ctrl-C, with a line for every request.

    Args:
        port: TCP port; 0 picks a free one.
        host: Loopback address.
        region: AWS Region of requests that are not signed for one.
        chars_per_token: For the token estimate.
        echo: Writes a line; default: to standard output.
        stop: Ends the server when set; default: only Ctrl-C does.

    Returns:
        Exit status, 0.

    Raises:
        ValueError: If `host` is not a loopback address.
        OSError: If the port is taken.
    """
    echo = echo or _print
    stop = stop or threading.Event()
    emulator = BedrockEmulator(
        region=region,
        chars_per_token=chars_per_token,
        on_record=lambda record: echo(describe(record)),
    )
    try:
        with emulator.serve(port=port, host=host) as server:
            echo(_HOW_TO.format(url=server.url, region=region))
            stop.wait()
    except KeyboardInterrupt:
        echo("Stopped.")
    return 0


def describe(record: LedgerRecord) -> str:
    """Return one line about a request, in numbers only."""
    about = f"{record.operation or 'unknown operation'} {record.model_id}".rstrip()
    if record.error_code is not None:
        return f"{about}: {record.error_code}"
    return (
        f"{about}: {record.cache_read_tokens:,} read, {record.cache_write_tokens:,} written, "
        f"{record.uncached_input_tokens:,} uncached, {record.output_tokens:,} output tokens"
    )


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # also into a pipe: someone waits for the URL


_HOW_TO = """\
Bedrock emulator on {url} (Ctrl-C stops it). No AWS account is used. In Python:

    boto3.client(
        "bedrock-runtime",
        endpoint_url="{url}",
        region_name="{region}",
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )
"""
