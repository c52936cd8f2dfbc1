import pytest

from hardest_metrics.data import Annotations


def with_categories(categories: dict[int, str]) -> Annotations:
    return Annotations([], [], [], categories, [])


def test_names_become_labels_in_the_order_asked_for() -> None:
    annotations = with_categories({1: "person", 3: "car", 90: "toothbrush"})
    assert annotations.labels_named(["toothbrush", "person"]) == [90, 1]
    assert annotations.labels_named([]) == []


def test_a_name_of_several_categories_stands_for_all_of_them() -> None:
    assert with_categories({0: "cell", 1: "cell", 2: "nucleus"}).labels_named(["cell"]) == [0, 1]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'Car'\. Choose from: 'person', 'car'\."):
        with_categories({1: "person", 3: "car"}).labels_named(["person", "Car"])


def test_the_representation_stays_short() -> None:
    annotations = Annotations([1], ["a.jpg"], [None], {1: "car"}, [{"labels": [1, 1]}])
    assert repr(annotations) == "Annotations(1 images, 2 boxes, 1 categories)"
