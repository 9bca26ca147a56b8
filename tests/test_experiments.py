"""Experiments: declared, checked, trained once, measured, tabulated."""

import csv
import io
import json
import math
import os
import statistics
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from genmodels.cli.parser import main
from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput, TrainingFailed
from genmodels.experiments import declaration, measures, places, results, running, writers
from genmodels.experiments.measures import Cell, How
from genmodels.experiments.places import Here
from genmodels.experiments.results import Row
from genmodels.files import read_json
from genmodels.metrics import floors
from genmodels.runs import store
from genmodels.runs.record import Status
from tests.toy import TOY


def declared(**changes):
    return declaration.parsed({**tomllib.loads(TOY), **changes}, "toy")


def done(experiment, place=None):
    return list(running.advance(experiment, place or Here()))


# What is declared -----------------------------------------------------------------------------------------------------


def test_runs_are_models_times_settings_times_seeds():
    cases = declared().cases
    assert [(case.name, case.seed) for case in cases] == [
        ("flow depth=1", 0),
        ("flow depth=2", 0),
        ("flow depth=1", 1),
        ("flow depth=2", 1),
    ]
    assert {case.plan.arguments["depth"] for case in cases} == {1, 2}
    assert all(case.plan.arguments["hidden"] == 8 and case.plan.settings["steps"] == 6 for case in cases)
    assert [case.plan.settings["seed"] for case in cases] == [0, 0, 1, 1]


def test_a_preset_brings_its_data_and_settings():
    model = {"model": "gan", "preset": "Least squares", "settings": {"steps": 9}, "arguments": {"hidden": 8}}
    one = declared(data=[], models=[model], measures=["modes", "close"], settings={"steps": 3, "lr": 1e-5}).cases[0]
    assert (one.name, one.data) == ("gan: Least squares", "eight-gaussians")
    assert (one.plan.arguments["objective"], one.plan.arguments["hidden"]) == ("least-squares", 8)
    assert (one.plan.settings["batch_size"], one.plan.settings["lr"], one.plan.settings["steps"]) == (256, 1e-3, 9)
    with pytest.raises(BadInput, match="data is missing"):
        declared(data=[], models=[model, MODEL], measures=["modes"])


@pytest.mark.parametrize(
    ("common", "preset", "own", "vary", "length"),
    [
        ({"steps": 500}, "Small digits", {}, {}, (0, 300)),
        ({"epochs": 2}, "Least squares", {}, {}, (1500, 20)),
        ({}, "Least squares", {"epochs": 3}, {}, (0, 3)),
        ({}, "Least squares", {}, {"epochs": [5]}, (0, 5)),
        ({}, "Small digits", {"steps": 7}, {}, (7, 300)),
        ({"epochs": 2}, "Least squares", {"epochs": 3, "steps": 9}, {}, (9, 3)),
    ],
)
def test_the_last_layer_that_says_how_long_says_it(common, preset, own, vary, length):
    model = "gan" if preset == "Least squares" else "vae"
    one = {"model": model, "preset": preset, "settings": own, "vary": vary}
    (case,) = declared(data=[], seeds=1, models=[one], measures=["sliced_w1"], settings=common).cases
    steps, epochs = length
    assert case.plan.settings["steps"] == steps
    if not steps:
        assert case.plan.settings["epochs"] == epochs


def test_bits_are_of_any_pixel_that_has_levels():
    assert measures.suits("bpd", DATASETS["mnist-static"], "mnist-static")  # black and white
    assert "grey" not in measures.MEASURES["bpd"].about


