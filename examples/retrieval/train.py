r"""Train for hierarchical retrieval from the command line.

    python -m examples.retrieval.train fit --config examples/retrieval/sop.yaml \
        --data.folder path/to/Stanford_Online_Products --model.net.weights path/to/resnet50.pth

Every argument of `RetrievalModule`, of its network, its loss and its optimizer, of the data module and of the Trainer
is an option; ``fit --help`` lists them.
"""

from collections.abc import Sequence

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from examples.retrieval.data import RetrievalData
from examples.retrieval.module import RetrievalModule


class RetrievalCLI(LightningCLI):
    """The number of classes is the data's."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what belongs together."""
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")


def main(arguments: Sequence[str] | None = None) -> RetrievalCLI:
    """Do what the command line asks for.

    Args:
        arguments: in its place.
    """
    return RetrievalCLI(
        RetrievalModule, RetrievalData, subclass_mode_data=True, args=None if arguments is None else list(arguments)
    )


if __name__ == "__main__":
    main()
