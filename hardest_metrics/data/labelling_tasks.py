"""The hardest images as tasks of labelling tools: Label Studio's JSON and CVAT's XML, with boxes to begin with."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.data.json_file import PathLike

#: Where Label Studio serves files from that lie beside it.
LOCAL_FILES = "/data/local-files/?d="

#: What XML 1.0 cannot hold, however it is written.
_NOT_OF_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class TaskBox(NamedTuple):
    """A box that a labeller finds drawn already.

    Attributes:
        label: the name of its category.
        xywh: left, top, width and height in pixels.
        score: of a detection; None of a label.
    """

    label: str
    xywh: tuple[float, float, float, float]
    score: float | None = None


class LabellingTask(NamedTuple):
    """An image that is to be labelled, or labelled again.

    Attributes:
        image_id: as people know it.
        file_name: with ``/`` between its parts.
        size: (height, width) in pixels.
        hardness: by which it was chosen.
        boxes: to begin with.
    """

    image_id: int | str
    file_name: str
    size: tuple[int, int]
    hardness: float
    boxes: Sequence[TaskBox]


def write_labelling_tasks(
    tasks: Sequence[LabellingTask], path: PathLike, categories: Sequence[str], url_prefix: str = LOCAL_FILES
) -> None:
    """Write images for a labelling tool to import: Label Studio's JSON or CVAT's XML, told by the suffix of the file.

    Label Studio: a task an image, whose data are the URL of the image, ``image_id``, ``hardness`` and ``rank``; boxes
    are one prediction of rectangles, in percent of the image, with their scores, under the names ``label`` and
    ``image`` (``<RectangleLabels name="label" toName="image">``).

    CVAT: annotations of format 1.1 for images; every image has a tag ``hardness`` with the attributes ``hardness``,
    ``rank`` and ``image_id``, and every box an attribute ``score``, empty for a label.

    Args:
        tasks: the images, hardest first.
        path: file ending in ``.json`` or ``.xml``.
        categories: the names of all labels that there are.
        url_prefix: what stands before the names of files in the URLs of Label Studio; names are quoted.

    Raises:
        OSError: when the file cannot be written.
        ValueError: when the suffix is another one, or a name is none that XML can hold.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "tasks.json")
        >>> boxes = [TaskBox("car", (10.0, 0.0, 20.0, 25.0), 0.5)]
        >>> write_labelling_tasks([LabellingTask(7, "a/é.jpg", (50, 100), 2.0, boxes)], path, ["car"])
        >>> (task,) = json.loads(path.read_text())
        >>> task["data"]
        {'image': '/data/local-files/?d=a/%C3%A9.jpg', 'image_id': 7, 'hardness': 2.0, 'rank': 1}
        >>> task["predictions"][0]["result"][0]["value"]["height"]
        50.0
    """
    writers: dict[str, Callable[[], bytes]] = {
        ".json": lambda: _label_studio(tasks, url_prefix),
        ".xml": lambda: _cvat(tasks, categories, path),
    }
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise ValueError(f"{path}: tasks are written as {', '.join(writers)}. Use one of these suffixes.")
    content = writers[suffix]()
    with atomic_write(path) as file:
        file.write(content)


def _label_studio(tasks: Sequence[LabellingTask], url_prefix: str) -> bytes:
    document = []
    for rank, task in enumerate(tasks, start=1):
        url = url_prefix + quote(task.file_name, errors="surrogatepass")
        data = {"image": url, "image_id": task.image_id, "hardness": task.hardness, "rank": rank}
        result = [_rectangle(task, place, box) for place, box in enumerate(task.boxes)]
        scores = [box.score for box in task.boxes if box.score is not None]
        prediction: dict[str, Any] = {"model_version": "hardest_metrics", "result": result}
        if scores:
            prediction["score"] = sum(scores) / len(scores)
        document.append({"data": data, "predictions": [prediction]})
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def _rectangle(task: LabellingTask, place: int, box: TaskBox) -> dict[str, Any]:
    height, width = task.size
    x, y, w, h = box.xywh
    value = {
        "x": 100 * x / width, "y": 100 * y / height, "width": 100 * w / width, "height": 100 * h / height,
        "rotation": 0, "rectanglelabels": [box.label],
    }  # fmt: skip
    region = {
        "id": f"box{place}", "type": "rectanglelabels", "from_name": "label", "to_name": "image",
        "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
    }  # fmt: skip
    return region if box.score is None else region | {"score": box.score}


def _cvat(tasks: Sequence[LabellingTask], categories: Sequence[str], path: PathLike) -> bytes:
    for text in (*categories, *(text for task in tasks for text in (task.file_name, str(task.image_id)))):
        if _NOT_OF_XML.search(text):
            raise ValueError(f"{path}: {text!r} holds a letter that XML cannot hold. Rename it, or write JSON.")
    root = ElementTree.Element("annotations")
    _text(root, "version", "1.1")
    about = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    _text(about, "size", str(len(tasks)))
    labels = ElementTree.SubElement(about, "labels")
    for name in categories:
        _declared(labels, name, "rectangle", {"score": "text"})
    _declared(labels, "hardness", "tag", {"hardness": "text", "rank": "text", "image_id": "text"})
    for rank, task in enumerate(tasks, start=1):
        height, width = task.size
        about_image = {"id": str(rank - 1), "name": task.file_name, "width": str(width), "height": str(height)}
        image = ElementTree.SubElement(root, "image", about_image)
        for box in task.boxes:
            x, y, w, h = box.xywh
            corners = {"xtl": x, "ytl": y, "xbr": x + w, "ybr": y + h}
            numbers = {name: f"{number:.2f}" for name, number in corners.items()}
            about_box = {"label": box.label, "source": "auto", "occluded": "0", **numbers, "z_order": "0"}
            element = ElementTree.SubElement(image, "box", about_box)
            _attributes(element, {"score": "" if box.score is None else f"{box.score:.6g}"})
        tag = ElementTree.SubElement(image, "tag", {"label": "hardness", "source": "auto"})
        _attributes(tag, {"hardness": f"{task.hardness:.9g}", "rank": str(rank), "image_id": str(task.image_id)})
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _declared(labels: ElementTree.Element, name: str, kind: str, attributes: dict[str, str]) -> None:
    label = ElementTree.SubElement(labels, "label")
    _text(label, "name", name)
    _text(label, "type", kind)
    declared = ElementTree.SubElement(label, "attributes")
    for attribute, how in attributes.items():
        element = ElementTree.SubElement(declared, "attribute")
        for key, text in (
            ("name", attribute), ("mutable", "False"), ("input_type", how), ("default_value", ""), ("values", ""),
        ):  # fmt: skip
            _text(element, key, text)


def _attributes(parent: ElementTree.Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, "attribute", {"name": name}).text = value


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