MODEL = {"model": "flow"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"titel": "x"}, "did you mean title"),
        ({"models": [{**MODEL, "modle": 1}]}, "did you mean model"),
        ({"models": [{"model": "flux"}]}, "flux"),
        ({"models": []}, "models is missing"),
        ({"data": ["moons"]}, "two-moons"),
        ({"data": ["../moons"]}, "two-moons"),
        ({"measures": ["fid"]}, "not a measure of two-moons"),
        ({"measures": ["FID!"]}, "not a measure"),
        ({"seeds": 10**6}, "too many"),
        ({"seeds": [1, 1]}, "different seeds"),
        ({"seeds": -1}, "from 1 up"),
        ({"seeds": True}, "from 1 up"),
        ({"models": [{**MODEL, "vary": {"depth": [1] * 1000, "hidden": [8] * 1000}}]}, "2,000,000 runs"),
        ({"models": [{**MODEL, "vary": {"depth": 3}}]}, "depth is missing, or is not a list"),
        ({"models": [{**MODEL, "arguments": {"depht": 3}}]}, "did you mean depth"),
        ({"models": [{**MODEL, "settings": {"lr": -1}}]}, "lr"),
        ({"models": [{**MODEL, "settings": {"seed": 1}}]}, "seeds"),
        ({"models": [MODEL, MODEL]}, "same name"),
        ({"models": [{"model": "gan", "preset": "Nine modes"}]}, "not a preset of gan: it may be Eight modes"),
        ({"models": [{"model": "wgan", "preset": "Small digits"}]}, "not a measure of digits"),
        ({"models": [{"checkpoint": "flow-two-moons", "preset": "x"}]}, "nothing else"),
        ({"models": [{"checkpoint": "../../etc"}]}, "not a name"),
        ({"models": [{"checkpoint": "vae-digits-2d"}]}, "learned digits"),
        ({"models": [{"checkpoint": "flow-two-moons", "settings": {}}]}, "nothing else"),
        ({"settings": 3}, "not a table"),
        ({"measuring": {"n": 10**9}}, "from 10 to"),
        ({"measuring": {"m": 1}}, "it may be n, k, seed"),
        ({"figures": [{"title": "x"}]}, "either"),
        ({"figures": [{"bars": "w1"}]}, "not among the measures"),
        ({"figures": [{"draws": "dreams", "of": ["flow-two-moons"]}]}, "is one of samples"),
        ({"figures": [{"draws": "samples"}]}, "`of` some checkpoints"),
        ({"figures": [{"draws": "samples", "of": ["../x"]}]}, "not a name"),
        ({"source": {"nmae": ""}}, "did you mean name"),
        ({"source": {"name": "a book", "theirs": 7}}, "theirs = 7 is not a table"),
        ({"source": {"theirs": {"VAE": 7}}}, "VAE = 7 is not a table"),
    ],
)
def test_what_is_not_allowed_is_said_in_one_sentence_and_nothing_is_written(changes, says, runs):
    with pytest.raises(BadInput, match=says) as told:
        declared(**changes)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400
    assert not runs.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no-such", None, "There is no experiment"),
        ("../x", None, "not a name"),
        ("bad.toml", b"title = ", "not TOML"),
        ("bad.toml", b"\xff\xfe", "not TOML"),
        ("bad.toml", b"seeds = " + b"9" * 5000, "not TOML"),
        ("bad.toml", b"a = 1\n" * 20_000, "larger than"),
    ],
)
def test_a_file_that_is_none_is_refused(name, content, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says):
        declaration.read(name)


@pytest.mark.parametrize("data", ["digits", "mnist", "mnist-dynamic", "two-moons", "eight-gaussians"])
def test_every_measure_that_suits_is_there_and_no_other(data):
    info = declaration.DATASETS[data]
    fits = {name for name in measures.MEASURES if measures.suits(name, info, data)}
    assert ("fid" in fits) == (data in ("digits", "mnist"))
    assert ("kl" in fits) == ("w1" in fits) == (info.kind == "plane")
    assert ("modes" in fits) == (data == "eight-gaussians")
    assert {"sliced_w1", "parameters", "seconds", "ms"} <= fits


# What is done ---------------------------------------------------------------------------------------------------------


