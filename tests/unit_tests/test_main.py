"""The command line: which commands there are, what they import, and how they end."""

from __future__ import annotations

import argparse
import subprocess
import sys
from types import SimpleNamespace

import pytest

from langchain_bedrock_cache import __main__ as command_line
from langchain_bedrock_cache.__main__ import COMMANDS, Command, main
from langchain_bedrock_cache.exceptions import PriceNotFoundError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A command named `say` that does what a test puts into its `run`."""
    module = SimpleNamespace(
        add_arguments=lambda parser: parser.add_argument("word"), run=lambda _args: 0
    )
    monkeypatch.setitem(sys.modules, "says_a_word", module)
    monkeypatch.setattr(command_line, "COMMANDS", {"say": Command("says_a_word", "say a word")})
    return module


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` works for each command in the table, with its arguments."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: langchain-bedrock-cache {name}")
    assert printed.count(" --") > 1


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names each command and what it does."""
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for name, described in COMMANDS.items():
        assert f"{name} {described.help}" in printed


def test_help_imports_no_command() -> None:
    """`--help` costs neither langchain nor boto3, and no module of any command."""
    code = (
        "import sys; from langchain_bedrock_cache.__main__ import COMMANDS, main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'boto3', 'langchain_core', 'rich', *(c.module for c in COMMANDS.values())}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("argv", [[], ["dance"], ["demo", "--dance"]])
def test_wrong_arguments_end_with_usage(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No command, an unknown one and an unknown option exit with 2 and show the usage."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: langchain-bedrock-cache")


def test_a_command_gets_its_arguments(command: SimpleNamespace) -> None:
    """Arguments are parsed by what the command added, and its status is the exit status."""

    def run(args: argparse.Namespace) -> int:
        return len(args.word)

    command.run = run
    assert main(["say", "hello"]) == 5


@pytest.mark.parametrize("error", [PriceNotFoundError("No price."), OSError("No file.")])
def test_expected_errors_are_one_line(
    error: Exception, command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the user can mend is said in a line and exits with 1."""

    def run(_args: argparse.Namespace) -> int:
        raise error

    command.run = run
    assert main(["say", "hello"]) == 1
    assert capsys.readouterr().err == f"langchain-bedrock-cache say: {error}\n"


def test_interrupt_exits_quietly(command: SimpleNamespace) -> None:
    """Ctrl-C exits with 130, as shells expect."""

    def run(_args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    command.run = run
    assert main(["say", "hello"]) == 130


def test_module_runs_as_a_script() -> None:
    """`python -m langchain_bedrock_cache` is the same command line."""
    done = subprocess.run(
        [sys.executable, "-m", "langchain_bedrock_cache", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: langchain-bedrock-cache")


def test_emulate_passes_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command serves where, and with what estimate, it is told to."""
    served: list[dict[str, object]] = []

    def serve(**options: object) -> int:
        served.append(options)
        return 0

    monkeypatch.setattr("langchain_bedrock_cache.emulator.cli.run", serve)
    assert main(["emulate", "--port", "0", "--chars-per-token", "4"]) == 0
    assert served == [{"port": 0, "region": "us-east-1", "chars_per_token": 4.0}]
