"""Runs the notebooks and tells what their cells print.

`python tests/unit_tests/notebook_runs.py` runs every notebook and saves it with its outputs;
`test_notebooks.py` checks that they are what is committed. Outputs of cells that carry the tag
`varies` (times, say) are not compared.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
_SECONDS_A_CELL_MAY_TAKE = 60


def read(path: Path) -> Any:
    """Return a notebook, a `NotebookNode`."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def executed(notebook: Any) -> Any:
    """Return a copy of a notebook with the outputs of a run in a new kernel.

    Args:
        notebook: As `read` returns it.

    Raises:
        CellExecutionError: If a cell raises.
    """
    fresh = copy.deepcopy(notebook)
    client = NotebookClient(
        fresh,
        timeout=_SECONDS_A_CELL_MAY_TAKE,
        kernel_name="python3",
        record_timing=False,  # the same run is the same file ...
        coalesce_streams=True,  # ... however fast the kernel printed
    )
    client.execute()
    # Which Python ran it is of no interest, and differs from machine to machine.
    fresh.metadata = notebook.metadata
    return fresh


def outputs(cell: Any) -> list[str]:
    """Return what a code cell shows as text, printed or as its result; errors and warnings too."""
    texts = []
    for output in cell.outputs:
        data = output.get("data", {})
        shown = output.get("text", data.get("text/plain", output.get("evalue", "")))
        texts.append(f"{output.get('name', output.output_type)}: {shown}")
    return texts


def code_cells(notebook: Any) -> list[Any]:
    """Return the code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def main() -> None:
    """Run every notebook, and save it with its outputs."""
    for path in NOTEBOOKS:
        nbformat.write(executed(read(path)), path)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
