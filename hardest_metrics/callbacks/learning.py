"""What training does to every image, kept beside the history."""

import io
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from hardest_metrics.data import ImageNames, encode_ranking
from hardest_metrics.dynamics import Dynamics
from hardest_metrics.metric import AnyHardnessMetric
from hardest_metrics.plot.data_map import plot_data_map
from hardest_metrics.summary import Details


class Learning:
    """Training dynamics by tag: of each metric and loader, an entry a validation of a training."""

    def __init__(self) -> None:
        self._of_tag: dict[str, Dynamics] = {}

    def add(self, tag: str, metric: AnyHardnessMetric, details: Details) -> None:
        """Tell of a validation; all processes know all images by then.

        Args:
            tag: names stage, metric and loader.
            metric: that images were measured by.
            details: of all images of all processes.
        """
        dynamics = self._of_tag.setdefault(tag, Dynamics())
        number = 0 if dynamics.epoch is None else dynamics.epoch + 1
        hardness = details.hardness.double()
        confidence = metric.confidence(hardness)
        told = (details.image_ids, hardness, details.in_error, confidence)
        dynamics.update(number, *(part if part is None else part.cpu() for part in told))  # type: ignore[arg-type]

    def files(self, tag: str, names: Mapping[int, str], file_names: Mapping[int, str]) -> dict[str, bytes]:
        """What there is to write of a tag, by the end of the file's name: a table, and a data map where it can be.

        Args:
            tag: names stage, metric and loader.
            names: what images are called, by id, where that is another.
            file_names: likewise.
        """
        if tag not in self._of_tag:
            return {}
        told = self._of_tag[tag].compute()
        ranking, columns = told.table()
        known = ImageNames.of(ranking.image_ids.tolist(), names, file_names)
        files = {"-dynamics.csv": encode_ranking(ranking, ".csv", known, columns)}
        if "confidence" in columns and find_spec("matplotlib") is not None:
            from matplotlib.figure import Figure  # apart from pyplot, which keeps all figures open

            figure, content = Figure(figsize=(6.4, 5.2), layout="constrained"), io.BytesIO()
            plot_data_map(told.confidence, told.variability, told.correctness, told.epochs, ax=figure.subplots())
            figure.savefig(content, format="png", dpi=120)
            files["-data-map.png"] = content.getvalue()
        return files

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and tensors, by tag."""
        return {tag: dynamics.state_dict() for tag, dynamics in self._of_tag.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where the checkpoint was saved."""
        for tag, of_tag in state.items():
            self._of_tag.setdefault(tag, Dynamics()).load_state_dict(of_tag)
