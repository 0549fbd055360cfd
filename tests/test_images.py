"""Images and the numbers about them: examples, weights, errors, distances, augmented copies."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from kmnist_mlp import Config, figures, run
from kmnist_mlp.beyond.figures import augmentation_figure
from kmnist_mlp.experiments.analysis import ConfidentErrors
from kmnist_mlp.figures.images import GAP


@pytest.fixture(autouse=True)
def style():
    figures.use_style()


@pytest.fixture(scope="module")
def oblong(make_dataset):
    """Images of 4 x 9 pixels in 3 classes: neither square nor of ten characters."""
    data = make_dataset(side=6)
    shape = (-1, 4, 9)
    return replace(
        data, train_images=data.train_images.reshape(shape),
        test_images=data.test_images.reshape(shape),
    )  # fmt: skip


def cells(panel, rows, columns):
    """Return the images of a grid: (rows, columns, height, width), without gaps and captions."""
    canvas = np.ma.filled(panel.axes[0].images[0].get_array(), np.nan)
    height, wide = canvas.shape[0] // rows, canvas.shape[1] // columns
    grid = canvas.reshape(rows, height, columns, wide).swapaxes(1, 2)
    above = np.isnan(grid[0, 0, :, 0]).sum() - GAP
    return grid[:, :, above:-GAP, :-GAP]


def names(panel):
    axis = panel.axes[0]
    return [text.get_text() for text in (*axis.get_xticklabels(), *axis.get_yticklabels())]


def test_examples_are_the_first_images_of_each_class(oblong):
    figure = figures.example_images(oblong, per_class=2)
    parts = (
        ("training", oblong.train_images, oblong.train_labels),
        ("test", oblong.test_images, oblong.test_labels),
    )
    for panel, (part, images, labels) in zip(figure.panels, parts, strict=True):
        assert panel.axes[0].get_title(loc="left") == f"{part} images"
        assert names(panel) == ["a", "b", "c"]
        for label, row in enumerate(cells(panel, 3, 2)):
            first = np.flatnonzero(labels == label)[:2]
            np.testing.assert_array_equal(row, images[first])
            shown = figure.numbers.query("part == @part and label == @label")
            assert shown.index_in_data_set.tolist() == first.tolist()
    deviations = {
        name: (oblong.train_images[oblong.train_labels == label] / 255).std(axis=0).mean()
        for label, name in enumerate("abc")
    }
    most, least = max(deviations, key=deviations.get), min(deviations, key=deviations.get)
    assert figure.finding.startswith(f"{most} varies most")
    assert figure.finding.endswith(f"{least} least ({deviations[least]:.2f}).")
    assert f"{deviations[most]:.2f} of full ink" in figure.finding


def test_the_first_layer_shows_the_units_with_the_largest_weights(oblong):
    config = Config(layer_specs=(36, 8, 3), epochs=1)
    configs = {"a": config, "b": config.replace(epochs=2)}
    results = run(configs, [0, 1], n_jobs=1, data=oblong, cache=False)
    figure = figures.first_layer_weights(results, configs, oblong, units=7)
    said = []
    for panel, name in zip(figure.panels, "ab", strict=True):
        assert panel.axes[0].get_title(loc="left") == name
        weights = results.of(name)[0].model.weights[0]
        largest = sorted(range(8), key=lambda unit: -(weights[:, unit] ** 2).sum())[:7]
        numbers = figure.numbers[figure.numbers.experiment == name]
        assert numbers.unit.tolist() == largest
        np.testing.assert_allclose(numbers.filter(like="pixel_"), weights[:, largest].T, atol=1e-4)
        drawn = cells(panel, 2, 5).reshape(10, 4, 9)
        for image, unit in zip(drawn, largest, strict=False):
            scaled = weights[:, unit] / abs(weights[:, unit]).max()
            np.testing.assert_allclose(image.ravel(), scaled, atol=1e-6)
        assert np.isnan(drawn[7:]).all()
        red, _, blue, _ = panel.axes[0].images[0].to_rgba(np.array([[1.0]]))[0, 0]
        assert red > blue, "positive weights are red"
        images = weights.T.reshape(8, 4, 9)
        alike = np.corrcoef(images[..., :-1].ravel(), images[..., 1:].ravel())[0, 1]
        said.append(f"{name} {alike:.2f}")
    assert ", ".join(said) in figure.finding


def test_a_confusion_matrix_is_drawn_in_per_cent_with_the_errors_coloured(oblong):
    counts = np.array([[8, 2, 0], [1, 7, 2], [0, 0, 0]])  # no image of the last class
    figure = figures.confusion_matrix(counts, oblong)
    axis, bar = figure.panels[0].axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted", "true character")
    assert "% of the character" in bar.get_xlabel() and names(figure.panels[0]) == [*"abcabc"]
    coloured = np.ma.filled(axis.collections[0].get_array(), np.nan)
    np.testing.assert_allclose(coloured, [[np.nan, 20, np.nan], [10, np.nan, 20], [np.nan] * 3])
    texts = [text for text in axis.texts if text.get_text()]
    written = {text.get_position()[::-1]: text.get_text() for text in texts}
    assert axis.yaxis_inverted()  # the first row on top
    assert written == {
        (0.5, 0.5): "80.0", (0.5, 1.5): "20.0", (1.5, 0.5): "10.0", (1.5, 1.5): "70.0",
        (1.5, 2.5): "20.0",
    }  # fmt: skip
    numbers = figure.numbers.set_index("true_character")
    assert list(numbers.index) == list(numbers) == ["a", "b", "c"]
    np.testing.assert_allclose(numbers, [[80, 20, 0], [10, 70, 20], [np.nan] * 3])
    for part in ("70.0 % (b) and 80.0 % (a)", "a taken for b, 20.0 %"):
        assert part in figure.finding
    perfect = figures.confusion_matrix(np.diag([8, 7, 0]), oblong)
    assert "error" not in perfect.finding and "100.0 % (a)" in perfect.finding


def test_errors_are_drawn_with_true_and_predicted_character_and_probability(oblong):
    labels, predictions = np.array([0, 1, 0]), np.array([2, 2, 2])
    errors = ConfidentErrors(
        oblong.test_images[:3], labels, predictions, np.array([0.99, 0.9, 0.8])
    )
    figure = figures.most_confident_errors(errors, oblong)
    captions = [text.get_text() for panel in figure.panels for text in panel.axes[0].texts]
    assert captions == ["a → c  99\xa0%", "b → c  90\xa0%", "a → c  80\xa0%"]
    drawn = np.concatenate([cells(panel, 1, 4)[0] for panel in figure.panels])
    np.testing.assert_array_equal(drawn[[0, 4, 5]], errors.images)
    assert figure.numbers.to_dict("list") == {
        "true_character": ["a", "b", "a"], "predicted_character": ["c", "c", "c"],
        "probability": [0.99, 0.9, 0.8],
    }  # fmt: skip
    assert "a taken for c (2 of 3 errors with a probability of 80.0\xa0%" in figure.finding
    none = figures.most_confident_errors(ConfidentErrors(*(own[:0] for own in errors)), oblong)
    assert none.finding == "There is no error to show." and len(none.panels) == 1


def test_augmented_copies_stand_below_their_image(oblong):
    figure = augmentation_figure(oblong)
    drawn = cells(figure.panels[0], 8, 3)
    first = [np.flatnonzero(oblong.train_labels == label)[0] for label in range(3)]
    np.testing.assert_array_equal(drawn[0], oblong.train_images[first])
    change = np.abs(drawn[1:] - drawn[0]).mean(axis=(1, 2, 3)) / 255
    assert (change > 0.001).all()
    np.testing.assert_allclose(figure.numbers.mean_change_of_a_pixel, change, 1e-5)
    assert f"{100 * change.mean():.1f} %" in figure.finding
    rows = ["original", *(f"copy {number}" for number in range(1, 8))]
    assert names(figure.panels[0]) == ["a", "b", "c", *rows]


def test_distances_are_drawn_with_their_medians():
    distances = {"validation": np.array([1.0, 2.0, 9.0, 4.0]), "test": np.array([5.0, 6.0, 3.0])}
    figure = figures.distance_histogram(distances, "KMNIST")
    (axis,) = figure.panels[0].axes
    edges = np.linspace(0, 9, 50)
    for line, outline, part in zip(axis.lines, axis.patches, distances, strict=True):
        assert outline.get_label() == part
        assert line.get_color() == to_hex(outline.get_edgecolor()).upper()
        assert line.get_xdata()[0] == np.median(distances[part])
        assert f"{part} {np.median(distances[part]):.2f}" in figure.finding
        density = np.histogram(distances[part], edges, density=True)[0]
        np.testing.assert_allclose(outline.get_xy()[1:-1:2, 1], density, atol=1e-9)
        shown = figure.numbers.distance[figure.numbers.part == part]
        assert shown.tolist() == distances[part].tolist()


def test_the_differences_of_the_gradients_are_drawn_against_the_step_a_panel_per_kind():
    columns = [("bias", "0", "first"), ("weight", "0,2", "first"), ("bias", "0", "last")]
    columns.append(("bias", "0", "sixth"))
    values = [[1e-2, 1e-3, 2e-3, 3e-3], [2e-5, 3e-5, 4e-6, 5e-6], [0.0, 1e-9, 3e-8, 2e-8]]
    names_ = pd.MultiIndex.from_tuples(columns, names=["weight", "index", "pattern"])
    differences = pd.DataFrame(values, [0.1, 0.01, 1e-5], names_).rename_axis("epsilon")
    figure = figures.difference_by_epsilon(differences, "KMNIST")
    bias, weight = (panel.axes[0] for panel in figure.panels)
    assert bias.get_title(loc="left") == "bias (3)"
    expected = [[1e-2, 2e-5, 1e-17], [2e-3, 4e-6, 3e-8], [3e-3, 5e-6, 2e-8]]
    expected.append(expected[2])  # the median
    for line, own in zip(bias.lines, expected, strict=False):
        np.testing.assert_allclose(line.get_xydata(), np.transpose([[0.1, 0.01, 1e-5], own]))
    assert bias.lines[2].get_linewidth() < bias.lines[3].get_linewidth()
    assert bias.lines[3].get_label() == "median"
    np.testing.assert_allclose(weight.lines[0].get_ydata(), [1e-3, 3e-5, 1e-9])
    for axis in (bias, weight):
        rounding, truncation, step, bound = axis.lines[-4:]
        for line, slope in ((rounding, -1), (truncation, 2)):
            x, y = np.log(line.get_xydata().T)
            np.testing.assert_allclose(np.diff(y) / np.diff(x), slope)
        assert step.get_xdata()[0] == 1e-2 and bound.get_ydata()[0] == 1e-4
        low, high = axis.get_ylim()
        assert low < 1e-17 and high > truncation.get_ydata().max()
    labels = ["bias [0], first image", "weight [0,2], first image", "bias [0], last image"]
    labels.append("bias [0], sixth image")
    assert list(figure.numbers) == ["epsilon", *labels]
    np.testing.assert_allclose(figure.numbers[labels], values)
    finding = figure.finding.replace("\xa0", " ")
    assert "3.0 × 10⁻⁵, below" in finding and "smallest with a step of 10⁻⁵" in finding
    assert "ABOVE" in figures.difference_by_epsilon(10 * differences, "KMNIST").finding
