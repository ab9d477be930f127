"""The command: reads its arguments, runs the comparison, prints what came out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from langchain_bedrock_cache.demo.agent import own_agent, reference_agent
from langchain_bedrock_cache.demo.comparison import Comparison, Workload, compare
from langchain_bedrock_cache.demo.documents import Document, language_reference, read_documents
from langchain_bedrock_cache.demo.rag import own_rag, reference_rag
from langchain_bedrock_cache.demo.remarks import remarks
from langchain_bedrock_cache.demo.script import responder_for
from langchain_bedrock_cache.demo.stage import Stage, emulated_stage, live_stage
from langchain_bedrock_cache.demo.tables import steps_table, totals_table
from langchain_bedrock_cache.demo.ways import MAX_OUTPUT_TOKENS
from langchain_bedrock_cache.profiles import find_profile

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_MODEL = "us.anthropic.claude-sonnet-5"
# A live demonstration that is expected to cost more than this needs --yes.
FREE_TO_SPEND_USD = Decimal("1.00")
# Wide enough for all ways side by side, where there is no terminal that says how wide it is.
_FILE_WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is asked.

    Attributes:
        subjects: Documents to ask about.
        questions: Questions on each of them.
        conversations: Conversations with the agent.
    """

    subjects: int
    questions: int
    conversations: int


EMULATED_SIZE = Size(subjects=4, questions=4, conversations=4)
LIVE_SIZE = Size(subjects=2, questions=2, conversations=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo` to its parser."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--model",
        type=_caching_model,
        default=DEFAULT_MODEL,
        metavar="MODEL_ID",
        help="the model to emulate (default: %(default)s)",
    )
    model.add_argument(
        "--live",
        type=_caching_model,
        metavar="MODEL_ID",
        help="run a smaller demonstration on Amazon Bedrock, with your AWS account",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help=f"with --live: also go on if it is expected to cost more than {FREE_TO_SPEND_USD} USD",
    )
    parser.add_argument(
        "--documents",
        type=_existing_path,
        nargs="+",
        metavar="PATH",
        help="text files, or folders of .md, .rst and .txt files, instead of Python's reference",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demonstration.

    Args:
        args: Parsed from what `add_arguments` added.

    Returns:
        Exit status: 0, or 1 if nothing was run.
    """
    console = _console(sys.stdout)
    try:
        documents = read_documents(args.documents) if args.documents else None
    except (OSError, ValueError) as error:
        _console(sys.stderr).print(f"Cannot use these documents: {error}", soft_wrap=True)
        return 1
    if args.live:
        return _run_live(args, documents, console)
    introduction = _INTRODUCTION.format(model=args.model, source=_source(documents))
    console.print(introduction, highlight=False, markup=False)
    planned = workloads(documents, EMULATED_SIZE)
    comparisons = _compare(planned, args.model, _emulated_stages())
    _show(comparisons, console, paces=[workload.pace for workload in planned])
    return 0


def workloads(documents: Sequence[Document] | None, size: Size) -> tuple[Workload, ...]:
    """Return what is run: a RAG chain and an agent.

    Args:
        documents: The user's; `None` for Python's language reference.
        size: How much of it.
    """
    asked = {"subjects": size.subjects, "questions": size.questions}
    if documents is not None:
        agent = own_agent(documents, conversations=size.conversations)
        return own_rag(documents, **asked), agent
    reference = language_reference()
    agent = reference_agent(reference, conversations=size.conversations)
    return reference_rag(reference, **asked), agent


def estimate_live_usd(planned: Sequence[Workload], model_id: str) -> Decimal | None:
    """Return about what the workloads cost on Bedrock; `None` if no price is known.

    Every reply is taken to be as long as is allowed.

    Args:
        planned: What will be run.
        model_id: With which model.
    """
    stages = _emulated_stages(output_tokens=MAX_OUTPUT_TOKENS)
    runs = [run for done in compare(planned, model_id, stage_for=stages) for run in done.runs]
    costs = [run.cost_usd for run in runs if run.cost_usd is not None]
    return sum(costs, Decimal(0)) if len(costs) == len(runs) else None


def _run_live(
    args: argparse.Namespace, documents: Sequence[Document] | None, console: Console
) -> int:
    import boto3  # noqa: PLC0415 - a heavy import
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    planned = workloads(documents, LIVE_SIZE)
    estimate = estimate_live_usd(planned, args.live)
    calls = sum(workload.calls * len(workload.ways) for workload in planned)
    cost = "an unknown amount" if estimate is None else f"about {estimate:.2f} USD"
    console.print(f"About {calls} calls to {args.live} on Amazon Bedrock will cost {cost}.\n")
    if not args.yes and (estimate is None or estimate > FREE_TO_SPEND_USD):
        console.print(f"That is not known to be below {FREE_TO_SPEND_USD} USD: say --yes to go on.")
        return 1
    try:
        client = boto3.client("bedrock-runtime")
        comparisons = _compare(planned, args.live, lambda _workload: live_stage(client))
    except (BotoCoreError, ClientError) as error:
        _console(sys.stderr).print(f"Amazon Bedrock could not be asked: {error}", soft_wrap=True)
        return 1
    _show(comparisons, console, paces=[""] * len(planned))  # nobody waited
    return 0


def _emulated_stages(*, output_tokens: int | None = None) -> Callable[[Workload], Stage]:
    return lambda workload: emulated_stage(responder_for(workload, output_tokens=output_tokens))


def _compare(
    planned: Sequence[Workload], model_id: str, stage_for: Callable[[Workload], Stage]
) -> list[Comparison]:
    """Compare with a progress bar, on standard error, which disappears when done."""
    from rich.progress import Progress  # noqa: PLC0415 - only the demonstration needs it

    with Progress(console=_console(sys.stderr), transient=True) as progress:
        calls = sum(workload.calls * len(workload.ways) for workload in planned)
        task = progress.add_task("Calling the model", total=calls)
        return compare(
            planned, model_id, stage_for=stage_for, on_step=lambda: progress.advance(task)
        )


def _show(comparisons: Sequence[Comparison], console: Console, *, paces: Sequence[str]) -> None:
    for comparison, pace in zip(comparisons, paces, strict=True):
        console.rule(f"[bold]{comparison.title}", align="left")
        if pace:
            console.print(pace, highlight=False, markup=False)
        for table in (steps_table(comparison, width=console.width), totals_table(comparison)):
            console.print(f"\n{table}", highlight=False, markup=False, soft_wrap=True)
        console.print()
        for remark in remarks(comparison):
            console.print(f"* {remark}", highlight=False, markup=False)
        console.print()


def _console(file: TextIO) -> Console:
    from rich.console import Console  # noqa: PLC0415 - only the demonstration needs it

    return Console(file=file, width=None if file.isatty() else _FILE_WIDTH)


def _source(documents: Sequence[Document] | None) -> str:
    return "Python's language reference" if documents is None else "your documents"


def _caching_model(text: str) -> str:
    profile = find_profile(text)
    if profile is None or not profile.supports_caching:
        msg = (
            f"no prompt caching is known for {text!r}; try {DEFAULT_MODEL} or "
            "us.amazon.nova-pro-v1:0"
        )
        raise argparse.ArgumentTypeError(msg)
    return text


def _existing_path(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        msg = f"there is no {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return path


_INTRODUCTION = (
    "A RAG chain and an agent over {source}, on an emulator of {model}. No AWS account is used. "
    "Each way begins with an empty prompt cache, time is simulated, tokens are estimated (3 "
    "characters each), and USD are list prices of input and output.\n"
)
