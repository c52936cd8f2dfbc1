import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hardest_metrics import cli
from tests.detectors.small import MODEL, N_CLASSES, save_pictures, save_weights


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of pictures and weights."""
    save_weights(tmp_path / "weights.pt")
    save_pictures(tmp_path / "images", 24)
    return tmp_path


def command(data: Path, out: str = "out.json", *options: object) -> list[str]:
    arguments = ["detect", "--model", MODEL, "--weights", data / "weights.pt", "--num-classes", N_CLASSES, "--images",
                 data / "images", "--out", data / out, "--device", "cpu", "--batch-size", 1,
                 "--score-threshold", 0.4, *options]  # fmt: skip
    return [str(argument) for argument in arguments]


def test_killed_in_the_middle_it_goes_on_and_ends_with_the_same_files(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part, logits = data / "out.json.part", data / "logits.json"
    program = "import sys; from hardest_metrics.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command(data, "out.json", "--logits", logits)],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    while process.poll() is None and not (part.exists() and part.read_bytes().count(b"\n") > 4):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (data / "out.json").exists()
    with part.open("ab") as file:
        file.write(b'0123 {"files":"0123')  # a line that was being written

    assert cli.main(command(data, "out.json", "--logits", logits)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = re.fullmatch(
        r"Went on after (\d+) images that were done before\n24 images, \d+ detections of score > 0.4\n"
        r"Wrote (\S+)\nWrote (\S+)\nWrote (\S+)\n", out)  # fmt: skip
    assert lines is not None
    assert 4 <= int(lines[1]) < 24
    written = [data / "out.json", logits, data / "out.images.json"]
    assert [Path(name) for name in lines.groups()[1:]] == written
    assert not part.exists()
    resumed = [path.read_bytes() for path in written]

    assert cli.main(command(data, "out.json", "--logits", logits)) == 0
    assert "Went on" not in capsys.readouterr().out
    assert [path.read_bytes() for path in written] == resumed


def test_an_unreadable_image_ends_it_with_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "images" / "02.png").write_bytes(b"no picture")
    assert cli.main(command(data)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "02.png: not a picture that can be read" in err
    assert "goes on after the 2 images done" in err
    assert (data / "out.json.part").exists()


def test_what_it_writes_is_ranked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for picture in sorted((data / "images").iterdir())[4:]:
        picture.unlink()
    assert cli.main(command(data)) == 0
    files = "--annotations", str(data / "out.images.json"), "--detections", str(data / "out.json")
    assert cli.main(["rank", *files, "--query", "false_positives", "--weighting", "pixel"]) == 0
    assert "4 images, mean hardness" in capsys.readouterr().out


BAD = {
    "nothing given": (["detect"], "--model is missing, see hardest-metrics detect --help"),
    "unknown option": (["detect", "--bogus", "1"], "see hardest-metrics detect --help"),
    "half a batch": (["--batch-size", "1.5"], "--batch-size must be a whole number"),
    "empty batch": (["--batch-size", "0"], "--batch-size must be at least 1"),
    "unknown model": (["--model", "yolo"], "--model is 'yolo', which is no detector of torchvision"),
    "other classes": (["--num-classes", "9"], "that the weights were trained with"),
    "no such weights": (["--weights", "{}/none.pt"], "none.pt: no such file"),
    "no such annotations": (["--annotations", "{}/none.json"], "none.json: no such file"),
    "no such images": (["--images", "{}/none"], "none: no such folder, but --images"),
    "unknown suffix": (["--out", "{}/out.csv"], "out.csv: --out writes .json"),
    "two outputs in one file": (["--logits", "{}/out.json"], "out.json: would overwrite"),
    "unknown device": (["--device", "gpu"], "--device is 'gpu'"),
    "score above 1": (["--score-threshold", "2"], "--score-threshold must be in [0, 1]"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    before = sorted(data.rglob("*"))
    options = [option.replace("{}", str(data)) for option in options]
    assert cli.main(options if options[0] == "detect" else command(data, "out.json", *options)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"hardest-metrics: error: .*\n", err)
    assert message in err
    assert sorted(data.rglob("*")) == before


def test_help_names_defaults_of_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["detect", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    _, *found = re.split(r" --([a-z-]+) (?=[A-Z])", text.split("detector:")[1])
    entries = dict(zip(found[::2], found[1::2], strict=True))
    expected = {
        "model": "required", "weights": "required", "num-classes": "default: 91", "score-threshold": "default: 0.05",
        "device": "default: a GPU", "batch-size": "default: 4", "images": "required", "annotations": "default: all",
        "out": "required", "logits": "scored from",
    }  # fmt: skip
    assert entries.keys() == expected.keys()
    assert all(words in entries[option] for option, words in expected.items())
