import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from hardest_metrics.data import read_detections, read_voc_annotations


def xml_object(name: str = "car", box: tuple[object, ...] = (10, 20, 40, 60), extra: str = "") -> str:
    corners = ("xmin", "ymin", "xmax", "ymax")
    bndbox = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(corners, box, strict=True))
    return f"<object><name>{name}</name>{extra}<bndbox>{bndbox}</bndbox></object>"


def xml(*objects: str, filename: str = "", size: tuple[object, object] | None = (480, 640)) -> str:
    sized = "" if size is None else f"<size><height>{size[0]}</height><width>{size[1]}</width></size>"
    name = f"<filename>{filename}</filename>" if filename else ""
    return f"<annotation>{name}{sized}{''.join(objects)}</annotation>"


def make(folder: Path, files: dict[str, str], **splits: str) -> Path:
    (folder / "Annotations").mkdir()
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for stem, content in files.items():
        (folder / "Annotations" / f"{stem}.xml").write_text(content, encoding="utf-8")
    for split, content in splits.items():
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(content, encoding="utf-8")
    return folder


FILES = {
    "b": xml(xml_object("zebra"), xml_object("car", (0.5, 1, 3, 1))),
    "a": xml(xml_object("ant", extra="<difficult>1</difficult>"), size=None),
    "c": xml(),
}


def test_labels_and_ids_are_alphabetical(tmp_path: Path) -> None:
    annotations = read_voc_annotations(make(tmp_path, FILES))
    assert annotations.categories == {1: "ant", 2: "car", 3: "zebra"}
    assert annotations.image_ids == [1, 2, 3]
    assert annotations.file_names == ["a", "b", "c"], "nothing says which extensions the files have"
    assert annotations.image_sizes == [None, (480, 640), (480, 640)]
    assert [target["labels"].tolist() for target in annotations.target] == [[1], [3, 2], []]


def test_corners_become_position_and_size(tmp_path: Path) -> None:
    first, second, empty = read_voc_annotations(make(tmp_path, FILES)).target
    assert second["boxes"].tolist() == [[10, 20, 30, 40], [0.5, 1, 2.5, 0]]
    assert empty["boxes"].shape == (0, 4)
    for target in (first, second, empty):
        dtypes = [target[key].dtype for key in ("boxes", "labels", "iscrowd")]
        assert dtypes == [torch.float64, torch.int64, torch.int64]


def test_difficult_objects_are_crowds_so_that_they_are_ignored(tmp_path: Path) -> None:
    targets = read_voc_annotations(make(tmp_path, FILES)).target
    assert [target["iscrowd"].tolist() for target in targets] == [[1], [0, 0], []]


def test_labels_and_ids_mean_the_same_in_every_split(tmp_path: Path) -> None:
    folder = make(tmp_path, FILES, val="c\nb\n\n", train="a\n")
    everything = read_voc_annotations(folder)
    validation = read_voc_annotations(folder, "val")
    assert validation.categories == everything.categories
    assert validation.image_ids == [3, 2]
    assert validation.file_names == ["c", "b"]
    assert [target["image_id"] for target in validation.target] == [3, 2]
    assert read_voc_annotations(folder, "train").image_ids == [1]


def test_the_folder_of_xml_files_itself_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path, FILES, val="b\n")
    assert read_voc_annotations(folder / "Annotations").image_ids == [1, 2, 3]
    assert read_voc_annotations(folder / "Annotations", "val").image_ids == [2]
    monkeypatch.chdir(folder / "Annotations")
    assert read_voc_annotations(".", "val").image_ids == [2]


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.png", "a.png"),
        (r"C:\set\a.JPG", "a.JPG"),
        ("/set/a.jpeg", "a.jpeg"),
        ("other.png", "a"),
        ("a", "a"),
        ("a.1", "a"),
    ],
)
def test_the_file_name_is_that_of_the_xml_file(tmp_path: Path, filename: str, expected: str) -> None:
    annotations = read_voc_annotations(make(tmp_path, {"a": xml(filename=filename)}))
    assert annotations.file_names == [expected]


