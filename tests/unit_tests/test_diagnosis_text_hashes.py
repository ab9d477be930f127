"""Texts as hashes of pieces and ends: the place where two part is found again without the texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import words

from langchain_bedrock_cache.sent_requests.text_hashes import (
    common_end,
    common_pieces,
    hash_text,
    piece_bounds,
    without_spaces,
)

_TEXT = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_characters="\0") | st.sampled_from("🚢🏝😀🂡"),
    max_size=60,
)


@pytest.mark.parametrize("index", [0, 1, 511, 512, 513, 959, 960, 961, 5_000])
def test_pieces_follow_each_other(index: int) -> None:
    """A piece begins where the one before ends, also where they become longer."""
    start, end = piece_bounds(index)
    assert piece_bounds(index + 1)[0] == end
    assert end > start


@pytest.mark.parametrize("offset", [0, 7, 8, 1_023, 1_024, 4_095, 4_096, 32_767, 32_768, 33_280])
def test_the_place_of_a_difference_is_found(offset: int) -> None:
    """One character that changed is in the piece that is found, whatever the size of pieces."""
    text = words(12_000)
    assert len(text) > offset
    changed = f"{text[:offset]}\N{SNOWMAN}{text[offset + 1 :]}"
    start, end = piece_bounds(common_pieces(hash_text(text).pieces, hash_text(changed).pieces))
    assert start <= offset < end


@given(_TEXT, _TEXT, _TEXT)
def test_common_pieces_and_ends_are_common(start: str, middle: str, end: str) -> None:
    """Of two texts, no piece counts as common that is not, and none is missed that is."""
    old, new = start + middle + end, start + end
    parting = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
    pieces = common_pieces(hash_text(old).pieces, hash_text(new).pieces)
    if parting is not None:
        assert piece_bounds(pieces)[0] <= parting < piece_bounds(pieces)[1]
    shared = common_end(hash_text(old).ends, hash_text(new).ends)
    assert old[len(old) - shared :] == new[len(new) - shared :]
    assert 2 * shared > min(len(end), 64) - 32


def test_hashes_do_not_depend_on_the_length() -> None:
    """Two texts of different lengths have the same hashes as far as they are the same."""
    short, long = hash_text(words(3_000)).pieces, hash_text(words(20_000)).pieces
    assert len(short) < len(long)
    assert common_pieces(short, long) >= len(short) // 4 - 1


@given(st.text())
def test_without_spaces(text: str) -> None:
    """ASCII and other texts lose the same whitespace, that of `str.split`."""
    assert without_spaces(text) == "".join(text.split()).encode("utf-8", "surrogatepass")


@given(st.text(st.characters(codec="ascii")))
def test_without_ascii_spaces(text: str) -> None:
    """The faster way for ASCII comes to the same."""
    assert without_spaces(text).decode() == "".join(text.split())
