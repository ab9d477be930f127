"""The notebooks are committed with the outputs that they have when they are run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from notebook_runs import NOTEBOOKS, code_cells, executed, outputs, read

UPDATE = "run: python tests/unit_tests/notebook_runs.py"


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep kernels away from the settings and the history of whoever runs the tests."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def test_there_are_notebooks() -> None:
    """The folder is found, and the quickstart is in it."""
    assert "quickstart.ipynb" in {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_those_of_a_run(path: Path) -> None:
    """Running a notebook from top to bottom gives the committed outputs, cell by cell."""
    committed = read(path)
    for cell, again in zip(code_cells(committed), code_cells(executed(committed)), strict=True):
        if "varies" not in cell.metadata.get("tags", ()):
            assert outputs(cell) == outputs(again), f"{UPDATE}\n{cell.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_clean(path: Path) -> None:
    """Cells were run in order, without errors or warnings, and name no machine."""
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    shown = [text for cell in cells for text in outputs(cell)]
    assert shown
    assert not [text for text in shown if text.startswith(("stderr:", "error:"))]
    everything = json.loads(path.read_text(encoding="utf-8"))
    assert set(everything["metadata"]["kernelspec"].values()) == {"python3", "Python 3", "python"}
    assert str(Path.home()) not in path.read_text(encoding="utf-8")
