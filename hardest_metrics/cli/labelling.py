"""``hardest-metrics rank --tasks``: the hardest images for a labelling tool."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from hardest_metrics.cli.files import Output
from hardest_metrics.cli.images import with_file_sizes
from hardest_metrics.data.labelling_tasks import LOCAL_FILES

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.data.labelling_tasks import TaskBox
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict
    from hardest_metrics.ranking import Ranking


def add_labelling_options(group: Any) -> None:
    """Those of tasks."""
    group.add_argument(
        "--tasks", nargs="+", action="extend", default=[], metavar="FILE",
        help="write the K hardest images as tasks of a labelling tool, with boxes to begin with: FILE.json for Label"
        " Studio, FILE.xml for CVAT; their sizes are those of --annotations or else of the files in --images",
    )  # fmt: skip
    group.add_argument(
        "--tasks-boxes", choices=["detections", "labels"],
        help="what labellers find drawn: detections that count, with their scores, or the labels (default: detections)",
    )  # fmt: skip
    group.add_argument(
        "--tasks-url", metavar="PREFIX",
        help=f"of images in Label Studio, before their names (default: {LOCAL_FILES.replace('%', '%%')})",
    )  # fmt: skip


def outputs(options: Namespace) -> list[Output]:
    """The files to be written."""
    for name in ("tasks_boxes", "tasks_url"):
        if options[name] is not None and not options.tasks:
            raise ValueError(f"`{name}` is of `tasks`: give both, or neither.")
    if options.tasks and options.iou_type != "bbox":
        raise ValueError(f"`tasks` hold boxes, but `iou_type` is {options.iou_type}: leave one of them out.")
    if options.tasks_boxes == "labels" and options.estimator:
        raise ValueError("`tasks_boxes` are labels, but with an `estimator` there are none: leave one out.")
    return [Output(path, "tasks", (".json", ".xml")) for path in options.tasks]


def writers(
    options: Namespace,
    query: "Query",
    ranking: "Ranking",
    annotations: "Annotations",
    preds: Sequence["ImageDict"],
) -> dict[str, Callable[[str], None]]:
    """What writes each file.

    Raises:
        ValueError: if the size of an image is not known.
    """
    if not options.tasks:
        return {}
    from hardest_metrics.data.identity import posix
    from hardest_metrics.data.labelling_tasks import LabellingTask, write_labelling_tasks

    top = ranking.top(options.top_k)
    if options.images:
        annotations = with_file_sizes(annotations, options.images, top.image_ids.tolist())
    place = {image_id: index for index, image_id in enumerate(annotations.image_ids)}
    tasks = []
    for image_id, hardness in zip(*(column.tolist() for column in top), strict=True):
        index = place[image_id]
        size = annotations.image_sizes[index]
        if size is None:
            raise ValueError(
                f"`tasks` need the sizes of images, but that of image {annotations.shown_ids[index]} is not known: give"
                " the folder of `images`."
            )
        boxes = _boxes(options, query, annotations, preds[index], annotations.target[index])
        name = posix(annotations.file_names[index])
        tasks.append(LabellingTask(annotations.shown_ids[index], name, size, hardness, boxes))
    names = [annotations.categories[label] for label in sorted(annotations.categories)]
    names += [box.label for task in tasks for box in task.boxes]
    prefix = LOCAL_FILES if options.tasks_url is None else options.tasks_url
    known = list(dict.fromkeys(names))
    return {path: partial(write_labelling_tasks, tasks, categories=known, url_prefix=prefix) for path in options.tasks}


def _boxes(
    options: Namespace, query: "Query", annotations: "Annotations", pred: "ImageDict", target: "ImageDict"
) -> "list[TaskBox]":
    from hardest_metrics.data.labelling_tasks import TaskBox

    image = target if options.tasks_boxes == "labels" else pred
    scores = [None] * len(image["labels"]) if image is target else image["scores"].tolist()
    return [
        TaskBox(annotations.categories.get(label, str(label)), tuple(box), score)
        for box, label, score in zip(image["boxes"].tolist(), image["labels"].tolist(), scores, strict=True)
        if (query.labels is None or label in query.labels) and (score is None or score >= options.score_threshold)
    ]
