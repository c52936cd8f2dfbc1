import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from hardest_metrics.cli import program
from hardest_metrics.cli import rank as rank_command
from tests.cli.commands import Run, rank


def test_a_full_disk_is_one_line_too(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "ranking.csv")

    monkeypatch.setattr("hardest_metrics.data.write_ranking", full)
    code, out, err = run(*rank(coco), "--out", coco / "ranking.csv")
    assert (code, out, err) == (2, "", "hardest-metrics: error: ranking.csv: No space left on device\n")


def test_a_disk_too_full_for_what_is_printed_is_one_line(coco: Path) -> None:
    command = [sys.executable, "-m", "hardest_metrics.cli", *map(str, rank(coco))]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    expected = "hardest-metrics: error: standard output: No space left on device\n"
    assert (result.returncode, result.stderr) == (2, expected)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_is_one_line(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def lacks(*_: object) -> None:
        raise error

    monkeypatch.setattr(rank_command, "measured", lacks)
    code, out, err = run(*rank(coco))
    assert (code, out) == (2, "")
    assert err.startswith("hardest-metrics: error: there is not enough memory for this. ")


def test_what_is_very_long_is_cut_in_the_middle(coco: Path, run: Run) -> None:
    code, _, err = run(*rank(coco), "--labels", "x" * 5000)
    assert code == 2
    assert len(err) < 1100
    assert err.startswith("hardest-metrics: error: No category is named 'xxx")
    assert err.endswith("xxx'. Choose from: 'person', 'car', 'traffic light'.\n")


def test_warnings_of_libraries_do_not_reach_the_terminal(coco: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(coco / "images" / "one.png")  # a hundred megapixels in a few kilobytes
    document = json.loads((coco / "instances.json").read_text())
    document["images"][0] |= {"width": 10_000, "height": 10_000}
    (coco / "instances.json").write_text(json.dumps(document))
    files = [*map(str, rank(coco)), "--images", str(coco / "images"), "--grid", str(coco / "grid.png")]
    result = subprocess.run([sys.executable, "-m", "hardest_metrics.cli", *files], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_bug_is_not_taken_for_bad_input(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_command, "_table", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(*rank(coco))


def test_an_interrupted_run_ends_quietly(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rank_command, "measured", interrupted)
    assert run(*rank(coco)) == (130, "", "")


def test_what_nobody_reads_any_more_ends_quietly(coco: Path) -> None:
    command = [sys.executable, "-m", "hardest_metrics.cli", *map(str, rank(coco))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 1)
    process.stderr.close()


def test_names_of_files_cannot_steer_the_terminal(coco: Path, run: Run) -> None:
    document = json.loads((coco / "instances.json").read_text())
    document["images"][0]["file_name"] = "\x1b]0;title\x07\n\u202eone.png"
    (coco / "instances.json").write_text(json.dumps(document))
    code, out, _ = run(*rank(coco))
    assert code == 0
    assert " ]0;title   one.png" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    _, _, err = run("rank", "--annotations", "\x1b[2J\n.json", "--detections", coco / "results.json")
    assert err == "hardest-metrics: error: [2J .json: no such file. Check the path.\n"


def test_a_process_of_its_own_behaves_alike(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hardest_metrics.cli", *map(str, rank(tmp_path))]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"hardest-metrics: error: {tmp_path / 'instances.json'}: no such file. Check the path.\n"


def test_help_of_every_command_comes_without_waiting_for_torch() -> None:
    code = """
import sys
from contextlib import suppress
from hardest_metrics.cli import main
for command in sys.argv[1:]:
    with suppress(SystemExit):
        main(command.split())
print("imported:", sorted({"torch", "numpy", "pandas", "matplotlib", "sklearn", "lightning"} & set(sys.modules)))
"""
    commands = ["--help", *(f"{command} --help" for command in program.COMMANDS)]
    result = subprocess.run([sys.executable, "-c", code, *commands], capture_output=True, text=True, check=True)
    assert result.stdout.count("usage:") == len(commands)
    assert result.stdout.endswith("imported: []\n")
    for command, does in program.COMMANDS.items():
        assert command in result.stdout
        assert does in result.stdout
