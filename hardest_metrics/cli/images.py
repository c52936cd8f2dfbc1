"""Which images there are to rank where no labels say so."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonargparse import Namespace

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.functional import Query


_REMEDY = "Give the list of images as `annotations`: a COCO file, in which annotations may be missing."


class ImageSet(NamedTuple):
    """Images, and where they are from.

    Attributes:
        annotations: the images, with labels or without.
        named: whether they have file names of their own.
        in_words: what users should know of where they are from.
    """

    annotations: "Annotations"
    named: bool
    in_words: str


def unlabelled_images(options: Namespace, documents: Mapping[str, Any]) -> ImageSet:
    """The images without labels: those of ``--annotations``, else of the folder ``--images``, else of the detections.

    Args:
        options: of the command.
        documents: the content of every file of detections, by its path, the judged detector's first.

    Raises:
        OSError, ValueError: when files are not as they should be, or do not fit together.
    """
    from hardest_metrics.data import read_image_list
    from hardest_metrics.data.image_list import categories_of

    if options.annotations:
        annotations = read_image_list(options.annotations, options.split)
        images = ImageSet(
            annotations, True, f"the {len(annotations.image_ids)} of {options.annotations}; no labels were looked at"
        )
    elif options.images:
        images = _of_folder(options, documents)
    else:
        images = _of_detections(documents)
    if not images.annotations.categories:
        found = [categories_of(document, path) for path, document in documents.items()]
        categories = {label: name for names in found for label, name in names.items()}
        images = images._replace(annotations=replace(images.annotations, categories=categories))
    return images


def with_sizes(images: ImageSet, options: Namespace, where: str, other: str) -> ImageSet:
    """The same images, each with a size: that of its file in ``--images`` where nothing else tells.

    Args:
        images: those to be weighted by pixels.
        options: of the command.
        where: the file or folder that lists the images.
        other: what to choose instead of pixel weighting.

    Raises:
        ValueError: when there are no files to tell, or one is missing or no picture.
    """
    known, folder = images.annotations, options.images
    if None not in known.image_sizes:
        return images
    if not folder:
        index = known.image_sizes.index(None)
        usable = options.annotations or images.named  # else nothing tells which file is which image
        remedy = "Give the folder `images`" if usable else "Give `annotations` that have them"
        raise ValueError(
            f"{where}: image {known.shown_ids[index]} ({known.file_names[index]}) has no width and height, which pixel"
            f" weighting needs. {remedy}, or choose {other}."
        )
    sized = with_file_sizes(known, folder, known.image_ids)
    target = [{**image, "image_size": size} for image, size in zip(known.target, sized.image_sizes, strict=True)]
    return images._replace(annotations=replace(sized, target=target))


def with_file_sizes(annotations: "Annotations", folder: str, image_ids: Iterable[int]) -> "Annotations":
    """The same images, of which some get the sizes of their files where they have none; `target` is left alone."""
    from hardest_metrics.detectors.image_files import find_image, image_size

    wanted = set(image_ids)
    columns = zip(
        annotations.image_ids, annotations.shown_ids, annotations.file_names, annotations.image_sizes, strict=True
    )
    sizes = [
        image_size(find_image(folder, name, shown)) if size is None and image_id in wanted else size
        for image_id, shown, name, size in columns
    ]
    return replace(annotations, image_sizes=sizes)


def has_objects(annotations: "Annotations", query: "Query") -> bool:
    """Whether any image has an object that counts; where none has, it may be that nobody labelled them."""
    for image in annotations.target:
        area = image["area"] if "area" in image else image["boxes"][:, 2:].prod(1)
        if (query.counts_label(image["labels"]) & query.counts_area(area) & (image["iscrowd"] == 0)).any():
            return True
    return False


def _of_folder(options: Namespace, documents: Mapping[str, Any]) -> ImageSet:
    from hardest_metrics.data import Annotations
    from hardest_metrics.data.coco_results import coco_results
    from hardest_metrics.data.formats import is_hardest_export
    from hardest_metrics.detectors.image_files import folder_images

    for path, document in documents.items():
        if is_hardest_export(document) or not all(map(_has_name, coco_results(document, path).values)):
            raise ValueError(
                f"{path}: does not name images by file name, so that nothing tells which file in `images` is which."
                f" {_REMEDY}"
            )
    files = folder_images(options.images)
    annotations = Annotations(
        list(range(1, len(files) + 1)), [file.name for file in files], [None] * len(files), {}, []
    )
    words = f"the {len(files)} in {options.images}, numbered by name"
    return ImageSet(annotations.without_labels(), True, words)


def _has_name(result: Mapping[str, Any]) -> bool:
    return any(isinstance(result.get(key), str) for key in ("image_id", "file_name"))


def _of_detections(documents: Mapping[str, Any]) -> ImageSet:
    from hardest_metrics.data.formats import is_hardest_export
    from hardest_metrics.data.image_list import image_list_of

    (path, images), *others = ((path, image_list_of(document, path)) for path, document in documents.items())
    if not images.image_ids:
        raise ValueError(f"{path}: names no image, so there is nothing to rank. {_REMEDY}")
    ours = set(images.shown_ids)
    categories = dict(images.categories)
    for other_path, other in others:
        theirs = set(other.shown_ids)
        for here, there, surplus in ((other_path, path, theirs - ours), (path, other_path, ours - theirs)):
            if surplus:
                raise ValueError(
                    f"{here}: has image {min(map(str, surplus))!r}, which {there} does not name. {_REMEDY}"
                )
        categories |= other.categories
    number, document = len(images.image_ids), documents[path]
    if is_hardest_export(document):
        return ImageSet(replace(images, categories=categories), False, f"the {number} of {path}, numbered by place")
    named = images.file_names != list(map(str, images.image_ids))
    words = f"the {number} that {path} names; those without any detection are not known"
    return ImageSet(replace(images, categories=categories), named, words)
