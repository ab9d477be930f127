"""The command `emulate`: its arguments, for `emulator.cli`, which does the work."""

from __future__ import annotations

import argparse

from langchain_bedrock_cache.emulator import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `emulate` to its parser."""
    parser.add_argument(
        "--port",
        type=int,
        default=cli.DEFAULT_PORT,
        help="TCP port, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--region",
        default="us-east-1",
        help="AWS Region of unsigned requests (default: %(default)s)",
    )
    parser.add_argument(
        "--chars-per-token",
        type=float,
        default=3.0,
        help="characters a token, for the estimate (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Args:
        args: Parsed from what `add_arguments` added.

    Returns:
        Exit status.
    """
    return cli.run(port=args.port, region=args.region, chars_per_token=args.chars_per_token)
