"""Runs the Python blocks of README.md, and writes what a statement prints below it.

`python tests/unit_tests/readme_blocks.py` brings the README up to date; `test_readme.py` checks
that it is. Blocks run from top to bottom in one namespace, as in one notebook. Tables between
`<!-- NAME: generated -->` and `<!-- NAME: end -->` are written by the functions in `TABLES`.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.permissions import FEATURES, Permission
from langchain_bedrock_cache.profiles import ModelProfile, shipped_profiles
from langchain_bedrock_cache.simulate import TrafficResult, simulate

WORKLOADS_FOLDER = "BEDROCK_CACHE_WORKLOADS"
# What the files hold, and how many of their sessions make a table in seconds.
WORKLOADS = {
    "rag_squality": ("Questions on documents (SQuALITY)", 20),
    "trace_claudecode": ("Agents with human pauses (Claude Code)", 30),
    "agents_tau2": ("Customer service agents (tau2-bench)", 40),
    "agents_openhands": ("Coding agents (OpenHands)", 10),
    "chat": ("Chats, mostly short", 80),
    "trace_mooncake_conversation": ("Production prompts, few alike (Mooncake)", 300),
}
MODELS = {"Opus 4.8": "anthropic.claude-opus-4-8", "Nova Pro": "amazon.nova-pro-v1:0"}
POLICIES = ("langchain-aws", "auto")

README = Path(__file__).parents[2] / "README.md"
SKIPPED = "# Not run by the tests:"
_OUTPUT = "#> "
_FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A Python block of the README.

    Attributes:
        line: Line of the README on which its code begins.
        text: Its code, with the `#>` lines.
    """

    line: int
    text: str

    @property
    def is_skipped(self) -> bool:
        """Whether it says that it is not run."""
        return self.text.startswith(SKIPPED)


def python_blocks(readme: str) -> list[Block]:
    """Return the Python blocks of the README, in order."""
    return [
        Block(line=readme.count("\n", 0, match.start(1)) + 1, text=match[1])
        for match in _FENCE.finditer(readme)
    ]


def with_output(block: Block, namespace: dict[str, Any]) -> str:
    """Run a block and return its text with what it printed, after each outermost statement.

    Args:
        block: What to run, unless it is skipped.
        namespace: Of the blocks before; changed.
    """
    if block.is_skipped:
        return block.text
    lines = [line for line in block.text.splitlines() if not line.startswith(_OUTPUT.rstrip())]
    filename = f"README.md, block on line {block.line}"
    source = "\n".join(lines)
    tree = ast.parse(source, filename)
    code = compile(tree, filename, "exec")
    statement_end = {
        line: node.end_lineno or line
        for node in tree.body
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    printed: defaultdict[int, list[str]] = defaultdict(list)

    def record(*values: object) -> None:
        below = statement_end[_running_line(code)]
        printed[below] += " ".join(map(str, values)).splitlines()

    namespace["print"] = record
    exec(code, namespace)  # noqa: S102 - our own README
    return "".join(f"{line}\n" for line in _woven(lines, printed))


@contextmanager
def one_memory() -> Iterator[None]:
    """Let all blocks share a memory in which no time passes: slow machines decide alike."""
    memory = PrefixMemory(clock=SimulatedClock())
    with patch("langchain_bedrock_cache.client.default_memory", lambda: memory):
        yield


def _running_line(code: CodeType) -> int:
    """Return the line of the block that is being executed, whatever function has printed."""
    frame = sys._getframe()
    while frame.f_code is not code:
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_lineno


def _woven(lines: list[str], printed: Mapping[int, list[str]]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        yield line
        for output in printed.get(number, ()):
            yield f"{_OUTPUT}{output}".rstrip()


def models_table() -> str:
    """Return the supported models, those with the same limits in one row."""
    rows: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for profile in shipped_profiles():
        if profile.supports_caching:
            rows[_limits(profile)].append(f"`{profile.id}`")
    assert rows
    return "\n".join(
        [
            "| Models | Minimum tokens | Lifetimes | Points in | Points after | Lookback |",
            "|---|---|---|---|---|---|",
            *(f"| {', '.join(ids)} | {' | '.join(limits)} |" for limits, ids in rows.items()),
        ]
    )


def _limits(profile: ModelProfile) -> tuple[str, ...]:
    after = (
        "text" if profile.points_after == "text" else "all but " + ", ".join(profile.never_after)
    )
    return (
        f"{profile.min_tokens_per_cache_point:,}",
        ", ".join(profile.ttls),
        ", ".join(profile.sections),
        after,
        f"{profile.lookback_blocks} blocks" if profile.lookback_blocks else "none",
    )


def permissions_table() -> str:
    """Return the IAM actions: which features need them, for which operations, and on what."""
    features: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for feature, permissions in FEATURES.items():
        for permission in permissions:
            features[_permission_cells(permission)].append(feature)
    assert features
    return "\n".join(
        [
            "| Action | For | Operations | Resources |",
            "|---|---|---|---|",
            *(
                f"| {action} | {', '.join(names)} | {' | '.join(rest)} |"
                for (action, *rest), names in features.items()
            ),
        ]
    )


def _permission_cells(permission: Permission) -> tuple[str, str, str]:
    # What begins an ARN is for the policy; a reader wants to know what it is the ARN of.
    resources = [f"`{arn.split(':', maxsplit=5)[-1]}`" for arn in permission.resources]
    return f"`{permission.action}`", ", ".join(permission.operations), ", ".join(resources)


def workloads_table() -> str | None:
    """Return what policies cost on real traffic; `None` if that is not at hand."""
    folder = os.environ.get(WORKLOADS_FOLDER)
    if folder is None:
        return None
    heads = [
        f"{name}: {column}" for name in MODELS for column in ("langchain-aws", "ours", "bound")
    ]
    rows = [["Traffic", "Calls", *heads], ["---"] * (2 + len(heads))]
    for file, (what, sessions) in WORKLOADS.items():
        results = [
            simulate([f"{folder}/{file}.jsonl.gz"], model=model, limit=sessions, policies=POLICIES)
            for model in MODELS.values()
        ]
        shares = [share for result in results for share in _shares(result.traffics[0])]
        rows.append([what, f"{results[0].traffics[0].calls:,}", *(f"{s:.0%}" for s in shares)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _shares(traffic: TrafficResult) -> list[float]:
    results = [traffic.policy(name) for name in POLICIES]
    bound = results[0].over_no_caching / results[0].over_bound
    return [*(result.over_no_caching for result in results), bound]


TABLES: Mapping[str, Callable[[], str | None]] = {
    "models": models_table,
    "permissions": permissions_table,
    "workloads": workloads_table,
}


def with_tables(readme: str) -> str:
    """Return the README with its generated tables as they should be, where that can be told."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->"
        before, found, rest = readme.partition(begin)
        _, ended, after = rest.partition(end)
        assert found, f"README.md has no table {name}"
        assert ended, f"The table {name} of README.md has no end"
        text = table()
        if text is not None:
            readme = f"{before}{begin}\n{text}\n\n{end}{after}"
    return readme


def main() -> None:
    """Bring README.md up to date."""
    readme = with_tables(README.read_text(encoding="utf-8"))
    namespace: dict[str, Any] = {}
    with one_memory():
        texts = iter([with_output(block, namespace) for block in python_blocks(readme)])
    updated = _FENCE.sub(lambda _match: f"```python\n{next(texts)}```", readme)
    README.write_text(updated, encoding="utf-8")


if __name__ == "__main__":
    main()