def test_an_experiment_is_done_once_extended_by_seeds_and_gone_on_with():
    one, two = declared(seeds=1), declared(seeds=2)
    news = done(one)
    assert news[-1].fraction == 1
    assert {news[0].text.split()[0], news[-1].text.split()[0]} == {"training", "measuring"}
    first = {run.id for run in store.every()}
    assert len(first) == 2
    assert done(one) == []  # all is there
    done(two)
    assert {run.id for run in store.every()} > first
    assert len(store.every()) == 4
    rows = results.rows(two)
    assert [row.status for row in rows] == ["finished"] * 4
    assert {row.run for row in rows} == {run.id for run in store.every()}
    assert all(set(row.cells) == {"kl", "sliced_w1", "parameters"} for row in rows)
    assert all(row.cells["sliced_w1"].se > 0 and row.cells["sliced_w1"].floor > 0 for row in rows)
    assert all(row.likelihood == "exact" and row.base == "density on the plane" for row in rows)
    assert all(row.curves["loss"][0] for row in rows)


def test_a_run_of_the_same_plan_is_found_however_it_was_made():
    case = declared(seeds=1).cases[0]
    arguments = {"hidden": 8, "depth": 1}
    made = store.create("flow", "two-moons", arguments=arguments, settings={"steps": 6, "batch_size": 16}, title="mine")
    assert running.run_of(case, store.known()).id == made.id
    other = store.create("flow", "two-moons", arguments=arguments, settings={"steps": 6, "batch_size": 16, "seed": 1})
    assert running.run_of(case, store.known()).id != other.id


def test_what_is_stopped_goes_on_and_ends_as_if_it_had_never_been():
    one = declared(seeds=1, settings={"steps": 60, "batch_size": 16})
    steps = running.advance(one, Here(slice=0.0))
    for _ in range(5):
        next(steps)
    steps.close()
    (run,) = store.every()
    assert run.state().status is Status.STOPPED
    assert 0 < run.state().step < 60
    done(one)
    assert len(store.every()) == 2
    whole = results.rows(one)
    for run in store.every():
        run.delete()
    done(one)
    assert [row.cells["kl"] for row in results.rows(one)] == [row.cells["kl"] for row in whole]


def test_a_training_that_failed_is_said_and_not_tried_again():
    one = declared(seeds=1, settings={"steps": 6, "batch_size": 16, "lr": 1.0, "clip_norm": 0.0})
    for case in one.cases:
        run = places.taken(case.plan, {})
        run.say(status=Status.FAILED, message="loss is NaN at step 3.")
    assert done(one) == []
    assert [row.status for row in results.rows(one)] == ["failed"] * 2


def test_a_checkpoint_is_measured_and_not_trained(runs):
    one = declared(models=[{"checkpoint": "flow-two-moons"}])
    done(one)
    (row,) = results.rows(one)
    assert row.run == row.name == "flow-two-moons"
    assert row.cells["kl"].value == pytest.approx(0, abs=0.5)
    assert not store.every()


def test_a_measurement_that_nobody_waits_for_ends():
    steps = measures.measure("flow-two-moons", 60, 0, 0)
    next(steps)
    steps.close()
    assert measures.kept(store.find("flow-two-moons"), How(60, 0, 0)) is None
    with pytest.raises(BadInput, match="There is no run"):
        next(measures.measure("no-such-run", 60, 0, 0))


