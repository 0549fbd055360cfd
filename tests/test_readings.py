"""Readings of the paper: configurations, distance to the printed numbers, verdicts in each."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from shown import lines, numbers_of, points, ticks

from kmnist_mlp import Config
from kmnist_mlp.experiments import readings, seeds
from kmnist_mlp.experiments.claims import CLAIMS, Claim
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.readings import OURS, READINGS, SEEDS, Reading
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.figures import readings as drawn
from kmnist_mlp.figures.style import png
from kmnist_mlp.support.files import write_csv


def table_of(shift):
    """Return results in every reading: the paper's numbers, moved by ``shift(number)`` scales."""
    scales = readings.printed_numbers().groupby("quantity").scale.first()
    rows = []
    for number, reading in enumerate(READINGS):
        for name, entry in PAPER.items():
            for seed in SEEDS:
                accuracy = (entry.test_accuracy or 80) + shift(number) * scales.test_accuracy
                loss = (entry.test_loss or 0.06) + shift(number) * scales.test_loss
                row = {"test_accuracy": accuracy / 100, "test_loss": loss}
                rows.append({**vars(reading), "experiment": name, "seed": seed, **row})
    return pd.DataFrame(rows)


def test_our_reading_leaves_every_configuration_as_it_is():
    for config in EXPERIMENTS.values():
        kept = config.replace(standardisation="pixel")
        assert OURS.apply(config) == kept
    assert len(set(READINGS)) == 12


def test_classical_momentum_is_a_larger_rate_where_there_is_momentum():
    classical = Reading("pixel", "classical", 2.0)
    assert classical.apply(Config(learning_rate=0.02, momentum_gamma=0.75)).learning_rate == 0.08
    assert classical.apply(Config(learning_rate=0.02, momentum=False)).learning_rate == 0.02
    changed = Reading("image", "unit gain", 1.0).apply(Config())
    assert (changed.standardisation, changed.initial_variance) == ("image", 1.0)


def test_the_velocity_of_classical_momentum_is_that_of_unit_gain_over_one_minus_gamma():
    gamma, rate, w, unit, classical, other = 0.9, 0.01, 1.0, 0.0, 0.0, 1.0
    for _ in range(50):
        unit = gamma * unit + (1 - gamma) * 2 * w
        w -= rate / (1 - gamma) * unit
        classical = gamma * classical + 2 * other
        other -= rate * classical
    assert w == pytest.approx(other)


