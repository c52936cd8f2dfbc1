"""Importing costs no more than what is used: a metric waits for no trainer and no plotting, `--help` not for torch."""

import json
import subprocess
import sys
from typing import Any

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


def test_a_metric_brings_nothing_heavy() -> None:
    before, brought = shown_by("""
import json, sys, torch, torchmetrics
before = set(sys.modules)
from hardest_metrics import TotalFalse
from hardest_metrics.detection import ScoreSampling
import hardest_metrics.functional
print(json.dumps([[*before], [*set(sys.modules) - before]]))
""")
    assert {"torch", "torchmetrics"} <= set(before)
    assert "hardest_metrics.detection" in brought
    assert not HEAVY & set(brought)
    # nor anything else that torchmetrics has not loaded
    assert {module.split(".")[0] for module in brought} <= {"hardest_metrics", *sys.stdlib_module_names}


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
