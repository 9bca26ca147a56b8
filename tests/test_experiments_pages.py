"""The pages of comparison and reproduction, and the experiments behind the misprints."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from genmodels.data.datasets import load
from genmodels.errors import BadInput
from genmodels.experiments import comparison, declaration, measures, misprints, refutations, results
from genmodels.experiments.measures import Cell
from genmodels.experiments.misprints import MISPRINTS
from genmodels.experiments.refutations import Outcome
from genmodels.experiments.results import Row
from genmodels.jobs import queue, tasks
from genmodels.metrics.floors import digest
from genmodels.runs import store
from genmodels.runs.run import Run
from pages._ui.views.experiments import beside, drawn, reproduction, tables
from tests.answers import at_once, finish

PAGES = Path(__file__).resolve().parents[1] / "pages/lab"


@pytest.fixture(autouse=True)
def _no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "pool", lambda: None)


def page(name: str, **link: str) -> AppTest:
    test = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=60)
    for key, value in link.items():
        test.query_params[key] = value
    test.run()
    assert not test.exception
    return test


# Misprints ------------------------------------------------------------------------------------------------------------

BOUNDS = ("nats from the ELBO",)  # whose truth is the most that it may be
LOG_2, LOG_2PI = math.log(2), math.log(2 * math.pi)


@pytest.mark.parametrize("one", MISPRINTS, ids=lambda one: one.test.__name__)
def test_the_right_line_gives_what_it_must_and_the_printed_one_does_not(one: misprints.Misprint) -> None:
    outcome = one.test()
    assert one.line != one.correct
    if one.asks.startswith(BOUNDS):
        assert 0 < outcome.right <= outcome.truth < outcome.wrong
        return
    assert outcome.right == pytest.approx(outcome.truth, rel=0.02, abs=1e-9)
    assert not math.isclose(outcome.wrong, outcome.truth, rel_tol=0.1, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("test", "wrong", "truth"),
    [
        (refutations.sign_of_kl, -0.5, 0.5),
        (refutations.squared_cost, 9.0, 3.0),
        (refutations.aggregate, 10 * math.log(10), 0.0),
        (refutations.kl_added, LOG_2 - 0.5 - LOG_2PI / 2, -2 - LOG_2PI / 2),
        (refutations.factor_left_inside, 0.5 - LOG_2 / 2 - LOG_2PI / 2, 2.5 - LOG_2 / 2),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_outcomes_that_paper_and_pencil_give(test: Callable[[], Outcome], wrong: float, truth: float) -> None:
    assert test().wrong == pytest.approx(wrong)
    assert test().truth == pytest.approx(truth)


def test_all_experiments_are_one_task() -> None:
    told = finish(misprints.told())
    assert all(len(column) == len(MISPRINTS) for column in told.values())


def test_the_page_shows_a_line_first_and_then_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages._ui.views.experiments.misprints.answer", at_once)
    test = page("reproduce", what="Misprints")
    assert test.subheader[0].value == f"Five sources, {len(MISPRINTS)} of their mistakes, each with an experiment"
    assert len(test.latex) == len(MISPRINTS)
    test.toggle[0].set_value(True).run()
    assert not test.exception
    assert len(test.latex) == len(MISPRINTS) + 1
    assert [metric.label for metric in test.metric] == ["As printed", "Corrected", "What it must be"]
    assert [metric.value for metric in test.metric] == ["over 10³⁰⁸", "0.5008", "0.5"]


# Reproduction ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", declaration.shipped())
def test_every_experiment_that_ships_has_all_its_results(name: str) -> None:
    one = declaration.read(name)
    raw, rows = results.loaded(declaration.FOLDER / f"{name}.json")
    assert {(row.name, row.data, row.seed) for row in rows} == {(c.name, c.data, c.seed) for c in one.cases}
    assert all(row.status == "finished" and row.cells for row in rows)
    assert all(set(row.cells) <= set(one.measures) for row in rows)
    likelihoods = {"log_prob", "elbo", "iwae", "bpd", "kl"}  # which not every model has
    assert all(set(row.cells) >= set(one.measures) - likelihoods for row in rows)
    assert raw["seeds"] == one.seeds
    assert raw["measuring"] == {"n": one.how.n, "k": one.how.k, "seed": one.how.seed}
    for case in one.cases:
        if case.checkpoint:
            row = next(row for row in rows if row.run == case.checkpoint)
            assert row.steps == store.find(case.checkpoint).state().step


NO_ERROR = ("parameters", "seconds", "ms")  # a number of numbers; the time of one training; the fastest of three draws


@pytest.mark.parametrize("name", declaration.shipped())
def test_every_number_that_ships_has_its_standard_error(name: str) -> None:
    for row in results.loaded(declaration.FOLDER / f"{name}.json")[1]:
        assert [one for one, cell in row.cells.items() if math.isnan(cell.se)] == [
            one for one in row.cells if one in NO_ERROR
        ], row.name


@pytest.mark.parametrize("run", store.bundled(), ids=lambda run: run.id)
def test_every_checkpoint_is_measured_like_the_others_with_the_weights_that_ship(run: Run) -> None:
    name = f"checkpoints-{run.plan.data}"
    assert run.id in {case.checkpoint for case in declaration.read(name).cases}, f"add it to experiments/{name}.toml"
    rows = [row for row in results.shipped(declaration.read(name)) if row.run == run.id]
    assert len(rows) == 1, "python -m genmodels experiment refresh"
    assert comparison.stale(rows) == [], "python -m genmodels experiment refresh"


def test_every_entry_is_drawn_with_theirs_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for view in ("drawn", "beside"):  # of the workers
        monkeypatch.setattr(f"pages._ui.views.experiments.{view}.answer", lambda function, **how: None)
    monkeypatch.setattr("streamlit.page_link", lambda *page, **how: None)  # one page alone knows of no other
    entries = [one for name in declaration.shipped() if (one := declaration.read(name)).source]
    assert entries
    for one in entries:
        test = page("reproduce", entry=one.title)
        text = "\n".join(str(element.value) for element in test.markdown)
        assert one.source is not None
        assert one.source.differs in text
        for row in one.source.theirs.values():
            assert all(value in text for value in row.values())
        assert f"python -m genmodels experiment run {one.name}" in test.code[0].value
        assert results.budget(one) in text
        for case in one.cases:
            assert not case.checkpoint or f"# {case.checkpoint}\npython -m genmodels train" in test.code[1].value
        assert len(test.get("plotly_chart")) == sum(not figure.draws for figure in one.figures)
        for figure in one.figures:
            assert not figure.draws or figure.title in text


def test_an_entry_of_few_trainings_says_so() -> None:
    of_a_checkpoint, of_seeds = (declaration.read(name) for name in ("ddpm-draws", "mode-collapse"))
    deserved = " A table of trainings deserves 10 of each model."
    assert results.budget(of_a_checkpoint).endswith(f"the checkpoint that ships: ddpm-mnist (seed 0).{deserved}")
    assert results.budget(of_seeds) == f"Of each model there are 6 trainings.{deserved}"
    assert results.budget(declaration.read("priors")) == ""


def test_a_small_run_is_trained_by_the_workers() -> None:
    one = declaration.read("training-curves", seeds=1)
    test = page("reproduce", entry=one.title)
    next(button for button in test.button if "small" in button.label).click().run()
    assert not test.exception
    assert set(queue.waiting()) == {run.id for run in store.every()}
    assert len(store.every()) == len(one.cases)
    assert [row.status for row in results.rows(one)] == ["queued"] * len(one.cases)


def test_a_small_run_of_checkpoints_measures_few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.page_link", lambda *page, **how: None)  # one page alone knows of no other
    one = declaration.read("gan-through-training")
    test = page("reproduce", entry=one.title)
    next(button for button in test.button if "small" in button.label).click().run()
    assert not test.exception
    assert store.every() == []
    (waiting,) = tasks.queue().iterdir()
    asked = tasks.read_json(tasks.folder() / waiting.name / "task.json")["arguments"]
    assert asked == {"run": "gan-mnist-report", "n": 200, "k": 20, "seed": 0}


@pytest.mark.parametrize("status", ["failed", "finished"])
def test_nobody_looks_on_where_nothing_is_to_come(status: str) -> None:
    row = results.Row("x", "digits", "vae", 0, status=status)
    assert reproduction._is_going([row]) == (status == "finished")  # which is still to be measured


# Comparison -----------------------------------------------------------------------------------------------------------


def columns(test: AppTest) -> dict[str, list[object]]:
    return test.dataframe[0].value.to_dict("list")


def test_checkpoints_of_one_data_set_stand_in_one_table_under_the_floor() -> None:
    test = page("compare", data="digits")
    table = columns(test)
    assert table[""][0] == "real data against real data"
    assert set(table[""][1:]) == {"ddpm-digits", "gan-digits", "vae-digits-2d", "wgan-digits-gp"}
    assert set(table["n"][1:]) == {180}
    fid = dict(zip(table[""], table["FID of the judge"], strict=True))
    assert all(value > 0 for value in fid.values())
    assert fid["gan-digits"] > fid["real data against real data"]
    assert set(table["likelihood"][1:]) == {"bound", "none", "exact"}


def test_a_value_never_changes_because_a_row_is_hidden() -> None:
    test = page("compare", data="digits")
    whole = {line[""]: line for line in test.dataframe[0].value.to_dict("records")}
    test.get("button_group")[0].set_value(["gan"]).run()
    assert not test.exception
    few = {line[""]: line for line in test.dataframe[0].value.to_dict("records")}
    assert set(few) == {"real data against real data", "gan-digits"}
    for name, line in few.items():
        for column, value in line.items():
            if isinstance(value, float) and not math.isnan(value):
                assert value == whole[name][column]


def test_what_was_not_measured_is_measured_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_shipped", lambda path: {})
    monkeypatch.setattr(comparison, "_of_card", lambda row, path: row)
    test = page("compare", data="two-moons")
    assert "yet: autoregressive-two-moons" in test.markdown[0].value
    assert not tasks.queue().exists()
    test.toggle(key="measure").set_value(True).run()
    (waiting,) = tasks.queue().iterdir()
    assert (
        tasks.read_json(tasks.folder() / waiting.name / "task.json")["arguments"]["run"] == "autoregressive-two-moons"
    )


@pytest.mark.parametrize(
    ("card", "status"),
    [({"examples": 10_000, "samples": 1000}, "finished"), ({"examples": 10_000}, comparison.OF_CARD)],
)
def test_a_card_of_another_number_of_samples_is_told_apart(card: dict[str, int], status: str, tmp_path: Path) -> None:
    path, row = tmp_path / "measures.json", results.Row("x", "mnist", "vae", 0, status="finished")
    path.write_text(json.dumps(card | {"judge_fid": 1.0}))
    assert comparison._of_card(row, path).status == status


def test_twenty_checkpoints_open_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    known = comparison.compared("digits")
    monkeypatch.setattr(comparison, "compared", lambda data: known * 5)
    page("compare", data="digits")  # the modules are loaded
    start = time.process_time()
    page("compare", data="digits")
    assert time.process_time() - start < 2


def test_a_likelihood_says_of_what_it_is() -> None:
    info = measures.DATASETS
    assert measures._base(info["two-moons"], "unit", {}) == "density on the plane"
    assert measures._base(info["mnist"], "signed", {"bpd": 1.0}) == "probability of the grey levels"
    assert measures._base(info["mnist"], "dequantize", {"bpd": 1.0}) == "density of dequantized grey"
    assert measures._base(info["mnist"], "threshold", {}) == "probability of thresholded black and white"
    for inputs in ("unit", "threshold"):
        assert measures._base(info["mnist-dynamic"], inputs, {"bpd": 1.0}).endswith("drawn from grey")


def test_real_data_stand_beside_the_samples_of_every_run_of_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, tuple[int, ...]]] = []
    links: list[str] = []
    monkeypatch.setattr("streamlit.page_link", lambda *page, label, **how: links.append(label))
    monkeypatch.setattr(beside, "answer", at_once)
    monkeypatch.setattr(beside, "pictures", lambda x, columns, alt, **how: shown.append((alt, x.shape)))
    runs = ["gan-digits", "vae-digits-2d"]
    figure = declaration.Figure("Beside", draws="beside", of=tuple(runs))
    drawn.drawn(figure, {"gan-digits": "GAN", "vae-digits-2d": "VAE"}, key="figure")
    assert links == ["**GAN**", "**VAE**"]
    alts = ["16 test examples.", "16 samples of GAN, seed 0.", "16 samples of VAE, seed 0."]
    assert shown == [(alt, (16, 1, 8, 8)) for alt in alts]


def test_what_has_learned_other_data_does_not_stand_beside_it() -> None:
    raw = {
        "data": ["digits", "two-moons"],
        "measures": ["seconds"],
        "models": [{"checkpoint": "gan-digits"}, {"checkpoint": "flow-two-moons"}],
        "figures": [{"title": "x", "draws": "beside", "of": ["gan-digits", "flow-two-moons"]}],
    }
    with pytest.raises(BadInput, match="learned the same data"):
        declaration.parsed(raw, "x")
    raw["figures"] = [{"title": "x", "draws": "beside", "of": ["gan-digits"]}]
    assert declaration.parsed(raw, "x").figures[0].draws == "beside"


def test_the_runs_whose_samples_stand_beside_each_other_are_in_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.page_link", lambda *page, **how: None)
    monkeypatch.setattr("pages._ui.views.experiments.beside.answer", at_once)
    test = page("compare", data="digits", show="Samples", beside="gan-digits,nobody")
    menu = next(one for one in test.multiselect if one.label == "Runs")
    assert menu.value == ["gan-digits"]
    assert test.query_params["beside"] == "gan-digits"
    menu.set_value(["gan-digits", "ddpm-digits"]).run()
    assert test.query_params["beside"] == "gan-digits,ddpm-digits"
    test = page("compare", data="two-moons", show="Samples", beside="gan-digits")
    menu = next(one for one in test.multiselect if one.label == "Runs")
    assert len(menu.value) == min(4, len(comparison.compared("two-moons")))
    assert "beside" not in test.query_params


def of_seeds(*seeds: int, hidden: int = 8) -> list[Row]:
    """Rows of new runs that differ by their seeds alone, whose measure w1 is the seed."""
    settings = {"steps": 6, "batch_size": 16}
    rows = []
    for seed in seeds:
        run = store.create(
            "flow",
            "two-moons",
            arguments={"hidden": hidden},
            settings={**settings, "seed": seed},
            title=f"flow {hidden}, seed {seed}",
        )
        cells = {"w1": Cell(float(seed), 0.5, 0.1)}
        rows.append(Row(run.title, "two-moons", "flow", seed, run.id, "finished", 6, cells=cells, examples=1000))
    return rows


def test_runs_that_differ_by_their_seed_alone_are_one_row_with_the_error_over_the_seeds() -> None:
    rows = of_seeds(0, 1, 5) + of_seeds(3, hidden=16)
    many, one = comparison.over_seeds([*rows, *of_seeds(5)])  # the same training again tells nothing new
    assert [row.run for row in many.of] == [row.run for row in rows[:3]]
    assert (many.n, many.row.name) == (3, "flow 8")
    assert many.row.cells["w1"].value == pytest.approx(2)
    assert many.row.cells["w1"].se == pytest.approx(math.sqrt(7 / 3))  # of 0, 1 and 5: √((4 + 1 + 9) / 2 / 3)
    assert (one.n, one.row.name) == (1, "flow 16, seed 3")
    assert (one.row.cells["w1"].value, one.row.cells["w1"].se) == (3, 0.5)
    unmeasured = [replace(row, cells={}) for row in rows[1:3]]
    assert [group.n for group in comparison.over_seeds([rows[0], *unmeasured])] == [1]


def test_a_link_compares_seeds_together_with_their_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = of_seeds(0, 1, 5) + of_seeds(3, hidden=16)
    for row in rows:
        lines = [{"step": s, "epoch": 0, "seconds": 1, "images": 9, "loss": row.seed} for s in (1, 6)]
        (store.find(row.run).path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    panels: list[Any] = []
    monkeypatch.setattr("pages._ui.classroom.wall.live_chart", lambda them, **how: panels.extend(them))
    monkeypatch.setattr(comparison, "data_of", lambda: ["two-moons"])
    monkeypatch.setattr(comparison, "compared", lambda data: rows)
    apart = columns(page("compare", data="two-moons"))
    assert len(apart[""]) == 1 + len(rows)
    assert "seeds" not in apart
    assert panels == []
    table = columns(page("compare", data="two-moons", together="true"))
    assert table[""] == ["real data against real data", "flow 8", "flow 16, seed 3"]
    assert table["seeds"][1:] == [3, 1]
    (panel,) = panels
    band = panel.series[-1]
    assert (band.name, *map(list, (band.y, band.low, band.high))) == ("flow 8, 3 seeds", [2, 2], [0, 0], [5, 5])


@pytest.mark.parametrize("show", ["Samples", "Nearest neighbours", "Settings"])
def test_runs_stand_beside_each_other(show: str, monkeypatch: pytest.MonkeyPatch) -> None:
    links: list[str] = []
    monkeypatch.setattr("streamlit.page_link", lambda *page, query_params, **how: links.append(query_params["run"]))
    for view in ("experiments.beside", "common.neighbours"):
        monkeypatch.setattr(f"pages._ui.views.{view}.answer", at_once)
    for data in ("two-moons", "digits"):
        links.clear()
        test = page("compare", data=data, show=show)
        if show == "Samples":
            assert len(set(links)) == min(4, len(comparison.compared(data)))
        if show == "Settings":
            assert len(test.dataframe[0].value) > 0


def test_runs_of_one_title_have_a_bar_each(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[go.Figure] = []
    monkeypatch.setattr(tables, "plot", lambda figure, key: drawn.append(figure))
    rows = [
        Row("gan on a ring", "ring", "gan", i, run=f"gan-ring-{i:06}", cells={"w1": Cell(value=0.1 * i, se=0.01 * i)})
        for i in (1, 2)
    ]
    tables.bars(rows, "w1", rows, key="bars")
    (bar,) = drawn[0].data
    assert bar.x == ("gan on a ring · 000001", "gan on a ring · 000002")
    assert (bar.y, bar.error_y.array) == ((0.1, 0.2), (0.01, 0.02))


def test_runs_of_other_data_are_chosen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.page_link", lambda *page, **how: None)
    monkeypatch.setattr("pages._ui.views.experiments.beside.answer", at_once)
    test = page("compare", data="two-moons", show="Samples")
    for data in ("digits", "two-moons"):
        test.selectbox(key="data").set_value(data).run()
        assert not test.exception
        [chosen] = [one for one in test.multiselect if one.label == "Runs"]
        assert len(chosen.value) == min(4, len(comparison.compared(data)))


def test_two_runs_are_told_apart_by_what_differs_alone() -> None:
    settings = {"steps": 6, "batch_size": 16}
    one = store.create("flow", "two-moons", arguments={"hidden": 8}, settings=settings)
    other = store.create("flow", "two-moons", arguments={"hidden": 16}, settings={**settings, "seed": 3})
    assert set(comparison.apart(one, other)) == {("hidden", "8", "16"), ("seed", "0", "3")}
    assert comparison.apart(one, one) == []
    gan = store.create("gan", "two-moons", settings=settings)
    told = {name: values for name, *values in comparison.apart(one, gan)}
    assert told["model"] == ["flow", "gan"]
    assert told["couplings"][1] == "–"
    assert "steps" not in told


@pytest.mark.parametrize("model", ["ddpm", "flow"])
def test_two_drawings_of_other_ink_are_told_apart(model: str) -> None:
    thin, bold = (store.create(model, "drawing", data_arguments={"width": width}) for width in (0.02, 0.2))
    assert comparison.apart(thin, bold) == [("data: width", "0.02", "0.2")]


def test_a_checkpoint_that_was_trained_again_is_stale_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row.run: row for row in comparison.compared("digits")}
    monkeypatch.setattr(results, "weights_of", lambda run: "other" if run.id == "gan-digits" else rows[run.id].weights)
    (stale,) = comparison.missing(comparison.compared("digits"))
    assert (stale.run, stale.status) == ("gan-digits", comparison.STALE)
    table = columns(page("compare", data="digits"))
    assert dict(zip(table[""], table["measured"], strict=True))["gan-digits"] == "of earlier weights or data"


def test_numbers_are_stale_where_the_data_are_made_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in comparison.compared("two-moons") if row.run in {run.id for run in store.bundled()}]
    assert rows
    assert comparison.stale(rows) == []
    monkeypatch.setattr(results, "digest_of", lambda run: "other")
    assert comparison.stale(rows) == [row.name for row in rows]
    assert {row.status for row in comparison.compared("two-moons") if row in comparison.missing([row])} == {
        comparison.STALE
    }
    experiment = declaration.read("checkpoints-two-moons")
    assert {run.id for run in results.outdated(experiment)} == {row.run for row in rows}


@pytest.mark.parametrize("name", declaration.shipped())
def test_every_number_that_ships_was_held_against_the_data_as_they_are_made(name: str) -> None:
    for row in results.loaded(declaration.FOLDER / f"{name}.json")[1]:
        assert row.digest == digest(load(row.data)), row.run