@pytest.mark.parametrize("images", ["JPEGImages", "images", "Annotations"])
@pytest.mark.parametrize(
    ("filename", "there", "expected"),
    [
        ("", ["a.png"], "a.png"),
        ("a", ["a.JPG"], "a.JPG"),
        ("a.jpg", ["a.png"], "a.png"),
        ("a.jpg", ["a.png", "a.jpg"], "a.jpg"),
        ("other.png", ["a.png", "other.png"], "a.png"),
        ("other.png", ["other.png"], "other.png"),
        ("a.jpg", [], "a.jpg"),
    ],
)
def test_extensions_are_looked_up_among_the_images(
    tmp_path: Path, images: str, filename: str, there: list[str], expected: str
) -> None:
    folder = make(tmp_path, {"a": xml(filename=filename)})
    (folder / images).mkdir(exist_ok=True)
    for name in there:
        (folder / images / name).touch()
    assert read_voc_annotations(folder).file_names == [expected]


def test_every_xml_file_counts_but_hidden_ones(tmp_path: Path) -> None:
    folder = make(tmp_path, {"a": xml(filename="a.png")}, val="sub/c\n")
    labels = folder / "Annotations"
    (labels / "sub").mkdir()
    (labels / ".git").mkdir()
    (labels / "b.XML").write_text(xml(xml_object("car")))
    (labels / "sub" / "c.xml").write_text(xml(xml_object("bus"), filename="c.png"))
    for hidden in ("._a.xml", ".git/d.xml"):
        (labels / hidden).write_bytes(b"\x00\x05\x16\x07")
    annotations = read_voc_annotations(folder)
    assert annotations.file_names == ["a.png", "b", "sub/c.png"]
    assert annotations.categories == {1: "bus", 2: "car"}
    assert read_voc_annotations(folder, "val").image_ids == [3]
    (labels / "a.XML").write_text(xml())
    with pytest.raises(ValueError, match=r"a\.XML and a\.xml: both are labels of the same image"):
        read_voc_annotations(folder)


def test_a_class_split_is_of_the_images_that_hold_the_class(tmp_path: Path) -> None:
    files = {name: xml() for name in ("000001", "000002", "000003", "my 1", "my -1")}
    folder = make(
        tmp_path, files, car_val="000001 -1\n000002  1\n000003  0\nmy 1  1\n", spaces="my 1\nmy -1\n",
        bom="\ufeff000002\r\n000001\r\n",
    )  # fmt: skip
    assert read_voc_annotations(folder, "car_val").image_ids == [2, 3, 5]
    assert read_voc_annotations(folder, "spaces").image_ids == [5, 4]
    assert read_voc_annotations(folder, "bom").image_ids == [2, 1]


def test_parts_of_an_object_are_no_objects(tmp_path: Path) -> None:
    head = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    annotations = read_voc_annotations(make(tmp_path, {"a": xml(xml_object("person", extra=head))}))
    assert annotations.categories == {1: "person"}
    assert annotations.target[0]["boxes"].tolist() == [[10, 20, 30, 40]]


