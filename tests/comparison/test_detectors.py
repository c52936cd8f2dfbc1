import pytest

from hardest_metrics.comparison.detectors import detector_names


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["yolo.json", "detr.json.gz"], ["yolo", "detr"]),
        (["a/yolo.json", "b/yolo.json", "c/yolo.json.gz"], ["yolo", "yolo-2", "yolo-3"]),
        (["yolo-2.json", "yolo.json", "x/yolo.json"], ["yolo-2", "yolo", "yolo-3"]),
        (["Yolo.json", "yolo.json"], ["Yolo", "yolo-2"]),  # one folder where case does not matter
        ([".store.json", "..json"], ["store", "detections"]),  # no hidden folder, none above
        (["results"], ["results"]),
        (["yolo.v5.json"], ["yolo.v5"]),
    ],
)
def test_names_are_of_files_and_differ(files: list[str], names: list[str]) -> None:
    assert detector_names(files) == names
