"""Command line: `python -m langchain_bedrock_cache COMMAND`, or `langchain-bedrock-cache COMMAND`.

A command is a module with `add_arguments(parser)` and `run(args) -> int` (the exit status). Only
the module of the command at hand is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

from langchain_bedrock_cache.exceptions import BedrockCacheError

_INTERRUPTED = 130


class Command(NamedTuple):
    """Where a command lives, and what it does in a line."""

    module: str
    help: str


COMMANDS: Mapping[str, Command] = {
    "demo": Command(
        "langchain_bedrock_cache.demo.cli",
        "compare ways of caching on a RAG chain and an agent; no AWS account needed",
    ),
    "emulate": Command(
        "langchain_bedrock_cache.commands.emulate",
        "serve a local Bedrock with a prompt cache, over HTTP",
    ),
    "explain": Command(
        "langchain_bedrock_cache.commands.explain",
        "say why a request reads nothing from the prompt cache, from files",
    ),
    "report": Command(
        "langchain_bedrock_cache.commands.report",
        "say what the prompt cache did, from CloudWatch; make a dashboard and alarms",
    ),
    "probe": Command(
        "langchain_bedrock_cache.commands.probe",
        "check that prompt caching works here, and measure it on a model",
    ),
    "roi": Command(
        "langchain_bedrock_cache.commands.roi",
        "estimate what prompt caching saves a day",
    ),
    "serverless": Command(
        "langchain_bedrock_cache.commands.serverless",
        "write what deploys questions on documents in Lambda and Step Functions",
    ),
    "simulate": Command(
        "langchain_bedrock_cache.simulate.cli",
        "replay recorded traffic: what caching would have cost",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments; default: those of the process.

    Returns:
        Exit status: that of the command; 1 after an error; 130 after Ctrl-C.

    Raises:
        SystemExit: After `--help`, `--version` and wrong arguments, as argparse does.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    module: Any = import_module(COMMANDS[command].module) if command else None
    parser = _parser()
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        if name == command:
            module.add_arguments(subparser)
    parsed = parser.parse_args(arguments)
    try:
        return int(module.run(parsed))
    except (BedrockCacheError, OSError) as error:
        sys.stderr.write(f"{parser.prog} {command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="langchain-bedrock-cache",
        description="Prompt caching for LangChain on Amazon Bedrock.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    return parser


class _Version(argparse.Action):
    """argparse's own action wants the version before anybody has asked for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_args: Any, **_kwargs: Any) -> None:
        parser.exit(message=f"{parser.prog} {version('langchain-bedrock-cache')}\n")


if __name__ == "__main__":
    sys.exit(main())
