r"""Train the detector from the command line.

    python -m examples.detector.train fit --config examples/detector/digits.yaml
    python -m examples.detector.train fit --config examples/detector/bccd.yaml \
        --data.folder path/to/bccd --model.box_loss diou --model.confidence true

Every argument of `DetectorModule`, of the data module and of the Trainer is an option;
``fit --help`` lists them.
"""

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from examples.detector.data import DetectionData
from examples.detector.module import DetectorModule


class DetectorCLI(LightningCLI):
    """The number of classes is the data's."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what belongs together."""
        parser.link_arguments("data.n_classes", "model.n_classes", apply_on="instantiate")


def main(run: bool = True) -> DetectorCLI:
    """Do what the command line asks for.

    Args:
        run: whether its first word is a subcommand to run; otherwise there is none, and module, data
            and Trainer are only built.
    """
    return DetectorCLI(DetectorModule, DetectionData, subclass_mode_data=True, run=run)


if __name__ == "__main__":
    main()
