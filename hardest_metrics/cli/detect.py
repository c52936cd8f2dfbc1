"""``hardest-metrics detect``: a torchvision detector over images."""

from jsonargparse import ArgumentParser, Namespace

from hardest_metrics.cli.files import Output, check_inputs, check_outputs
from hardest_metrics.cli.options import PROGRAM, new_parser, require_given
from hardest_metrics.cli.terminal import progress_bar


def parser() -> ArgumentParser:
    """Its options."""
    detect = new_parser(
        usage=f"{PROGRAM} detect --model NAME --weights FILE --images FOLDER --out FILE.json [options]",
        description="Run a torchvision detector over images and write its detections, as rank reads them. Finished"
        " batches are kept in OUT.part until all are done: killed, the same command goes on where it was.",
    )
    detector = detect.add_argument_group("detector")
    detector.add_argument(
        "--model", metavar="NAME", help="torchvision's name of it, such as fasterrcnn_resnet50_fpn (required)"
    )
    detector.add_argument(
        "--weights", metavar="FILE", help="its weights, as torch.save(model.state_dict(), FILE) writes them (required)"
    )
    detector.add_argument(
        "--num-classes", type=int, metavar="N",
        help="classes it was made with, background included (default: 91; 2 for Keypoint R-CNN)",
    )  # fmt: skip
    detector.add_argument(
        "--score-threshold", type=float, default=0.05, metavar="SCORE",
        help="keep detections of a higher score, in [0, 1] (default: %(default)s)",
    )  # fmt: skip
    detector.add_argument(
        "--iou-type", choices=["bbox", "segm", "keypoints"], default="bbox",
        help="what is to be compared: segm: Mask R-CNN's masks are written too; keypoints: Keypoint R-CNN's"
        " (default: %(default)s)",
    )  # fmt: skip
    detector.add_argument("--device", metavar="NAME", help="where it runs: cpu, cuda, cuda:1 (default: a GPU, or cpu)")
    detector.add_argument(
        "--batch-size", type=int, default=4, metavar="N", help="images at a time (default: %(default)s)"
    )

    data = detect.add_argument_group("data")
    data.add_argument("--images", metavar="FOLDER", help="where the image files are (required)")
    data.add_argument(
        "--annotations", metavar="FILE",
        help="COCO JSON file, plain or gzipped, whose images to take, with their ids; labels are not needed (default:"
        " all images in the folder and below, numbered 1, 2, ... by name, listed in OUT.images.json)",
    )  # fmt: skip

    output = detect.add_argument_group("output")
    output.add_argument("--out", metavar="FILE.json", help="write COCO results JSON (required)")
    output.add_argument(
        "--logits", metavar="FILE.json",
        help="write detections with the logits they were scored from too, in the JSON of `hardest`",
    )  # fmt: skip
    return detect


def run(options: Namespace) -> None:
    """Detect, print and write."""
    require_given(options, "detect", ("model", "weights", "images", "out"))
    inputs = [options.weights, *filter(None, (options.annotations,))]
    check_inputs(inputs)
    outputs = [Output(path, name, (".json",)) for name in ("out", "logits") if (path := options[name])]
    check_outputs(outputs, inputs)

    from hardest_metrics.detectors import detect

    with progress_bar() as progress:
        detected = detect(**vars(options), progress=progress)
    if detected.n_resumed:
        print(f"Went on after {detected.n_resumed} images that were done before")
    print(f"{detected.n_images} images, {detected.n_detections} detections of score > {options.score_threshold:g}")
    for path in detected.written:
        print(f"Wrote {path}")