class Slow:
    """Draws that wait; the first of them computes, too."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.draws = 0

    def sample(self, n: int, *, rng: torch.Generator) -> torch.Tensor:
        self.draws += 1
        end = time.thread_time() + 0.2 * (self.draws == 2)  # the one before is not timed
        while time.thread_time() < end:
            pass
        time.sleep(0.1)
        return torch.zeros(n)


@pytest.mark.parametrize(("threads", "low", "high"), [(1, 0.0, 0.1), (2, 0.1, math.inf)])
def test_the_time_of_a_sample_is_that_of_the_fastest_draw_and_of_one_thread_its_own(threads, low, high, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    slow = Slow()
    assert low <= measures._seconds(slow, 4, 0) < high
    assert slow.draws == 1 + measures.TIMES


def test_other_weights_of_the_same_name_are_measured_anew():
    done(declared(seeds=1))
    run = store.every()[0]
    how = declared().how
    assert measures.kept(run, how) is not None
    os.utime(run.path / "model.safetensors", ns=(0, 1))
    assert measures.kept(run, how) is None


# What comes of it -----------------------------------------------------------------------------------------------------


def rows_of(*values, name="a"):
    return [
        Row(name, "two-moons", "flow", i, f"run-{i}", "finished", 5, 1.0, {"kl": Cell(value, 0.1, 0.0)})
        for i, value in enumerate(values)
    ]


def test_the_mean_over_seeds_comes_with_its_standard_error():
    values = (1.0, 2.0, 4.0)
    found = results.summaries([*rows_of(*values), *rows_of(9.0, name="b")], "kl")
    one = found["a", "two-moons"]
    assert (one.mean, one.n) == (statistics.fmean(values), 3)
    assert one.sd == pytest.approx(statistics.stdev(values))
    assert one.se == pytest.approx(statistics.stdev(values) / math.sqrt(3))
    assert math.isnan(found["b", "two-moons"].se)
    assert results.summaries(rows_of(*values), "kl")["a", "two-moons"] == one  # whether or not another row is there


def test_every_format_holds_the_numbers():
    one, rows = declared(), rows_of(0.5, 0.7)
    told = {name: write(one, rows) for name, write in writers.FORMATS.items()}
    lines = list(csv.DictReader(io.StringIO(told["csv"])))
    assert [(line["name"], line["seed"], line["kl"]) for line in lines] == [("a", "0", "0.5"), ("a", "1", "0.7")]
    assert json.loads(told["json"])["rows"][1]["cells"]["kl"]["value"] == 0.7
    assert "| 0.60 ± 0.10 |" in told["markdown"]
    assert r"0.60 $\pm$ 0.10" in told["latex"]
    assert told["latex"].count(r"\begin") == told["latex"].count(r"\end") == 1


def test_the_floor_is_the_last_row_of_a_table():
    rows = [
        replace(row, cells={"kl": Cell(value, 0.1, 0.25)}) for row, value in zip(rows_of(1, 2), (1, 2), strict=True)
    ]
    told = writers.summary_table(declared(), rows)
    assert [line["name"] for line in told] == ["a", writers.FLOOR]
    assert told[-1]["KL(p ‖ q) (nats)"] == "0.25"
    assert writers.summary_table(declared(), rows_of(1.0, 2.0)[:0]) == []


def test_results_are_read_back_as_they_were_written(tmp_path):
    rows = rows_of(0.5, 0.7)
    (tmp_path / "x.json").write_text(writers.FORMATS["json"](declared(), rows))
    raw, again = results.loaded(tmp_path / "x.json")
    assert [(row.name, row.seed, row.cells["kl"].value) for row in again] == [("a", 0, 0.5), ("a", 1, 0.7)]
    assert raw["command"].startswith("python -m genmodels experiment run")
    (tmp_path / "x.json").write_text('{"rows": [{"nmae": 1}]}')
    with pytest.raises(BadInput, match="damaged"):
        results.loaded(tmp_path / "x.json")


@pytest.mark.parametrize("name", ['=HYPERLINK("x")', "+1", "@x"])
def test_a_spreadsheet_takes_no_name_for_a_formula(name):
    (line,) = csv.DictReader(io.StringIO(writers.as_csv(writers.tidy(rows_of(1.0, name=name)))))
    assert line["name"] == f"'{name}"


def test_the_command_line_runs_shows_and_lists(tmp_path, capsys):
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    assert main(["experiment", "show", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("| flow depth=1 | 0 | – |")
    assert main(["experiment", "run", str(path), "--seeds", "1", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "training 2 of 2 runs" in err
    assert main(["experiment", "list"]) == main(["experiment", "measures"]) == 0
    assert "sliced_w1" in capsys.readouterr().out
    assert main(["experiment", "run", str(path), "--flavor", "x"]) == 2
    assert "--on hf-jobs" in capsys.readouterr().err
    assert main(["experiment", "run", "no-such"]) == 2


def test_the_command_line_prints_what_is_reproduced_without_training(capsys, runs):
    assert main(["experiment", "reproduce"]) == 0
    whole = capsys.readouterr().out
    entries = [one for name in declaration.shipped() if (one := declaration.read(name)).source]
    assert whole.count("\nWhat differs. ") == len(entries) > 10
    assert main(["experiment", "reproduce", "sampling-quality-256"]) == 0
    one = capsys.readouterr().out
    assert one in whole
    assert "0.189 ± 0.008" in one
    assert "A table of trainings deserves 10 of each model." in one
    assert "    python -m genmodels experiment run sampling-quality-256\n" in one
    assert main(["experiment", "reproduce", "checkpoints-digits"]) == 2  # which no source has
    assert "it may be bits-of-a-flow" in capsys.readouterr().err
    assert not runs.exists()


def test_one_command_measures_a_checkpoint_again_that_has_other_weights(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "experiments"
    folder.mkdir()
    for end in ("toml", "json"):
        (folder / f"of.{end}").write_bytes((declaration.FOLDER / f"checkpoints-two-moons.{end}").read_bytes())
    monkeypatch.setattr(declaration, "FOLDER", folder)
    assert main(["experiment", "refresh"]) == 0
    assert capsys.readouterr().out == ""  # nothing is stale
    raw = json.loads((folder / "of.json").read_text())
    stale = next(row for row in raw["rows"] if row["run"] == "flow-two-moons")
    stale |= {"weights": "others", "cells": {"sliced_w1": {"value": 7.0}}}
    others = [row for row in raw["rows"] if row is not stale]
    for row in others:
        row["cells"]["sliced_w1"]["value"] = 5.0
    (folder / "of.json").write_text(json.dumps(raw))
    assert main(["experiment", "refresh", "of"]) == 0
    assert capsys.readouterr().out == "of: flow-two-moons\n"
    again = {row["run"]: row for row in json.loads((folder / "of.json").read_text())["rows"]}
    assert all(again[row["run"]] == row for row in others)
    assert again["flow-two-moons"]["weights"] == measures.weights_of(store.find("flow-two-moons"))
    assert again["flow-two-moons"]["cells"]["sliced_w1"]["value"] < 1
    assert again["flow-two-moons"]["digest"] == floors.digest(store.find("flow-two-moons").data())
    assert main(["experiment", "refresh"]) == 0
    assert capsys.readouterr().out == ""


def test_a_rented_computer_is_told_all_that_makes_the_run(monkeypatch, tmp_path):
    """The words for a job make, on the command line, the very plan that is asked for."""
    case = declared(seeds=[3]).cases[1]
    words = places.words(case.plan)
    assert main(["train", *words, "--out", str(tmp_path / "run")]) == 0
    assert store.asked(store.Run(tmp_path / "run").plan) == store.asked(case.plan)
    sent = []
    monkeypatch.setattr(places.remote_jobs, "place_for", lambda to, model, data: places.remote_jobs.Place("a/b"))
    job = SimpleNamespace(name="ada/1", url="https://huggingface.co/jobs/ada/1")
    monkeypatch.setattr(places.remote_jobs, "submit", lambda words, place, flavor: sent.append(words) or job)
    steps = places.HuggingFace().train([case.plan])
    next(steps)
    assert sent == [words]
    steps.close()


class Rented:
    """Hugging Face Jobs as they are asked, in memory; what a job makes is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: list[places.remote_jobs.Job] = []
        self.credit, self.lines, self.ends = 99, ["a line"], "COMPLETED"
        self.pulled: list[str] = []
        place = lambda to, model, data: places.remote_jobs.Place.parse(to or f"ada/lab/{model}")  # noqa: E731
        for name, does in (("place_for", place), ("submit", self.submit), ("find", self.find), ("follow", self.follow)):
            monkeypatch.setattr(places.remote_jobs, name, does)
        monkeypatch.setattr(places.checkpoints, "pull", lambda place: self.pulled.append(str(place)))

    def submit(self, words: list[str], place: Any, flavor: str) -> Any:
        if len(self.jobs) >= self.credit:
            raise BadInput("This account has no credit left.")
        url = f"https://huggingface.co/jobs/ada/{len(self.jobs)}"
        self.jobs.append(places.remote_jobs.Job("ada", str(len(self.jobs)), place, "RUNNING", "", url))
        return self.jobs[-1]

    def find(self, name: str) -> Any:
        return next(job for job in self.jobs if job.name == name)

    def follow(self, job: Any) -> Iterator[str]:
        yield from self.lines
        self.jobs[self.jobs.index(job)] = replace(job, stage=self.ends)
        if self.ends != "COMPLETED":
            raise TrainingFailed(self.ends)


