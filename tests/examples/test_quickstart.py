"""The notebook runs from top to bottom, and holds no outputs."""

import asyncio
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def test_outputs_are_stripped(notebook: Any) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_it_runs_and_shows_what_it_says(notebook: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's packages
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
        environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # the tests' own is Agg
        with ThreadPoolExecutor(1) as thread:  # a browser that other tests drive has a loop running in this one
            thread.submit(asyncio.run, client.async_execute(env=environment)).result()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in shown for kind in output.get("data", {})]
    assert kinds.count("image/png") == 2  # the grid and the plot of kinds
    texts = [output.get("data", {}).get("text/plain", output.get("text", "")) for output in shown]
    assert any(text.startswith("Ranking(24 images, hardest first") for text in texts)
    assert any("report.html" in text for text in texts)
    assert [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"] == []
