"""The command `simulate`: recorded traffic in, tables out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.simulate.plot import check_plotting, save_plot
from langchain_bedrock_cache.simulate.policies import DEFAULT_POLICIES
from langchain_bedrock_cache.simulate.reading import DEFAULT_GAP_SECONDS, DEFAULT_MODEL
from langchain_bedrock_cache.simulate.results import SimulationResult
from langchain_bedrock_cache.simulate.run import Progress, simulate
from langchain_bedrock_cache.simulate.table import describe_skipped, to_table

if TYPE_CHECKING:
    from rich.console import Console

DESCRIPTION = """\
Replay recorded traffic under several caching policies and show what each would have cost.
Nothing is sent anywhere: the prompt cache is simulated."""

_STDOUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser.

    Args:
        parser: Of the command; `run` takes what it parses.
    """
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="FILE",
        help="model invocation logs (S3 or CloudWatch), session files, or folders; .gz or not",
    )
    parser.add_argument(
        "--model",
        help=f"simulate all calls with this model (default: as logged, else {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--policies",
        metavar="A,B",
        type=_names,
        default=DEFAULT_POLICIES,
        help=f"of {', '.join(DEFAULT_POLICIES)}, or parts of your choice: system:1h+tail:5m",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N sessions of a file, or calls of a log"
    )
    parser.add_argument(
        "--skip", type=int, default=0, metavar="N", help="leave out the first N of them"
    )
    parser.add_argument(
        "--gap",
        type=float,
        default=DEFAULT_GAP_SECONDS,
        metavar="SECONDS",
        help="between the starts of a file's sessions; logs have times (default: %(default)g)",
    )
    parser.add_argument(
        "--chars-per-token",
        type=float,
        metavar="X",
        help="default: what logged token counts say, else 3.0",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="spread the sessions over N processes, each with a memory of its own",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const=_STDOUT,
        metavar="FILE",
        help="write JSON instead of tables, to a file or to standard output",
    )
    parser.add_argument("--plot", metavar="FILE.png", help="draw cost over bound (needs [plot])")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Args:
        args: What a parser with `add_arguments` parsed.

    Returns:
        Exit status: 0, or 1 if no call could be read, or 2 if the arguments make no sense.
    """
    try:
        if args.plot:
            check_plotting()
        with _progress() as on_progress:
            result = simulate(
                args.paths,
                model=args.model,
                policies=args.policies,
                chars_per_token=args.chars_per_token,
                limit=args.limit,
                skip=args.skip,
                gap_seconds=args.gap,
                workers=args.workers,
                on_progress=on_progress,
            )
        _write(result, json_path=args.json, plot_path=args.plot)
    except (BedrockCacheError, ImportError, OSError, ValueError) as error:
        _say(f"simulate: {error}")
        return 2
    return 0 if result.traffics else 1


def _write(result: SimulationResult, *, json_path: str | None, plot_path: str | None) -> None:
    if json_path:
        data = orjson.dumps(
            result.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        if json_path == _STDOUT:
            sys.stdout.write(data.decode())
        else:
            Path(json_path).write_bytes(data)
    else:
        console = _console()
        for traffic in result.traffics:
            console.print(to_table(traffic))
            console.print()
    if plot_path and result.traffics:
        save_plot(result.traffics, plot_path)
    notes = [line for source in result.sources for line in describe_skipped(source)]
    if not result.traffics:
        notes.append("No call could be read: nothing to simulate.")
    for note in notes:
        _say(note)


def _say(message: str) -> None:
    # No markup: messages hold brackets that mean what they say, as in "[plot]".
    _console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a progress bar on standard error while the block runs."""
    from rich.progress import Progress as Bar  # noqa: PLC0415 - 50 ms, and only people need it

    console = _console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {step: bar.add_task(step, total=None) for step in ("reading", "replaying")}

        def on_progress(step: str, done: int, total: int) -> None:
            bar.update(tasks[step], completed=done, total=total)

        yield on_progress


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console  # noqa: PLC0415 - 50 ms, and only people need it

    return Console(stderr=stderr)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
