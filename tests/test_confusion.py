"""The confusion matrix holds its numbers, few classes or many, whatever their names."""

from pathlib import Path

import numpy as np
import pytest
from figures import dark

from minibert.plots.confusion import confusion_figure


def numbers(labels: list[str], counts: np.ndarray) -> dict[tuple[int, int], str]:
    """What is written, by (true, predicted) class."""
    (axes,) = confusion_figure(labels, counts).axes
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts
    }


def test_true_classes_go_down_and_predicted_ones_go_right() -> None:
    counts = np.array([[5, 2, 0], [1, 7, 0], [0, 0, 1200]])
    assert numbers(["a", "b", "c"], counts) == {place: str(count) for place, count in np.ndenumerate(counts)}
    figure = confusion_figure(["a", "b", "c"], counts)
    (axes,) = figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    assert [name.get_text() for name in axes.get_yticklabels()] == ["a", "b", "c"]
    assert axes.get_ylim() == (2.5, -0.5)  # the first class is at the top


def test_a_cell_is_as_dark_as_its_share_of_the_true_class() -> None:
    (axes,) = confusion_figure(["a", "b"], np.array([[9, 1], [0, 0]])).axes
    (image,) = axes.get_images()
    np.testing.assert_allclose(np.asarray(image.get_array()) ** 2, [[0.9, 0.1], [0, 0]])
    assert [text.get_color() for text in axes.texts] == ["white", "black", "black", "black"]


def test_of_many_classes_zeros_are_left_blank() -> None:
    counts = np.diag(np.arange(1, 31))
    assert numbers([f"class {i}" for i in range(30)], counts) == {(i, i): str(i + 1) for i in range(30)}


@pytest.mark.parametrize("C", [2, 7, 30])
@pytest.mark.parametrize("name", ["{}", "好评 {}", "comp.os.ms-windows.$misc$ with ^_{} number {}"])
def test_no_name_lies_on_another_or_is_cut_off(C: int, name: str, tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 2000, (C, C))
    figure = confusion_figure([name.format(i, i) for i in range(C)], counts)
    assert dark(figure, tmp_path) > 0.01
    figure.draw_without_rendering()  # lays it out again, for another resolution
    (axes,) = figure.axes
    for names, turned in ((axes.get_yticklabels(), False), (axes.get_xticklabels(), True)):
        boxes = [text.get_window_extent() for text in names]
        assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
        if not turned:
            assert all(one.y0 >= other.y1 - 1 for one, other in zip(boxes, boxes[1:], strict=False))
    cell = abs(np.diff(axes.transData.transform([(0, 0), (1, 1)]), axis=0))[0]
    assert all(text.get_window_extent().width < cell[0] for text in axes.texts)
