"""The command: tables, JSON and plots out of files, and clear words when something is wrong."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.simulate import SourceReport, simulate
from langchain_bedrock_cache.simulate.cli import add_arguments, run
from langchain_bedrock_cache.simulate.logs import SKIP_REASONS
from langchain_bedrock_cache.simulate.plot import save_plot
from langchain_bedrock_cache.simulate.results import TrafficResult
from langchain_bedrock_cache.simulate.table import describe_skipped, to_table

NOVA = "amazon.nova-pro-v1:0"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A session file: three chats that pause, and a garbled line."""
    rows = []
    for name in "abc":
        messages = []
        for n in range(3):
            messages.append({"role": "user", "content": f"{name} {n} " + "word " * 1500})
            messages.append({"role": "assistant", "content": "Yes."})
        calls = [{"n": 2 * n + 1, "t": 200.0 * n * n} for n in range(3)]
        rows.append(json.dumps({"id": name, "messages": messages, "calls": calls}))
    file = tmp_path / "chat.jsonl"
    file.write_text("\n".join([*rows, "garbled"]), encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be as wide as they want."""
    monkeypatch.setenv("COLUMNS", "120")


def command(*arguments: str | Path) -> int:
    """Run the command as a shell would."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(argument) for argument in arguments]))


def one(chat: Path, *policies: str, model: str | None = None) -> TrafficResult:
    """Return the only result of the file."""
    [result] = simulate([chat], policies=policies, model=model).traffics
    return result


def rows_of(printed: str) -> dict[str, list[str]]:
    """Return the cells of every row of a printed table by the first cell."""
    lines = [re.split(r"\s*[│┃]\s*", line.strip()) for line in printed.splitlines()]
    return {cells[1]: cells[2:-1] for cells in lines if len(cells) > 3}


def test_the_table_has_the_figures_of_the_result(
    chat: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row a policy, with tokens, USD, cost over no caching and over the bound; then both bounds.

    By hand: 9 questions of 1,500 words, the first, both and all three of each chat: 3 x 6 x 2,502
    tokens at 5.50 USD a million.
    """
    assert command(chat, "--policies", "none, tail:5m,auto") == 0
    out, err = capsys.readouterr()
    result = one(chat, "none", "tail:5m", "auto")
    rows = rows_of(out)
    assert list(rows) == ["policy", "none", "tail:5m", "auto", "bound", "bound, lifetimes kept"]
    for policy in result.policies:
        *_, over_none, over_bound = rows[policy.policy]
        assert over_none == f"{policy.over_no_caching:.3f}"
        assert over_bound == f"{policy.over_bound:.3f}"
    assert rows["none"][:4] == ["45.0k", "0", "0", "0.2477"]
    assert rows["bound"][-1] == "1.000"
    assert float(rows["bound, lifetimes kept"][-1]) > 1
    assert "chat: anthropic.claude-opus-4-8" in out
    assert "9 calls, 3 sessions, 45.0k input tokens (3.00 characters a token, assumed)" in out
    assert err == "chat: 1 left out, no JSON, or no record of the expected shape\n"


def test_the_table_says_what_is_not_possible_or_refused(chat: Path) -> None:
    """A model's limits and refused calls stand below the table, logged points nobody misses not."""
    result = one(chat, "none", "head:1h", "as-logged", model=NOVA)
    refused = replace(result.policies[0], refused_calls=2)
    result = replace(
        result,
        policies=(refused,),
        scope="123456789012 us-east-1",
        is_calibrated=True,
        kept_ttl_bound_tokens=result.bound_tokens,
    )
    table = to_table(result)
    assert table.title == f"chat: {NOVA} in 123456789012 us-east-1"
    assert str(table.caption).splitlines()[1:] == [
        "not possible with this model: head:1h",
        "none: Bedrock refuses 2 of the calls",
    ]
    assert "as logged)" in str(table.caption)
    assert table.row_count == 2


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(None, "unknown"), (Decimal("1234.5"), "1,234.50"), (Decimal("0.12345"), "0.1234")],
)
def test_usd_are_readable_or_unknown(chat: Path, usd: Decimal | None, shown: str) -> None:
    """Large amounts in cents, small ones finer, and no price is not zero."""
    result = one(chat, "none")
    result = replace(result, policies=(replace(result.policies[0], cost_usd=usd),), bound_usd=usd)
    cells = list(to_table(result).columns[4].cells)
    assert cells[:2] == [shown, shown]


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (7, "7"),
        (999, "999"),
        (1000, "1.00k"),
        (45_200, "45.2k"),
        (999_999, "1000k"),
        (262_000_000, "262M"),
        (1_234_567_890, "1.23G"),
    ],
)
def test_token_counts_are_short(chat: Path, tokens: int, shown: str) -> None:
    """Three digits and a unit are enough to compare."""
    result = one(chat, "none")
    usage = replace(result.policies[0].usage, uncached_input_tokens=tokens)
    result = replace(result, policies=(replace(result.policies[0], usage=usage),))
    assert next(iter(to_table(result).columns[1].cells)) == shown


