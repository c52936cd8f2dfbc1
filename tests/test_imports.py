"""Importing costs no more than what is used: a metric waits for no trainer and no plotting, `--help` not for torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hardest_metrics

#: Modules that each take more than a tenth of a second.
HEAVY = {
    "lightning",
    "matplotlib.pyplot",
    "mlflow",
    "pandas",
    "pyarrow",
    "pytorch_lightning",
    "scipy.stats",
    "sklearn",
    "tensorboard",
    "wandb",
}


def shown_by(code: str) -> Any:
    """What `code` shows last, in JSON, in a new interpreter."""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout.splitlines()[-1])


def test_a_metric_brings_nothing_heavy_and_packages_are_found_by_name_afterwards() -> None:
    folder = Path(hardest_metrics.__file__).parent
    packages = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    assert {"calibration", "data", "functional", "losses", "plot"} <= set(packages)
    before, brought, slope, names = shown_by(f"""
import json, sys, torch, torchmetrics
before = set(sys.modules)
from hardest_metrics import TotalFalse
from hardest_metrics.detection import ScoreSampling
import hardest_metrics.functional
brought = set(sys.modules) - before
for name in {packages}:
    assert getattr(hardest_metrics, name).__name__ == f"hardest_metrics.{{name}}"
slope = hardest_metrics.calibration.Platt(1.0).slope
print(json.dumps([[*before], [*brought], slope, dir(hardest_metrics)]))
""")
    assert {"torch", "torchmetrics"} <= set(before)
    assert "hardest_metrics.detection" in brought
    assert not HEAVY & set(brought)
    # nor anything else that torchmetrics has not loaded
    assert {module.split(".")[0] for module in brought} <= {"hardest_metrics", *sys.stdlib_module_names}
    assert slope == 1
    assert {*packages, *hardest_metrics.__all__} <= set(names)
    # type checkers can't follow: they are told of each
    source = Path(hardest_metrics.__file__).read_text()
    assert [name for name in packages if f"import {name} as {name}\n" not in source] == []


def test_the_package_alone_brings_nothing() -> None:
    loaded = shown_by("import json, sys, hardest_metrics; print(json.dumps([*sys.modules]))")
    assert not {"torch", "torchmetrics", "numpy", *HEAVY} & set(loaded)


def test_help_does_not_wait_for_torch() -> None:
    loaded = shown_by("""
import json, sys
from hardest_metrics.cli import main
for command in ([], ["rank"]):
    sys.argv = ["hardest-metrics", *command, "--help"]
    try:
        main()
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
print(json.dumps([*sys.modules]))
""")
    assert "hardest_metrics.cli" in loaded
    assert not {"torch", "torchmetrics", "torchvision", "PIL", *HEAVY} & set(loaded)


def test_names_that_nothing_has_are_refused() -> None:
    for name in ("detections", "rows_of", "_lazy_", "py"):
        assert not hasattr(hardest_metrics, name)
