"""Frames of `application/vnd.amazon.eventstream`, which botocore can read but not write.

A frame is: total length, headers length, CRC of those two, headers, payload, CRC of all before.
Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE_AND_CHECKSUMS = 4 + 4 + 4 + 4
_STRING = 7  # the header value type that means UTF-8 with a two-byte length


def encode_event(event_type: str, payload: Mapping[str, Any]) -> bytes:
    """Return one event as a frame.

    Args:
        event_type: Member of the operation's stream shape, such as `contentBlockDelta`.
        payload: Its content, sent as JSON.
    """
    return _frame({":event-type": event_type, ":message-type": "event"}, payload)


def encode_exception(exception_type: str, message: str) -> bytes:
    """Return a failure in the middle of a stream as a frame.

    Args:
        exception_type: Member of the operation's stream shape, such as `throttlingException`.
        message: What the service says.
    """
    headers = {":exception-type": exception_type, ":message-type": "exception"}
    return _frame(headers, {"message": message})


def _frame(headers: Mapping[str, str], payload: Mapping[str, Any]) -> bytes:
    head = b"".join(
        _header(name, value)
        for name, value in {**headers, ":content-type": "application/json"}.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", len(head) + len(body) + _PRELUDE_AND_CHECKSUMS, len(head))
    frame = prelude + struct.pack("!I", crc32(prelude)) + head + body
    return frame + struct.pack("!I", crc32(frame))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return (
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(text)) + text
    )
