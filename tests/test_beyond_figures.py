"""Figures beyond the paper draw what the records hold, by name, seed and part."""

import numpy as np
import pandas as pd
import pytest
from fake_records import fake_records

from kmnist_mlp.beyond import figures, plan
from kmnist_mlp.beyond.calibration import calibration_table
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.support.statistics import wilson_interval


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    use_style()
    return fake_records(tmp_path_factory.mktemp("records"))


def accuracy(records, config, data="trials", part="held_out"):
    return 100 * records.of(config, data)[f"{part}_accuracy"]


def means(axis):
    """Return the points of the line of each label."""
    handles, labels = axis.get_legend_handles_labels()
    lines = (getattr(handle, "lines", [handle])[0] for handle in handles)
    return {label: line.get_xydata() for label, line in zip(labels, lines, strict=True)}


def signed(value, digits):
    return f"{value:+.{digits}f}".replace("-", "−")


def test_steps_and_changes_have_a_row_each_with_the_mean_of_both_parts(records):
    parts = {"held_out": "held-out clusters", "validation": "validation"}
    titles = list(plan.LEFT_OUT)
    change, steps = figures.changes_figure(records, titles), figures.steps_figure(records)
    changes = [
        [
            accuracy(records, plan.changed(title), part=part)
            - accuracy(records, plan.TRIAL, part=part)
            for part in parts
        ]
        for title in titles
    ]
    accuracies = [
        [accuracy(records, config, part=part) for part in parts]
        for config in plan.step_configs().values()
    ]
    for figure, values, names in (
        (change, changes, titles), (steps, accuracies, plan.step_configs()),
    ):  # fmt: skip
        (axis,) = figure.panels[0].axes
        rows = {text.get_text(): round(text.get_position()[1] + 0.2) for text in axis.texts}
        assert rows == {name: row for row, name in enumerate(names)} and axis.yaxis_inverted()
        for number, part in enumerate(parts.values()):
            found = means(axis)[part]
            np.testing.assert_allclose(found[:, 0], [own[number].mean() for own in values])
            np.testing.assert_allclose(found[:, 1] - 0.2 * number, range(len(values)), atol=1e-9)
        assert len(figure.numbers) == sum(len(own) for pair in values for own in pair)
    lost = {name: own[0].mean() for name, own in zip(titles, changes, strict=True)}
    worst, best = min(lost, key=lost.get), max(lost, key=lost.get)
    assert f"lowest mean is that of {worst} ({signed(lost[worst], 2)} points)" in change.finding
    assert f"highest that of {best} ({signed(lost[best], 2)})" in change.finding
    first = [own[0][0] for own in accuracies]
    assert f"from {first[0]:.1f} % to {first[-1]:.1f} %" in steps.finding
    assert f"({signed(max(np.diff(first)), 2)} points)" in steps.finding


def test_the_ranking_compares_the_first_seed_at_two_lengths(records):
    figure = figures.ranking_figure(records)
    assert figure.numbers.left_out.tolist() == list(plan.LEFT_OUT)
    row = figure.numbers.set_index("left_out").loc["length: half the epochs"]
    half, short, longer = (
        accuracy(records, plan.TRIAL.replace(epochs=epochs))[0] for epochs in (10, 20, 40)
    )
    assert row.short == pytest.approx(half - short)
    assert row.long == pytest.approx(short - longer)
    ordered = figure.numbers.sort_values("short")
    (axis,) = figure.panels[0].axes
    assert [text.get_text() for text in axis.texts] == ordered.left_out.tolist()
    for label, column in (("20 epochs", "short"), ("40 epochs", "long")):
        np.testing.assert_allclose(means(axis)[label][:, 0], ordered[column])
    same = pd.DataFrame({"left_out": list("abc"), "short": [-1, 2, 3], "long": [5, 6, 9]})
    finding = figures.ranking_finding(same)
    assert "1.00" in finding and "2 of 3" in finding


