"""The emulator over HTTP, for other processes and languages, on the loopback interface only."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

from langchain_bedrock_cache.checks import check_number, check_type
from langchain_bedrock_cache.emulator.http import HttpRequest, HttpResponse

_HIGHEST_PORT = 65_535
_LOGGER = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]


class EmulatorServer:
    """A running HTTP server; a context manager that closes itself.

    Args:
        handler: Answers requests, in a thread of their own for each connection.
        host: Loopback address.
        port: TCP port; 0 picks a free one.

    Attributes:
        url: For `endpoint_url=`, without a trailing slash.

    Raises:
        CachePolicyError: If `port` is no port.
        TypeError: If `host` is no string.
        ValueError: If `host` is not a loopback address.
    """

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        check_type("host", host, str, what="a loopback address such as '127.0.0.1'")
        _check_loopback(host)
        check_number("port", port, least=0, most=_HIGHEST_PORT, is_whole=True)
        self._server = _Server((host, port), handler)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(0.05,),  # seconds until a close is noticed
            name="bedrock-emulator",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the server and cut its connections; harmless when done already."""
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()


def _check_loopback(host: str) -> None:
    if host == "localhost":
        return
    try:
        loopback = ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        msg = f"{host!r} is no IPv4 loopback address. Use '127.0.0.1': there is no access control."
        raise ValueError(msg)


class _Server(ThreadingTCPServer):
    # Not http.server.HTTPServer, which looks up its own name in the DNS.
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Handler) -> None:
        self.handler = handler
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        _LOGGER.debug("Connection broke", exc_info=True)  # noqa: LOG014 - called while handling

    def close_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive, and chunks for streams
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = HttpRequest(
            method=self.command,
            path=self.path,
            body=self.rfile.read(length),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        try:
            response = self.server.handler(request)
        except Exception as error:  # noqa: BLE001 - a responder may raise anything
            # Only the type: the text of the error may quote the prompt.
            _LOGGER.error("The responder failed: %s", type(error).__name__)  # noqa: TRY400
            response = _internal_error(error)
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names http.server looks for

    def _send(self, response: HttpResponse) -> None:
        chunked = "Content-Length" not in response.headers
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in response.body:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        _LOGGER.debug(format, *args)


def _internal_error(error: Exception) -> HttpResponse:
    content = json.dumps({"message": f"The responder failed: {type(error).__name__}"}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "x-amzn-ErrorType": "InternalServerException",
    }
    return HttpResponse(status=500, headers=headers, body=iter([content]))