def test_real_annotations_are_read_whole(shared_data: Path) -> None:
    folder = shared_data / "bccd"
    everything = read_voc_annotations(folder)
    assert everything.categories == {1: "Platelets", 2: "RBC", 3: "WBC"}
    assert len(everything.image_ids) == 364
    assert set(everything.image_sizes) == {(480, 640)}
    n_objects = sum(len(ElementTree.parse(file).findall("object")) for file in (folder / "Annotations").iterdir())
    assert sum(len(target["labels"]) for target in everything.target) == n_objects

    boxes = torch.cat([target["boxes"] for target in everything.target])
    assert (boxes[:, 2:] == 0).all(1).sum() == 2  # imperfect, and kept

    splits = {name: read_voc_annotations(folder, name) for name in ("train", "val", "test")}
    ids = [image_id for split in splits.values() for image_id in split.image_ids]
    assert sorted(ids) == everything.image_ids
    for name, split in splits.items():
        listed = (folder / "ImageSets" / "Main" / f"{name}.txt").read_text().split()
        assert split.file_names == [f"{stem}.jpg" for stem in listed]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation><object>", "not readable as XML .*Export it again"),
        ("", "not readable as XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "not readable as XML"),
        ("<html></html>", "is <html>, but must be a Pascal VOC <annotation>"),
        (xml(xml_object(), "<object></object>"), "object 2: has no <name>"),
        (xml("<object><name> </name></object>"), "object 1: has no <name>"),
        (xml("<object><name>car</name></object>"), r"object 1 \(car\): has no <bndbox>"),
        (
            xml("<object><name>car</name><bndbox><xmin>1</xmin></bndbox></object>"),
            r"object 1 \(car\): has no <ymin>\. Add it",
        ),
        (xml(xml_object(box=(1, 2, "x", 4))), r"object 1 \(car\): <xmax> is 'x', but must be a finite number"),
        (xml(xml_object(box=(1, 2, "", 4))), "<xmax> is '', but must be a finite number"),
        (xml(xml_object(box=(1, "nan", 3, 4))), "<ymin> is 'nan'"),
        (xml(xml_object(box=(1, 2, "inf", 4))), "<xmax> is 'inf'"),
        (xml(xml_object(box=(-1e200, 2, 1e200, 4))), r"object 1 \(car\): box is more than 1e\+100 wide or high"),
        (xml(xml_object(box=(9, 2, 3, 4))), r"object 1 \(car\): box 9, 2, 3, 4 .* ends before it begins"),
        (xml(xml_object(box=(1, 9, 3, 4))), "box 1, 9, 3, 4 .* ends before it begins"),
        (xml(xml_object(extra="<difficult>yes</difficult>")), "<difficult> is 'yes', but must be 0 or 1"),
        (xml(size=(0, 640)), "height and width are 0 and 640, .*or remove <size>"),
        (xml(size=(480.5, 640)), r"height and width are 480\.5 and 640"),
        (xml(size=(480, "wide")), "<size>: <width> is 'wide', but must be a finite number"),
        ("<annotation><size/></annotation>", "<size>: has no <height>"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_object(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"bad\.xml: .*{message}"):
        read_voc_annotations(make(tmp_path, {"bad": content, "good": xml()}))


def test_a_split_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path, FILES, train="a\n", lost="a\nd\n", twice="a\nb\na\n", flags="a  1\nb 2\n")
    with pytest.raises(FileNotFoundError, match=r"test\.txt: no such split\. Choose from: flags, lost, tr"):
        read_voc_annotations(folder, "test")
    with pytest.raises(ValueError, match=r"lost\.txt: image 'd' has no d\.xml in .*Add the file or remove"):
        read_voc_annotations(folder, "lost")
    with pytest.raises(ValueError, match=r"twice\.txt: image 'a' is listed twice"):
        read_voc_annotations(folder, "twice")
    with pytest.raises(ValueError, match=r"flags\.txt: image 'a  1' has no"):
        read_voc_annotations(folder, "flags")


@pytest.mark.parametrize("entry", ["coco", "hardest"])
def test_detections_of_the_whole_set_do_not_fit_a_split(tmp_path: Path, entry: str) -> None:
    annotations = read_voc_annotations(make(tmp_path, FILES, val="c\nb\n"), "val")
    box = {"bbox": [0, 0, 1, 1], "category_id": 1, "score": 0.5}
    images: list[dict[str, Any]] = [box | {"image_id": name} for name in "abc"]
    if entry == "hardest":
        images = [{"boxes": [], "labels": [], "scores": []}] * 3
    (tmp_path / "results.json").write_text(json.dumps(images))
    with pytest.raises(ValueError, match=r"Leave out `split`, or give detections of this split only"):
        read_detections(tmp_path / "results.json", annotations)


def test_a_folder_without_xml_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no XML files in it.*COCO JSON file"):
        read_voc_annotations(tmp_path)
    with pytest.raises(NotADirectoryError, match="none: no such folder"):
        read_voc_annotations(tmp_path / "none")