def test_a_table_of_readings_is_the_same_after_it_was_written_and_read(tmp_path):
    table = table_of(lambda number: number / 4)
    write_csv(table, tmp_path / "readings.csv")
    again = readings.load_readings(tmp_path / "readings.csv")
    curves = [readings.specification_curve(one) for one in (table, again)]
    pd.testing.assert_frame_equal(*curves, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:STAND-IN")
@pytest.mark.parametrize("module", [readings, seeds])
def test_what_is_kept_with_the_project_is_not_measured_on_the_stand_in(module, monkeypatch, capsys):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    assert module.main() == 1
    assert "KMNIST" in capsys.readouterr().err


def test_the_committed_readings_are_complete_and_ours_is_that_of_the_reference_results():
    table = readings.load_readings()
    runs = table.groupby(readings.CHOICES).size()
    assert sorted(runs) == [3, 3] + [18 * 3] * 12 and sorted(set(table.seed)) == list(SEEDS)
    assert {*runs.index} == {tuple(vars(reading).values()) for reading in readings.TRAINED}
    own = readings.results_of(OURS, table).frame.set_index(["experiment", "seed"])
    for row in load_reference("KMNIST").itertuples():
        if (row.experiment, row.seed) in own.index:
            measured = float(own.loc[(row.experiment, row.seed), row.quantity])
            assert measured == pytest.approx(row.value, abs=row.tolerance + 1e-9)


def test_the_committed_seeds_are_twenty_runs_of_the_baseline():
    table = seeds.load_seeds()
    assert table.seed.tolist() == list(seeds.MANY)
    reference = load_reference("KMNIST").query("experiment == 'baseline'")
    own = reference[reference.quantity == "test_accuracy"].set_index("seed")
    for seed, row in own.iterrows():
        assert table.test_accuracy[seed] == pytest.approx(row.value, abs=row.tolerance)


@pytest.mark.parametrize("scales", [0.0, 1.0, -2.0])
def test_the_distance_is_in_scales_of_the_papers_own_experiments(scales):
    table = table_of(lambda number: scales)
    assert readings.distance(readings.results_of(OURS, table)) == pytest.approx(abs(scales))


def test_every_printed_number_counts_once():
    numbers = readings.printed_numbers()
    assert numbers.groupby("quantity").size().to_dict() == {"test_accuracy": 11, "test_loss": 10}
    of_losses = numbers[numbers.quantity == "test_loss"]
    np.testing.assert_allclose(of_losses.scale, of_losses.value.std(ddof=1))


def test_the_nearest_reading_comes_first():
    curve = readings.specification_curve(table_of(lambda number: 12.0 - number))
    assert curve.distance.tolist() == pytest.approx(list(range(1, 13)))
    assert tuple(curve.loc[1, readings.CHOICES]) == tuple(vars(READINGS[-1]).values())
    assert "rank 12" in drawn.specification_finding(curve)


def test_each_claim_is_judged_in_each_reading():
    table = table_of(lambda number: (5 * number + 3) % 12 / 1000)
    odd = [list(vars(reading).values()) for reading in READINGS[1::2]]
    is_odd = table[readings.CHOICES].apply(lambda row: list(row) in odd, axis=1)
    table.loc[is_odd & (table.experiment == "relu"), "test_accuracy"] = 0.5
    claims = [
        Claim("4", "ReLU is good", "test_accuracy", "relu", low=80),
        Claim("4", "ReLU is something", "test_accuracy", "relu", low=10),
        Claim("4", "ReLU is perfect", "test_accuracy", "relu", low=99),
    ]
    found = readings.verdicts(table, claims)
    assert found.loc["1 ReLU is good"].tolist() == ["reproduced", "not reproduced"] * 6
    reach = drawn.claims_by_reach(found)
    assert reach.reach.tolist() == ["some readings", "every reading", "no reading"]
    assert '1 have the verdict "not reproduced"' in drawn.verdicts_finding(found)
    figure = drawn.verdicts_figure(found, readings.specification_curve(table))
    (axis,) = figure.axes
    by_distance = sorted(range(12), key=lambda number: (number % 2, (5 * number + 3) % 12))
    rows = {text: height for height, text in ticks(axis, "y").items()}
    good, always, never = (
        rows[f"{n} {claim.statement}"] for n, claim in enumerate(claims, start=1)
    )
    even = [(place, n % 2 == 0) for place, n in enumerate(by_distance, start=1)]
    expected = {
        "reproduced": {(place, always) for place, _ in even}
        | {(p, good) for p, yes in even if yes},
        "not reproduced": {(place, never) for place, _ in even}
        | {(p, good) for p, yes in even if not yes},
        "undecided": set(),
    }
    for line in axis.lines:
        assert {tuple(point) for point in points([line])} == expected[line.get_label()]
    assert {float(text): place for place, text in ticks(axis, "x").items()} == {
        place: place for place in range(1, 13)
    }
    numbers = numbers_of(figure)
    assert numbers.columns.tolist() == ["claim", *map(str, by_distance)]
    assert numbers.iloc[0].tolist()[1:] == ["reproduced"] * 6 + ["not reproduced"] * 6


def test_the_specification_curve_is_drawn_above_the_choices_of_each_reading():
    table = table_of(lambda number: (5 * number + 3) % 12 / 4)
    figure = drawn.specification_figure(readings.specification_curve(table))
    by_distance = [READINGS[n] for n in sorted(range(12), key=lambda n: (5 * n + 3) % 12)]
    top, bottom = figure.axes
    others = [(place, (place - 1) / 4) for place in range(1, 13) if place != 4]
    np.testing.assert_allclose(points(lines(top, marker="o")), others, atol=1e-9)
    np.testing.assert_allclose(points(lines(top, marker="D")), [(4, 0.75)])
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["this report"]
    (marker,) = top.get_legend().legend_handles
    assert marker.get_marker() == "D"
    for row, label in ticks(bottom, "y").items():
        chosen = {
            place
            for place, reading in enumerate(by_distance, start=1)
            if label in (f"{reading.standardisation} standardisation",
                         f"{reading.momentum} momentum", f"variance {reading.variance:g}")
        }  # fmt: skip
        own = [line for line in lines(bottom) if set(line.get_ydata()) == {row}]
        shown = [line for line in own if line.get_markersize() == 7]
        assert {x for x, _ in points(shown)} == chosen
        assert {x for x, _ in points([m for m in shown if m.get_marker() == "D"])} == chosen & {4}
    numbers = numbers_of(figure)
    np.testing.assert_allclose(numbers.distance, np.arange(12) / 4, atol=1e-9)
    assert numbers.number.tolist() == [READINGS.index(reading) for reading in by_distance]
    ends = [
        f"{r.standardisation} standardisation, {r.momentum} momentum and variance {r.variance:g}"
        for r in (by_distance[0], by_distance[-1])
    ]
    for part in (f"{ends[0]}, at a distance of 0.000", f"{ends[1]}, at 2.750", "rank 4, at 0.750"):
        assert part in figure.exhibit_data.finding
    assert png(figure, 40).startswith(b"\x89PNG")


def test_the_widths_of_both_intervals_are_drawn_by_the_number_of_seeds():
    values = [84.0, 84.5, 84.2]
    figure = drawn.seeds_figure(seeds.widths(values))
    n = np.arange(2, 21)
    mean = scipy.stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    (axis,), numbers = figure.axes, numbers_of(figure)
    for label, column, expected in (
        ("mean", "mean", mean), ("one more run", "next_run", mean * (n + 1) ** 0.5),
    ):  # fmt: skip
        np.testing.assert_allclose(numbers[column], expected, 1e-5)
        (text,) = [text for text in axis.texts if text.get_text() == label]
        (line,) = lines(axis, color=text.get_color())
        np.testing.assert_allclose(points([line]), np.transpose([n, expected]))
        assert text.xy == pytest.approx((20, expected[-1]))
    assert numbers.seeds.tolist() == n.tolist()
    said = ", ".join(f"± {mean[m - 2]:.2f} points with {m} seeds" for m in (2, 5, 20))
    assert said in figure.exhibit_data.finding
    assert png(figure, 40).startswith(b"\x89PNG")


# ---- seeds ---------------------------------------------------------------------------------------


def test_widths_are_those_of_the_intervals():
    values = [84.0, 84.5, 84.2, 83.9]
    own = seeds.widths(values, [4]).iloc[0]
    from kmnist_mlp.support.statistics import interval, prediction_interval

    assert own["mean"] == pytest.approx((interval(values)[2] - interval(values)[1]) / 2)
    _, low, high = prediction_interval(values)
    assert own.next_run == pytest.approx((high - low) / 2)


def test_two_runs_of_one_configuration_rarely_differ_by_more_than_the_smallest_difference():
    rng = np.random.default_rng(0)
    more = [
        abs(a - b) > seeds.smallest_difference([values[:4], np.add(values[4:], 9)])[0]
        for *values, a, b in rng.normal(84, 0.5, (4000, 12))
    ]
    assert np.mean(more) == pytest.approx(0.05, abs=0.012)


def test_a_comparison_of_two_runs_is_beyond_chance_only_above_the_interval_of_the_limit():
    values = [[84.0, 84.5, 84.2, 83.9, 84.4, 84.1]]
    table = seeds.single_run_comparisons(values).set_index(["experiment", "minus"])
    assert table.difference["l2_1e-3", "l2_0.2"] == pytest.approx(84.91 - 86.26)
    limit, low, high = seeds.smallest_difference(values)
    assert low < limit < high
    sizes = table.difference.abs()
    assert (table.beyond_chance == "yes").equals(sizes > high)
    assert (table.beyond_chance == "no").equals(sizes < low)
    assert set(table.beyond_chance) == {"yes", "no", "borderline"}
    pairs = [(c.experiment, c.minus) for c in CLAIMS if c.quantity == "test_accuracy" and c.minus]
    printed = {pair for pair in pairs if all(PAPER[name].test_accuracy for name in pair)}
    # L1 0.000001 has the baseline's numbers; both networks of 64 units are compared only there
    printed -= {("l1_1e-3", "baseline")}
    assert {*table.index} == printed | {("two_hidden_layers", "hidden_64")}


def test_the_limit_is_pooled_over_the_experiments_whose_accuracies_the_paper_compares():
    groups = seeds.printed_runs()
    assert [len(group) for group in groups] == [5] * 10
    variance = np.mean([np.var(group, ddof=1) for group in groups])
    expected = scipy.stats.t.ppf(0.975, 40) * np.sqrt(2 * variance)
    assert seeds.smallest_difference(groups)[0] == pytest.approx(expected)
    assert expected == pytest.approx(1.14, abs=0.005)


def test_the_interval_of_the_limit_holds_the_true_one():
    rng, hits = np.random.default_rng(0), []
    for values in rng.normal(84, 0.5, (2000, 20)):
        limit, low, high = seeds.smallest_difference([values])
        hits.append(low < limit / values.std(ddof=1) * 0.5 < high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)
