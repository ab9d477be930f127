"""A text as hashes of its pieces and ends: where two texts part, and whether one became the other.

Hashes are keyed by a number drawn once per process: what is kept cannot be compared with guesses
by somebody who only finds it in a dump.
"""

from __future__ import annotations

import secrets
from array import array
from struct import Struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest as _digest

_SEED = secrets.randbits(64)
# Up to this offset, in characters, a text is hashed in pieces of that many: fine where prompts
# begin, coarser in long documents, and never depending on the length of the text. Each limit is
# a multiple of the next size.
_PIECES = ((1_024, 8), (4_096, 16), (32_768, 64), (1 << 62, 512))
_HASH_BITS = 64
_CHAR_BYTES = 4
_CUTTERS = [(limit, Struct(f"{size * _CHAR_BYTES}s")) for limit, size in _PIECES]
# Ends of this many characters are hashed, to know a text again whose beginning has changed.
_ENDS = tuple(32 << n for n in range(16))
# What `str.split` takes for whitespace, as far as it is ASCII.
_ASCII_SPACES = bytes(range(0x09, 0x0E)) + bytes(range(0x1C, 0x21))


class TextHashes(NamedTuple):
    """What is kept of a text.

    Attributes:
        pieces: Of short pieces from the beginning, 8 bytes each.
        ends: Of its last 32, 64, 128 and so on characters, as far as it has as many.
    """

    pieces: bytes = b""
    ends: tuple[int, ...] = ()


def digest(data: bytes | bytearray | memoryview) -> int:
    """Return the keyed hash of some bytes, 64 bits."""
    return _digest(data, _SEED)


def without_spaces(text: str) -> bytes:
    """Return a text without its whitespace, to know it again after a new layout."""
    if text.isascii():
        return text.encode().translate(None, _ASCII_SPACES)
    return "".join(text.split()).encode("utf-8", "surrogatepass")


def hash_text(text: str) -> TextHashes:
    """Hash a text piece by piece, and its ends.

    Args:
        text: Of any length. Takes some 15 nanoseconds per character, less where pieces are long.

    Returns:
        Its hashes.
    """
    data = text.encode("utf-32-le", "surrogatepass")
    pieces: list[int] = []
    start = 0
    for limit, cutter in _CUTTERS:
        part = data[start : limit * _CHAR_BYTES]
        part += bytes(-len(part) % cutter.size)
        pieces += [_digest(piece, _SEED) for (piece,) in cutter.iter_unpack(part)]
        if len(text) <= limit:
            break
        start = limit * _CHAR_BYTES
    ends = [_digest(data[-n * _CHAR_BYTES :], _SEED) for n in _ENDS if n <= len(text)]
    return TextHashes(array("Q", pieces).tobytes(), tuple(ends))


def piece_bounds(index: int) -> tuple[int, int]:
    """Return where a piece begins and ends, in characters."""
    start = 0
    for limit, size in _PIECES:
        count = (limit - start) // size
        if index < count:
            return start + index * size, start + (index + 1) * size
        index -= count
        start = limit
    raise IndexError(index)  # pragma: no cover - the last limit is beyond any text


def common_pieces(old: bytes, new: bytes) -> int:
    """Count the pieces that two texts have in common at the beginning."""
    size = min(len(old), len(new))
    a, b = (int.from_bytes(hashes[:size], "little") for hashes in (old, new))
    different = a ^ b
    # Its lowest bit that is set is in the first piece that differs.
    bits = (different & -different).bit_length() - 1 if different else size * 8
    return bits // _HASH_BITS


def common_end(old: tuple[int, ...], new: tuple[int, ...]) -> int:
    """Return how many characters two texts are known to share at the end, at least."""
    return max((n for n, a, b in zip(_ENDS, old, new, strict=False) if a == b), default=0)
