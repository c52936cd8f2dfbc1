import json
from pathlib import Path

import pytest
from PIL import Image

from hardest_metrics import cli
from tests.cli.commands import Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process; gives exit code, stdout and stderr."""

    def run_(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run_


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A folder with a data set of four images and detections on it.

    ===== ============================ ========= =================== ====== ======
    image file                         size      errors              small? labels
    ===== ============================ ========= =================== ====== ======
    1     one.png                      100 x 50  none
    2     two.png                      100 x 50  1 false, 1 missed   no     person
    3     deep/folder/[three].png      200 x 100 2 missed            yes    car
    2**60 four.png                     100 x 50  3 false, 2 doubles  no     car
    ===== ============================ ========= =================== ====== ======
    """
    sizes = {1: (100, 50), 2: (100, 50), 3: (200, 100), 2**60: (100, 50)}
    names = {1: "one.png", 2: "two.png", 3: "deep/folder/[three].png", 2**60: "four.png"}
    annotations = [(1, 1, [0, 0, 40, 40]), (2, 1, [0, 0, 40, 40]), (3, 2, [0, 0, 20, 20]), (3, 2, [50, 0, 20, 20])]
    annotations += [(2**60, 2, [0, 0, 40, 40])]
    results = [(1, 1, [0, 0, 40, 40], 0.9), (1, 1, [50, 0, 40, 40], 0.4), (2, 1, [60, 10, 40, 40], 0.9)]
    results += [(2**60, 2, [0, 0, 40, 40], 0.9), (2**60, 2, [0, 0, 40, 39], 0.8), (2**60, 2, [0, 0, 39, 40], 0.7)]
    results += [(2**60, 1, [50, 0, 40, 40], 0.6)]
    document = {
        "images": [
            {"id": id_, "file_name": names[id_], "width": width, "height": height}
            for id_, (width, height) in sizes.items()
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": label, "bbox": box, "area": box[2] * box[3]}
            for number, (image, label, box) in enumerate(annotations)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}, {"id": 3, "name": "traffic light"}],
        "info": {"year": 2024},
    }
    detections = [
        {"image_id": image, "category_id": label, "bbox": box, "score": score} for image, label, box, score in results
    ]
    (tmp_path / "instances.json").write_text(json.dumps(document))
    (tmp_path / "results.json").write_text(json.dumps(detections))
    (tmp_path / "images").mkdir()
    for image, size in sizes.items():
        Image.new("RGB", size, (128, 128, 128)).save(tmp_path / "images" / Path(names[image]).name)
    return tmp_path
