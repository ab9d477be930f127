"""A text as hashes of its pieces and ends: where two texts part, and whether one became the other.

Hashes are keyed by numbers drawn once per process: what is kept cannot be compared with guesses by
somebody who only finds it in a dump.
"""

from __future__ import annotations

import re
import secrets
from array import array
from struct import Struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest as _digest

_SEED = secrets.randbits(64)
# Up to this offset, in characters, a text is hashed in pieces of that many: fine where prompts
# begin, coarser in long documents, and never depending on the length of the text. Each limit is
# a multiple of the next size.
_PIECES = ((4_096, 8), (32_768, 64), (1 << 62, 512))
(_FINE_CHARS, _FINE_SIZE), *_COARSE = _PIECES
_CHAR_BYTES = 2
_HASH_BYTES = 4
_FINE_BYTES = _FINE_SIZE * _CHAR_BYTES
_FACTOR = secrets.randbits(8 * _FINE_BYTES) | 1
_CUTTERS = [(limit, Struct(f"{size * _CHAR_BYTES}s")) for limit, size in _COARSE]
# Ends of this many characters are hashed, to know a text again whose beginning has changed.
_ENDS = tuple(32 << n for n in range(16))
# What `str.split` takes for whitespace, as far as it is ASCII.
_ASCII_SPACES = bytes(range(0x09, 0x0E)) + bytes(range(0x1C, 0x21))
# Characters that take four bytes in UTF-16: emoji, and rare scripts.
_WIDE = re.compile("[\U00010000-\U0010ffff]")


class TextHashes(NamedTuple):
    """What is kept of a text.

    Attributes:
        pieces: Of short pieces from the beginning, 4 bytes each.
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
        text: Of any length. Takes some 10 nanoseconds per character, less where pieces are long.

    Returns:
        Its hashes.
    """
    data = _two_bytes_each(text)
    fine = data[: _FINE_CHARS * _CHAR_BYTES]
    pieces = [_hash_fine(fine)]
    start = len(fine)
    for limit, cutter in _CUTTERS:
        if start == len(data):
            break
        part = data[start : limit * _CHAR_BYTES]
        start += len(part)
        part += bytes(-len(part) % cutter.size)
        hashes = array("I", [_digest(p, _SEED) & 0xFFFF_FFFF for (p,) in cutter.iter_unpack(part)])
        pieces.append(hashes.tobytes())
    ends = [_digest(data[-n * _CHAR_BYTES :], _SEED) for n in _ENDS if n <= len(text)]
    return TextHashes(b"".join(pieces), tuple(ends))


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
    return bits // (8 * _HASH_BYTES)


def common_end(old: tuple[int, ...], new: tuple[int, ...]) -> int:
    """Return how many characters two texts are known to share at the end, at least."""
    return max((n for n, a, b in zip(_ENDS, old, new, strict=False) if a == b), default=0)


def _hash_fine(data: bytes) -> bytes:
    """Return the hashes of the fine pieces of a text, all of them in one multiplication.

    In the product with a number as long as a piece, the last bytes at each piece are the upper part
    of a sum of products of all characters in it (multiply-shift hashing), and of what is carried on
    from before. So they are the same as long as the texts are, and not the same where these part,
    but once in 2**32 times.
    """
    pieces = -(-len(data) // _FINE_BYTES)
    product = int.from_bytes(data, "little") * _FACTOR
    words = array("I", product.to_bytes((pieces + 1) * _FINE_BYTES, "little"))
    step = _FINE_BYTES // _HASH_BYTES
    return words[step - 1 : pieces * step : step].tobytes()


def _two_bytes_each(text: str) -> bytes:
    """Return a text with two bytes per character: of those that take four, the lower two."""
    data = text.encode("utf-16-le", "surrogatepass")
    if len(data) == len(text) * _CHAR_BYTES:
        return data
    narrow = _WIDE.sub(lambda found: chr(ord(found[0]) & 0xFFFF), text)
    return narrow.encode("utf-16-le", "surrogatepass")
