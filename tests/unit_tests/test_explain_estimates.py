"""How long a prompt in a file may be, and what is said of it: nothing that may be wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import test_emulator_recorded as recordings
from hypothesis import given
from hypothesis import strategies as st
from wire import CLAUDE, IMAGE, LLAMA, NOVA, POINT, ask, document, text, tool, tool_use, user

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.explain import explain
from langchain_bedrock_cache.explain.estimates import RECORDED, Ruler, span_of
from langchain_bedrock_cache.explain.reading import read_body

MINIMUM = 1_024
FOLDER = os.environ.get("BEDROCK_CACHE_RECORDED", "")
needs_recordings = pytest.mark.skipif(
    not FOLDER, reason="BEDROCK_CACHE_RECORDED does not name the folder of recorded traffic"
)


def prompt(chars: int, **more: Any) -> dict[str, Any]:
    """Return a request of so many characters, with a cache point at its end."""
    return ask(user({"text": "x" * chars}, POINT), **more)


def recorded(name: str) -> list[Any]:
    """Return the exchanges of a recording that have a usage, and all of their text."""
    exchanges = recordings.read(name)
    return [e for e in exchanges if recordings.TRIMMED not in str(e.body)]


@needs_recordings
def test_the_table_is_what_was_recorded() -> None:
    """Characters and tokens of each row are those of the recording, and no shape is left out."""
    counted = {}
    for name in recordings.NAMES:
        for n, exchange in enumerate(recorded(name)):
            read = read_body(exchange.body, exchange.path.split("/")[-2].replace("%3A", ":"))
            ratio = (read.prefix.chars[-1], exchange.prompt_tokens)
            counted[f"{name}#{n}"] = ratio
    assert len(counted) >= len(RECORDED)
    for row in RECORDED:
        assert counted[row.source] == (row.chars, row.tokens)
    ratios = [chars / tokens for chars, tokens in counted.values()]
    table = [row.chars / row.tokens for row in RECORDED]
    assert min(ratios) >= 0.99 * min(table)
    assert max(ratios) <= 1.01 * max(table)


@needs_recordings
@pytest.mark.parametrize("name", recordings.NAMES)
def test_what_bedrock_cached_is_not_too_short(name: str) -> None:
    """Every recorded prompt whose text is whole was cached, and is not said to be too short."""
    for exchange in recorded(name):
        usage = exchange.usage
        assert usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"] >= MINIMUM
        model = exchange.path.split("/")[-2].replace("%3A", ":")
        found = explain(exchange.body, exchange.body, model=model)
        assert (found.diagnosis.verdict, found.is_fine) == ("hit", True)
        assert span_of_last(exchange.body, model).may_reach(exchange.prompt_tokens)


def span_of_last(body: dict[str, Any], model: str) -> Any:
    """Return how many tokens a whole body may have."""
    read = read_body(body, model)
    return span_of(read.converse, read.prefix, len(read.prefix), Ruler())


def test_short_beyond_doubt() -> None:
    """A few hundred characters are no 1,024 tokens: that fails, and says how sure it is."""
    found = explain(prompt(900))
    assert found.diagnosis.verdict == "too_short"
    assert str(found) == (
        "request: too short: about 300 tokens (151 to 411), and this model caches from 1,024 on"
    )
    assert found.notes == ()


def test_perhaps_too_short_is_a_note() -> None:
    """What may be long enough is judged as if it were, and a note says how long it may be."""
    for chars in (2_700, 3_600):
        found = explain(prompt(chars), prompt(chars))
        assert (found.diagnosis.verdict, found.is_fine) == ("hit", True)
        (note,) = found.notes
        assert note.startswith(f"perhaps too short: about {chars // 3:,} tokens (")
        assert note.endswith("and this model caches from 1,024 on")
    assert explain(prompt(9_000)).notes == ()


def test_a_change_is_found_in_what_may_be_too_short() -> None:
    """A short prompt with a date in it: the date is what is said, the length a note."""
    now, before = (
        ask(user("Hi"), system=[{"text": f"It is {day}. " + "x" * 2_700}, POINT])
        for day in ("Monday", "Friday")
    )
    found = explain(now, before)
    assert str(found.diagnosis.change) == "system[0], character 6 (a date, perhaps)"
    assert found.notes


@pytest.mark.parametrize(
    "request_",
    [
        ask(user(IMAGE, "What is it?", POINT)),
        ask(user(document("pdf", 10), "What is it?", POINT)),
        ask(
            user("Hi"),
            {"role": "assistant", "content": [tool_use()]},
            user({"toolResult": {"toolUseId": "call-0", "content": [IMAGE]}}, POINT),
        ),
    ],
    ids=["image", "pdf", "image in a result"],
)
def test_media_may_take_any_number_of_tokens(request_: dict[str, Any]) -> None:
    """Of images and documents nobody knows what they take: no verdict on length."""
    found = explain(request_)
    assert found.is_fine
    assert "what its images and documents take is not known" in found.notes[0]


def test_documents_of_text_are_text() -> None:
    """A document in a text format is as long as its text."""
    assert explain(ask(user(document("txt", 100), "Hi", POINT))).diagnosis.verdict == "too_short"
    assert explain(ask(user(document("txt", 1_000), "Hi", POINT))).is_fine


def test_other_scripts_take_more_tokens() -> None:
    """900 Chinese characters may be more than 1,024 tokens, 900 letters are not."""
    assert explain(ask(user({"text": "语" * 900}, POINT))).is_fine
    assert not explain(prompt(900)).is_fine


def test_tools_bring_a_prompt_of_their_own() -> None:
    """Claude is told how to use tools: 1,500 characters with a tool may be enough."""
    assert not explain(prompt(1_500)).is_fine
    assert explain(prompt(1_500, tools=[tool(10)])).is_fine


def test_whoever_has_counted_is_believed() -> None:
    """With tokens, or characters per token, there is no range and no note."""
    short = explain(prompt(3_600), tokens=1_000)
    assert str(short).endswith("too short: 1,000 tokens, and this model caches from 1,024 on")
    assert explain(prompt(3_600), prompt(3_600), tokens=1_024).diagnosis.verdict == "hit"
    found = explain(prompt(2_700), chars_per_token=2.5)
    assert (found.diagnosis.verdict, found.notes) == ("first_write", ())
    found = explain(prompt(3_600), chars_per_token=4)
    assert "too short: about 900 tokens, and" in str(found)
    inside = ask(user({"text": "x" * 1_800}, POINT, {"text": "x" * 1_800}))
    assert "too short: about 600 tokens, and" in str(explain(inside, tokens=1_200))


def test_estimates_are_called_that() -> None:
    """Tokens that were not read are `about` so many, unless somebody has counted."""
    texts = [{"text": f"It is {day}. " + "x" * 9_000} for day in ("Monday", "Friday")]
    before, now = (ask(user("Hi"), system=[text, POINT]) for text in texts)
    assert str(explain(now, before)).endswith("; about 3,005 tokens not read")
    assert str(explain(now, before, tokens=4_000)).endswith("; 3,999 tokens not read")
    assert explain(now, before).as_dict()["is_estimated"] is True


@pytest.mark.parametrize(
    "numbers", [{"tokens": 0}, {"chars_per_token": 0}, {"tokens": 9, "chars_per_token": 3}]
)
def test_numbers_that_make_no_sense(numbers: dict[str, Any]) -> None:
    """Zero tokens, no characters, and both at once are refused."""
    with pytest.raises(CachePolicyError):
        explain(prompt(900), **numbers)


def test_too_long_is_an_estimate_as_well() -> None:
    """Nova's cap is compared with an estimate, and that is said."""
    found = explain(prompt(90_000, model=NOVA), prompt(90_000, model=NOVA))
    assert found.diagnosis.verdict == "too_long"
    assert "too long: about 30,000 tokens, and this model caches up to 20,000" in str(found)


def test_a_model_without_caching_has_no_minimum() -> None:
    """Nothing is said about the length of a prompt that no length helps."""
    found = explain(prompt(2_700, model=LLAMA))
    assert (found.diagnosis.verdict, found.notes) == ("unsupported", ())


@given(st.text(max_size=300))
def test_the_estimate_is_within_its_range(written: str) -> None:
    """Whatever the script, the estimate is between the least and the most."""
    request = ask(user({"text": written or "."}), model=CLAUDE)
    span = span_of(request, read_converse(request), 1, Ruler())
    assert span.most is not None
    assert span.least <= span.about <= span.most


def test_the_command_takes_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--tokens` and `--chars-per-token` decide the exit status; both together are refused."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(ask(user(text(900)))))
    assert main(["explain", str(path)]) == 0
    assert "  perhaps too short: about 900 tokens (" in capsys.readouterr().out
    assert main(["explain", str(path), "--tokens", "1000"]) == 1
    assert main(["explain", str(path), "--chars-per-token", "2"]) == 0
    assert main(["explain", str(path), "--tokens", "0"]) == 2
    with pytest.raises(SystemExit):
        main(["explain", str(path), "--tokens", "1000", "--chars-per-token", "2"])
