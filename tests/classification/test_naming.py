"""Every name of a command line is a metric's."""

import pytest

from hardest_metrics.classification.naming import make_definition
from hardest_metrics.names import CLASSIFIED, CLASSIFIED_WITHOUT_LABELS


def test_names_tell_whether_labels_are_needed() -> None:
    assert all(make_definition(name).needs_labels for name in CLASSIFIED)
    assert not any(make_definition(name).needs_labels for name in CLASSIFIED_WITHOUT_LABELS)


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"No definition is called 'loss'\. Choose from: cross_entropy"):
        make_definition("loss")