def test_what_was_left_out_is_said_by_reason() -> None:
    """One line a reason, with the number and what to do."""
    report = SourceReport(name="log", calls=1, skipped={"body_in_s3": 1234, "failed_call": 1})
    assert describe_skipped(report) == [
        f"log: 1,234 left out, {SKIP_REASONS['body_in_s3']}",
        "log: 1 left out, the call failed",
    ]


def test_json_goes_to_standard_output_or_a_file(
    chat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json nothing else is on standard output, so that it can be piped."""
    expected = simulate([chat], policies=("auto",)).as_dict()
    assert command(chat, "--policies", "auto", "--json") == 0
    assert json.loads(capsys.readouterr().out) == expected
    file = tmp_path / "result.json"
    assert command(chat, "--policies", "auto", "--json", file) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(file.read_text(encoding="utf-8")) == expected


def test_the_command_is_part_of_the_command_line(
    chat: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`langchain-bedrock-cache simulate FILE` is this command."""
    assert main(["simulate", str(chat), "--policies", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["traffics"][0]["calls"] == 9


def test_all_options_reach_the_simulation(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model, sessions, gap, ratio and workers of the command are those of the function."""
    options = [
        "--limit",
        "1",
        "--skip",
        "1",
        "--gap",
        "7",
        "--chars-per-token",
        "2",
        "--workers",
        "3",
    ]
    assert command(chat, "--model", NOVA, *options, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    expected = simulate(
        [chat], model=NOVA, limit=1, skip=1, gap_seconds=7, chars_per_token=2, workers=3
    )
    assert printed == expected.as_dict()
    assert printed["traffics"][0]["calls"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policies", "magic"], "No policy is called 'magic'"),
        (["--model", "nobody.knows-v1"], "'nobody.knows-v1' is no model"),
        (["--workers", "0"], "workers is 0"),
        (["--plot", "/nowhere/at/all.png"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    chat: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors of the user end with status 2 and a message, not with a traceback."""
    if "--plot" in arguments:
        pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    assert command(chat, *arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_nothing_to_simulate_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without a single call ends with status 1 and says so."""
    file = tmp_path / "notes.txt"
    file.write_text("no traffic here", encoding="utf-8")
    assert command(file) == 1
    assert "No call could be read" in capsys.readouterr().err


def test_a_plot_is_a_picture(chat: Path, tmp_path: Path) -> None:
    """With matplotlib, --plot writes an image of the format that its suffix names."""
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    picture = tmp_path / "cost.png"
    assert command(chat, "--policies", "none,auto", "--plot", picture) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    drawing = tmp_path / "cost.svg"
    save_plot([one(chat, "none", "auto")] * 2, drawing)
    assert "<svg" in drawing.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="no results"):
        save_plot([], picture)


def test_without_matplotlib_a_plot_says_what_to_install(
    chat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint comes before the simulation, not after minutes of it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert command(chat, "--plot", "cost.png") == 2
    out, err = capsys.readouterr()
    assert "A plot needs matplotlib: pip install 'langchain-bedrock-cache[plot]'" in err
    assert out == ""
