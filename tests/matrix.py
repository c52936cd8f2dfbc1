"""What `make matrix` runs: the built package in clean environments, with the lowest and the newest dependencies."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: What the extra `test`, and with it `all` and `demo`, brings.
EXTRAS = ("calibration", "demo", "evaluators", "parquet", "plot", "retrieval", "test")

#: Metrics of every domain, callbacks and the command line: some minutes on two cores.
QUICK = [
    "tests/test_metric.py", "tests/test_collection.py", "tests/test_ranking.py", "tests/test_promises.py",
    "tests/detection/test_box_errors.py", "tests/detection/test_estimators.py", "tests/classification",
    "tests/retrieval/test_measures.py", "tests/transferability/test_scores.py", "tests/callbacks/test_base.py",
    "tests/callbacks/test_hardest_images.py", "tests/callbacks/test_classification.py",
    "tests/callbacks/test_loggers.py", "tests/cli/test_rank.py", "tests/cli/test_program.py",
    "tests/cli/test_retrieve.py", "tests/cli/test_rank_classifier.py", "tests/cli/test_demo.py",
]  # fmt: skip


def lowest(wheel: Path) -> list[str]:
    """The lowest version that is declared of each dependency, as pip's constraints.

    Of a package that stands in several extras, the highest of these: together they ask for that one.
    """
    with zipfile.ZipFile(wheel) as content:
        (metadata,) = (name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        lines = content.read(metadata).decode().splitlines()
    versions: dict[str, str] = {}
    for line in lines:
        found = re.match(r"Requires-Dist: ([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)", line)
        extra = re.search(r"extra == '(\w+)'", line)
        if found and (extra is None or extra[1] in EXTRAS):
            name, version = found.groups()
            versions[name] = max(versions.get(name, "0"), version, key=lambda text: [int(n) for n in text.split(".")])
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def check_wheel(wheel: Path) -> None:
    """Refuse a wheel that lacks a file of the package, such as the report's scripts or `py.typed`."""
    listed = subprocess.run(
        ["git", "ls-files", "hardest_metrics"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    missing = sorted(set(listed.stdout.splitlines()) - set(zipfile.ZipFile(wheel).namelist()))
    if missing or "hardest_metrics/py.typed" not in listed.stdout:
        raise SystemExit(f"{wheel} lacks {missing or 'py.typed'}")


def build(folder: Path) -> Path:
    """Build an sdist, and from that the wheel."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    check_wheel(wheel)
    return wheel


def tried(which: str, wheel: Path, folder: Path) -> bool:
    """Install a wheel into an environment of its own, and run the quick tests on it."""
    python = folder / "venv" / "bin" / "python"
    venv.create(folder / "venv", with_pip=True, clear=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lowest(wheel)) if which == "lowest" else "")
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, f"hardest_metrics[test] @ {wheel.as_uri()}", "--constraint", constraints], check=True)
    subprocess.run([python, "-m", "pip", "check"], check=False)
    # beside nothing but the tests, so that it is the installed package which is tried
    for name in ("tests", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    home = subprocess.run(
        [python, "-c", "import hardest_metrics; print(hardest_metrics.__file__)"],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    if "site-packages" not in home:
        raise SystemExit(f"the package that is tried is not the installed one, but {home}")
    # what other releases warn of is no concern of ours
    tests: list[str | Path] = [python, "-m", "pytest", "-q", "-W", "ignore", "--numprocesses", "2", *QUICK, "README.md"]
    return subprocess.run(tests, cwd=folder, check=False).returncode == 0


def main() -> None:
    """Try both, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["lowest", "newest"], help="default: both")
    parser.add_argument("--keep", type=Path, help="a folder for the environments, which are removed otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matrix-") as temporary:
        base = options.keep or Path(temporary)
        wheel = build(base / "dist")
        failed = []
        for which in [options.only] if options.only else ["lowest", "newest"]:
            print(f"\n== {which} versions", flush=True)
            if not tried(which, wheel, base / which):
                failed.append(which)
            if not options.keep:
                shutil.rmtree(base / which)
    raise SystemExit(f"\ntests failed with the {' and the '.join(failed)} versions" if failed else None)


if __name__ == "__main__":
    main()