def test_a_job_that_nobody_waited_for_is_followed_by_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    rented, plans = Rented(monkeypatch), [case.plan for case in declared(seeds=2).cases]
    for _ in range(2):
        steps = places.HuggingFace().train(plans)
        for _ in range(len(plans) + 1):
            next(steps)
        steps.close()  # Ctrl-C
    assert len(rented.jobs) == len(plans)
    assert list(places.HuggingFace(to="ada/lab/mine").train(plans))[-1] == 1
    assert len(rented.jobs) == len(rented.pulled) == len(plans)
    assert read_json(store.root() / places.JOBS) == {}


def test_a_job_whose_sibling_cannot_be_paid_for_is_named_and_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rented, plans = Rented(monkeypatch), [case.plan for case in declared(seeds=1).cases]
    rented.credit = 1
    with pytest.raises(BadInput, match="no credit"):
        list(places.HuggingFace(to="ada/lab/mine").train(plans))
    assert "Job ada/0 trains" in (said := capsys.readouterr().err)
    assert rented.jobs[0].url in said
    rented.credit = 99
    list(places.HuggingFace(to="ada/lab/mine").train(plans))
    assert len(rented.jobs) == len(plans)
    assert len({str(job.place) for job in rented.jobs}) == len(plans)


@pytest.mark.parametrize(("ended", "paid"), [("COMPLETED", 1), ("ERROR", 2), ("CANCELED", 2)])
def test_only_a_job_that_failed_is_paid_for_again(ended: str, paid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rented, plan = Rented(monkeypatch), declared(seeds=1).cases[0].plan
    steps = places.HuggingFace().train([plan])
    next(steps)
    steps.close()
    rented.jobs[0] = replace(rented.jobs[0], stage=ended)  # meanwhile
    list(places.HuggingFace().train([plan]))
    assert len(rented.jobs) == paid
    rented.ends = "ERROR"
    list(places.HuggingFace().train([plan]))  # as if it was not there: the run was deleted
    assert len(rented.jobs) == paid + 1
    assert read_json(store.root() / places.JOBS) == {}


def test_what_was_measured_before_there_were_digests_is_measured_again_of_points_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(running, "measure", lambda run, *_: measured.append(run) or iter(()))
    runs = [store.find(name) for name in ("vae-digits-2d", "flow-two-moons")]
    experiment = declaration.read("checkpoints-digits")
    for old, expected in (({"w1": 0.1}, ["flow-two-moons"]), (None, ["vae-digits-2d", "flow-two-moons"])):
        measured.clear()
        monkeypatch.setattr(running, "kept", lambda run, how, old=old: old)
        list(running.measuring(runs, experiment))
        assert measured == expected
