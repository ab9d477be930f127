"""Binary frames, read back by botocore's own parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.emulator.eventstream import encode_event, encode_exception

TEXT = st.text(max_size=200)
NAMES = st.text(alphabet=st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=60)


def parse(data: bytes) -> list[Any]:
    """Read frames with botocore."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


@given(NAMES, st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=5))
def test_event_survives_the_way_through_botocore(name: str, payload: dict[str, Any]) -> None:
    """Whatever is framed comes out of botocore's parser as it went in, checksums included."""
    [message] = parse(encode_event(name, payload))
    assert message.headers == {
        ":event-type": name,
        ":message-type": "event",
        ":content-type": "application/json",
    }
    assert json.loads(message.payload) == payload


@given(st.lists(TEXT, max_size=5))
def test_frames_can_be_joined(texts: list[str]) -> None:
    """A stream is its frames one after the other, in order."""
    data = b"".join(encode_event("contentBlockDelta", {"text": text}) for text in texts)
    assert [json.loads(message.payload)["text"] for message in parse(data)] == texts


def test_exception_is_an_error_to_botocore() -> None:
    """An exception frame carries its type in the header from which botocore raises."""
    [message] = parse(encode_exception("throttlingException", "Too many requests"))
    assert message.headers[":message-type"] == "exception"
    assert message.headers[":exception-type"] == "throttlingException"
    assert message.to_response_dict()["status_code"] == 400


@pytest.mark.parametrize("position", [0, 10, 20, -6, -1])
def test_a_flipped_bit_is_noticed(position: int) -> None:
    """The checksums are real: no single damaged byte gets through."""
    frame = bytearray(encode_event("messageStart", {"role": "assistant"}))
    frame[position] ^= 0b100
    if position == 0:  # the length itself: the parser waits for more, or refuses the prelude
        with pytest.raises(ChecksumMismatch):
            parse(bytes(frame) * 2)
    else:
        with pytest.raises(ChecksumMismatch):
            parse(bytes(frame))