def test_strengths_and_sizes_are_drawn_as_means_over_seeds(records):
    figure = figures.strength_figure(records)
    assert len(figure.numbers) == 4 * 3 * 2 * 2
    titles = [panel.axes[0].get_title(loc="left") for panel in figure.panels]
    assert titles == ["held-out clusters", "validation"]
    for panel, part in zip(figure.panels, ("held_out", "validation"), strict=True):
        for epochs in plan.LENGTHS:
            expected = [
                (s, accuracy(records, plan.strength_config(s, epochs), part=part).mean())
                for s in plan.STRENGTHS
            ]
            np.testing.assert_allclose(means(panel.axes[0])[f"{epochs} epochs"], expected)
            best = max(expected, key=lambda pair: pair[1])[0]
            assert part == "validation" or f"{best:g} at {epochs} epochs" in figure.finding
    figure = figures.sizes_figure(records)
    values = {
        (n, augmented, seen): accuracy(
            records, plan.size_config(n, augmented, plan.IMAGES_SEEN // seen), f"first {n}"
        ).mean()
        for n in plan.SIZES
        for augmented in (False, True)
        for seen in (1, 2)
    }
    (axis,) = figure.panels[0].axes
    crosses = [line.get_xydata() for line in axis.lines if line.get_marker() == "x"]
    for augmented, label in enumerate(("not augmented", "augmented")):
        whole, half = ([(n, values[n, augmented, seen]) for n in plan.SIZES] for seen in (1, 2))
        np.testing.assert_allclose(means(axis)[label], whole)
        np.testing.assert_allclose(crosses[augmented], half)
    gain = values[1000, True, 1] - values[1000, False, 1]
    assert f"by {signed(gain, 1)} points with 1,000" in figure.finding


def test_calibration_shows_each_models_error_and_intervals():
    p = np.full((100, 4), 0.1)
    p[:, 0] = 0.7
    less = p.copy()
    less[60:] = 0.4, 0.2, 0.2, 0.2
    right = np.isin(np.arange(100), [*range(45), *range(60, 70)])  # 45 of 60, and 10 of 40
    made = {
        "good": calibration_table(p, np.where(np.arange(100) < 70, 0, 1)),
        "bad": calibration_table(less, np.where(right, 0, 1)),
    }
    figure = figures.calibration_figure(made, "KMNIST")
    assert "good 0.000, bad 0.090" in figure.finding
    bins = {"good": [(0.7, 70, 100)], "bad": [(0.4, 10, 40), (0.7, 45, 60)]}
    for panel, (model, own) in zip(figure.panels, bins.items(), strict=True):
        (axis,) = panel.axes
        assert model in axis.get_title(loc="left") + axis.get_title()
        (line,) = [line for line in axis.lines if line.get_label() == "accuracy"]
        assert line.get_xydata() == pytest.approx(np.array([(c, k / n) for c, k, n in own]))
        expected = [(c, *(end / 100 for end in wilson_interval(k, n))) for c, k, n in own]
        ends = [segment.ravel()[[0, 1, 3]] for segment in axis.collections[0].get_segments()]
        np.testing.assert_allclose(ends, expected, rtol=1e-5)
        shown = figure.numbers.query("model == @model")[["confidence", "low", "high"]]
        np.testing.assert_allclose(shown, expected, rtol=1e-5)
        bars = [bar.get_height() for bar in axis.patches if bar.get_height()]
        assert bars == [n / 100 for _, _, n in own]


def test_robustness_has_a_panel_per_corruption_and_a_line_per_model():
    first = {("shift", "a"): 0.9, ("shift", "b"): 0.8, ("noise", "a"): 0.8, ("noise", "b"): 0.7}
    rows = [(c, s, m, start - s / 10) for (c, m), start in first.items() for s in (0, 1, 3)]
    table = pd.DataFrame(rows, columns=["corruption", "severity", "model", "accuracy"])
    figure = figures.robustness_figure(table, "stand-in data")
    axes = [panel.axes[0] for panel in figure.panels]
    assert [axis.get_xlabel() for axis in axes] == ["shift", "noise"]
    for axis in axes:
        for model in "ab":
            start = first[axis.get_xlabel(), model]
            expected = [(severity, 100 * start - 10 * severity) for severity in (0, 1, 3)]
            np.testing.assert_allclose(means(axis)[model], expected)
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert "lowest accuracy is 40 % (b, noise: 3)" in figure.finding
