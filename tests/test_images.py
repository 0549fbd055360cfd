"""Images and the numbers about them: examples, weights, errors, distances, augmented copies."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from shown import texts

from kmnist_mlp import Config, figures, run
from kmnist_mlp.beyond.trials import AUGMENTED, SHOWN, augmentation_figure
from kmnist_mlp.figures.images import GAP


@pytest.fixture(scope="module")
def oblong(make_dataset):
    """Images of 4 x 9 pixels in 3 classes: neither square nor of ten characters."""
    figures.use_style()
    data = make_dataset(side=6)
    train, test = (images.reshape(-1, 4, 9) for images in (data.train_images, data.test_images))
    return replace(data, train_images=train, test_images=test)


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
    parts = {"training": "train", "test": "test"}
    for panel, (part, short) in zip(figure.panels, parts.items(), strict=True):
        images = getattr(oblong, f"{short}_images")
        labels = getattr(oblong, f"{short}_labels")
        assert panel.axes[0].get_title(loc="left") == f"{part} images"
        assert names(panel) == ["a", "b", "c"]
        first = np.array([np.flatnonzero(labels == label)[:2] for label in range(3)])
        np.testing.assert_array_equal(cells(panel, 3, 2), images[first])
        shown = figure.numbers.query("part == @part")
        assert shown.index_in_data_set.tolist() == first.ravel().tolist()
        assert shown.label.tolist() == [0, 0, 1, 1, 2, 2]
        assert [*shown.character] == [*"aabbcc"]


def test_the_first_layer_shows_the_largest_weights(oblong):
    config = Config(layer_specs=(36, 8, 3), epochs=1)
    configs = {"a": config, "b": config.replace(epochs=2)}
    results = run(configs, [0, 1], n_jobs=1, data=oblong, cache=False)
    figure = figures.first_layer_weights(results, configs, oblong, units=7)
    for panel, name in zip(figure.panels, "ab", strict=True):
        (axis,) = panel.axes
        weights = results.of(name)[0].model.weights[0]
        largest = sorted(range(8), key=lambda unit: -(weights[:, unit] ** 2).sum())[:7]
        numbers = figure.numbers[figure.numbers.experiment == name]
        assert axis.get_title(loc="left") == name and numbers.unit.tolist() == largest
        np.testing.assert_allclose(numbers.filter(like="pixel_"), weights[:, largest].T, atol=1e-4)
        drawn = cells(panel, 2, 5).reshape(10, 36)
        scaled = (weights / abs(weights).max(axis=0))[:, largest].T
        np.testing.assert_allclose(drawn[:7], scaled)
        assert np.isnan(drawn[7:]).all()
        red, _, blue, _ = axis.images[0].to_rgba(np.array([[1.0]]))[0, 0]
        assert red > blue, "positive weights are red"
        images = weights.T.reshape(8, 4, 9)
        alike = np.corrcoef(images[..., :-1].ravel(), images[..., 1:].ravel())[0, 1]
        assert f"{name} {alike:.2f}" in figure.finding


def test_the_errors_of_a_confusion_matrix_are_coloured(oblong):
    counts = np.array([[8, 2, 0], [1, 7, 2], [0, 0, 0]])  # no image of the last class
    figure = figures.confusion_matrix(counts, oblong)
    (axis,) = figure.panels[0].axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted", "true character")
    assert names(figure.panels[0]) == [*"abcabc"] and axis.yaxis_inverted()  # the first row on top
    coloured = np.ma.filled(axis.collections[0].get_array(), np.nan)
    np.testing.assert_allclose(coloured, [[np.nan, 20, np.nan], [10, np.nan, 20], [np.nan] * 3])
    percent = np.array([[80, 20, 0], [10, 70, 20], [np.nan] * 3])
    shares = {(x + 0.5, y + 0.5): f"{p:.1f}" for (y, x), p in np.ndenumerate(percent) if p > 0}
    assert {place: text for place, text in texts(axis).items() if text} == shares
    numbers = figure.numbers.set_index("true_character")
    assert list(numbers.index) == list(numbers) == ["a", "b", "c"]
    np.testing.assert_allclose(numbers, percent)


def test_errors_have_both_characters_and_probability(oblong):
    labels, probabilities = np.array([0, 1, 0]), np.array([0.99, 0.9, 0.8])
    columns = {"label": labels, "prediction": labels * 0 + 2, "confidence": probabilities}
    errors = pd.DataFrame(columns, [1, 0, 2])
    figure = figures.most_confident_errors(errors, oblong)
    (panel,) = figure.panels
    assert [*texts(panel.axes[0]).values()] == ["a→c 99\xa0%", "b→c 90\xa0%", "a→c 80\xa0%"]
    np.testing.assert_array_equal(cells(panel, 1, 4)[0][:3], oblong.test_images[[1, 0, 2]])
    numbers = figure.numbers.T.to_numpy().tolist()
    assert numbers == [[*"aba"], [*"ccc"], probabilities.tolist()]
    none = figures.most_confident_errors(errors[:0], oblong)
    assert len(none.panels) == 1 and none.numbers.empty


def test_augmented_copies_stand_below_their_image(oblong):
    figure = augmentation_figure(oblong)
    rows = ["original", *(f"augmented {n + 1}" for n in range(AUGMENTED)), *SHOWN]
    drawn = cells(figure.panels[0], len(rows), 3)
    first = [np.flatnonzero(oblong.train_labels == label)[0] for label in range(3)]
    np.testing.assert_array_equal(drawn[0], oblong.train_images[first])
    change = np.abs(drawn[1:] - drawn[0]).mean(axis=(1, 2, 3)) / 255
    assert (change > 0.001).all() and f"{100 * change[:AUGMENTED].mean():.1f} %" in figure.finding
    np.testing.assert_allclose(figure.numbers.mean_change_of_a_pixel, [0, *change], 1e-5)
    assert names(figure.panels[0]) == ["a", "b", "c", *rows]


def test_distances_are_drawn_with_their_medians():
    distances = {"validation": np.array([1.0, 2.0, 9.0, 4.0]), "test": np.array([5.0, 6.0, 3.0])}
    figure = figures.distance_histogram(distances, "KMNIST")
    (axis,) = figure.panels[0].axes
    edges = np.linspace(0, 9, 50)
    for line, outline, (part, own) in zip(axis.lines, axis.patches, distances.items(), strict=True):
        assert outline.get_label() == part
        assert line.get_color() == to_hex(outline.get_edgecolor()).upper()
        assert line.get_xdata()[0] == np.median(own)
        assert f"{part} {np.median(own):.2f}" in figure.finding
        density = np.histogram(own, edges, density=True)[0]
        np.testing.assert_allclose(outline.get_xy()[1:-1:2, 1], density, atol=1e-9)
        assert figure.numbers.distance[figure.numbers.part == part].tolist() == own.tolist()
