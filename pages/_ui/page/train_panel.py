"""The live panel of a model's page: train, pause, step, stop, fork; curves, samples and the time machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.host import health, ownership
from genmodels.hyperparameters import declared
from genmodels.jobs import queue
from genmodels.models import model_class
from genmodels.models.base import Preset
from genmodels.runs import store, timing
from genmodels.runs.record import State, Status
from genmodels.runs.store import Run
from genmodels.training.settings import Settings
from pages._ui.classroom import membership
from pages._ui.components.live_chart import Line
from pages._ui.form.form import Chosen, hyperparameters
from pages._ui.form.lesson import is_shown
from pages._ui.page.curves import beside, curves
from pages._ui.page.download import taking
from pages._ui.page.time_machine import film, keep_up, open_at_linked, pick, standing_at
from pages._ui.shared.hub_buttons import on_the_hub
from pages._ui.shared.moment import Moment
from pages._ui.shared.run_cache import is_begun, metrics

__all__ = ["live"]

EVERY = 1.0  # seconds between two looks at a run
PATIENCE = 0.4  # seconds that Train waits for the first point before it answers without
SOON = 0.5  # the same, while its first point has not come
PACES = {"full speed": 0.0, "10 steps a second": 0.1, "3 steps a second": 0.33, "1 step a second": 1.0}


def live(
    model: str,
    chosen: Chosen,
    *,
    units: Mapping[str, str] | None = None,
    lines: Mapping[str, Sequence[Line]] | None = None,
    first: Sequence[str] = (),
) -> Moment | None:
    """The whole panel.

    Args:
        model: A name of MODELS.
        chosen: What Train trains.
        units: The unit of each term whose name does not end in it: {"kl": "nats"}.
        lines: Exact values and floors to draw across a term's panel.
        first: Terms whose panels come first.

    Returns:
        Where the time machine stands, or None while there is nothing to look at.
    """
    run = _current(model)
    if is_shown("train"):
        _start(model, chosen, run)
        membership.say()
    if run is None:
        if not st.query_params.get("run", "").startswith("hf://"):
            st.caption("Nothing is trained yet. Press Train: the curves, the samples and the time machine come here.")
        return None
    open_at_linked(run)
    steps = run.snapshots()
    shown = pick(run, steps) if steps else None
    every = _pace(run, run.state().status)
    panel = st.container()
    together = [run, *beside(run)] if is_shown("curves") else [run]
    with panel:
        st.fragment(_panel, run_every=every)(together, every, units or {}, lines or {}, first)
    has_weights = shown is not None or (run.path / "model.safetensors").exists()
    return Moment.of(run, shown) if has_weights else None


# Which run ------------------------------------------------------------------------------------------------------------


def _current(model: str) -> Run | None:
    """The run in the URL, or the one last seen on this page, or one that ships with the app; the URL then says it."""
    name = st.query_params.get("run", st.session_state.get(f"run/{model}"))
    if name is None:
        return _opening(model)
    try:
        run = on_the_hub(name) if name.startswith("hf://") else store.find(name)
        if run is None:
            return None
        if why := run.damage():
            raise BadInput(why)
        if run.plan.model != model:
            raise BadInput(f"Run {name} is one of {run.plan.model}, not of {model}.")
    except BadInput as error:
        st.warning(f"{error} {health.keeping()}")  # on a Space it may have been lost
        st.session_state.pop(f"run/{model}", None)
        return None
    _show(model, run, name)
    return run


def _opening(model: str) -> Run | None:
    """Of those that ship with the app the one most like the preset on which the form opens: its data, its arguments."""
    cls = model_class(model)
    first = cls.presets[0] if cls.presets else Preset("", "")
    wanted = {name: one.default for name, one in declared(cls).items()} | first.model

    def unlike(run: Run) -> tuple[bool, int]:
        others = sum(value != wanted.get(name) for name, value in run.plan.arguments.items())
        return run.plan.data != first.data, others

    return min((run for run in store.bundled() if run.plan.model == model), key=unlike, default=None)


def _show(model: str, run: Run, name: str = "") -> None:
    """Say in the URL which run is shown; by ``name`` where that is one that others know it by (hf://…)."""
    said = name if name.startswith("hf://") else run.id
    st.session_state[f"run/{model}"] = said
    if st.query_params.get("run") != said:
        st.query_params["run"] = said


def _start(model: str, chosen: Chosen, run: Run | None) -> None:
    """Train and Fork, which make another run, and this run as files."""
    with st.container(horizontal=True, gap="xsmall", key="start"):
        pressed = st.button("Train", type="primary", key="train", help="A new run with the settings of the form.")
        if run is not None and run.snapshots():
            about = "Go on from where the time machine stands, changed."
            menu = st.popover("Fork", key=f"fork-menu-{run.id}", help=about, on_change="rerun")
            if menu.open:  # two dozen widgets, which every run of the page would draw for nothing
                with menu:
                    _fork(model, run)
        if run is not None:
            about = "This run as files: a zip, a script that trains it again, films of its training."
            if st.button("Take home", key=f"home-{run.id}", help=about):
                taking(run)
    if pressed:
        _attempt(model, lambda: _new(model, chosen))


def _new(model: str, chosen: Chosen) -> Run:
    return store.create(
        model,
        chosen.data,
        arguments=chosen.arguments,
        settings=chosen.settings,
        data_arguments=chosen.data_arguments,
    )


def _fork(model: str, run: Run) -> None:
    """The form of a fork: everything as the run has it, to be changed where the networks stay as they are."""
    plan, steps = run.plan, run.snapshots()
    wanted = standing_at(run)
    step = wanted if wanted in steps else steps[-1]
    st.caption(f"A new run from step {step:,} of this one. Change what leaves the networks as they are.")
    with st.form("fork", border=False):
        prefix = f"fork-{run.id}-"
        arguments = hyperparameters(model_class(model), defaults=plan.arguments, prefix=prefix, in_url=False)
        names = [name for name in declared(Settings) if name not in ("epochs", "compile")]
        total = run.state().total or Settings.of(plan.settings).steps  # a fork in the queue does not know it yet
        usual = plan.settings | {"steps": total if step < total else step + total}
        settings = hyperparameters(Settings, defaults=usual, names=names, prefix=prefix, in_url=False)
        pressed = st.form_submit_button("Fork and train", type="primary")
    if pressed:
        _attempt(model, lambda: store.fork(run, step, arguments=arguments, settings=settings))


def _attempt(model: str, make: Callable[[], Run]) -> None:
    """Make a run, put it in the queue and show it, with its first point if a worker is free for it; or say why not."""
    try:
        queue.pool()
        run = make()
        queue.submit(run)
        membership.enter(run)
    except BadInput as error:
        st.error(str(error))
        return
    _show(model, run)
    end = time.monotonic() + (PATIENCE if len(queue.waiting()) <= (queue.alive() or 0) else 0.0)
    while not is_begun(run) and time.monotonic() < end:
        time.sleep(0.02)
    st.rerun()


# What it does now -----------------------------------------------------------------------------------------------------


def _pace(run: Run, status: Status) -> float | None:
    """Seconds between two looks at it; None: it stands still."""
    if not status.is_going:
        return None
    return EVERY if is_begun(run) else SOON


def _panel(
    together: Sequence[Run],
    every: float | None,
    units: Mapping[str, str],
    lines: Mapping[str, Sequence[Line]],
    first: Sequence[str],
) -> None:
    """All that changes while the run, the first of ``together``, goes on; it reruns by itself."""
    run = together[0]
    state = run.state()
    if _pace(run, state.status) != every:
        st.rerun(scope="app")  # only the page can say how often it is looked at
    if not run.is_bundled:
        run.seen()
        _say(run, state)
        if refused := st.session_state.pop("refused", ""):
            st.error(refused)
        if is_shown("train"):
            _buttons(run, state.status)
    both = is_shown("film") and is_shown("curves")
    left, right = st.columns([3, 5]) if both else (st.container(), st.container())
    step = state.step if standing_at(run) is None else standing_at(run)
    if is_shown("film"):
        with left:
            step = film(run, state)
    if is_shown("curves"):
        with right:
            curves(together, marker=step, units=units, lines=lines, first=first)
    keep_up(run)


def _say(run: Run, state: State) -> None:
    """Where it is, in words."""
    step, total, rows = state.step, state.total, metrics(run)
    words = [f"step {step:,}" + (f" of {total:,}" if total else "")]
    words += [f"epoch {row['epoch']:.3g}" for row in rows[-1:]]
    if speed := timing.of(rows):
        seconds, examples = speed
        words.append(f"{examples:,.0f} examples/s")
        if state.status is Status.RUNNING and total:
            words.append(f"{worded((total - step) * seconds)} left")
    ahead = queue.place(run) if state.status is Status.QUEUED else None
    waits = "" if ahead is None else f", {ahead} before it"
    st.progress(state.progress, f"**{state.status}{waits}** · " + " · ".join(words))
    if message := state.message:
        {Status.FAILED: st.error, Status.INTERRUPTED: st.warning}.get(state.status, st.info)(message)


def _buttons(run: Run, status: Status) -> None:
    """What can be asked of it as it is; of somebody else's on a shared host, nothing."""
    if not ownership.may(run.path):
        st.caption(f"{run.plan.title} · made in another browser: look on, or fork it.")
        return
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="buttons"):
        match status:
            case Status.RUNNING | Status.QUEUED:
                queued = status is Status.QUEUED
                st.button("Pause", on_click=_ask, args=(queue.pause, run), key="pause", disabled=queued)
            case Status.PAUSED:
                st.button("Resume", on_click=_ask, args=(_resume, run), key="resume")
                st.button("Step", on_click=_ask, args=(queue.step, run), key="step-once", help="One training step.")
            case Status.STOPPED | Status.INTERRUPTED | Status.FAILED:
                st.button("Resume", on_click=_ask, args=(_resume, run), key="resume")
        if status.is_going:
            st.button("Stop", on_click=_ask, args=(queue.stop, run), key="stop", help="End it here and keep it.")
            menu = st.popover("Adjust", key="adjust", help="Learning rate and pace, while it runs.", on_change="rerun")
            if menu.open:
                with menu:
                    _adjust(run)
        st.caption(run.plan.title)


def _ask(act: Callable[[Run], None], run: Run) -> None:
    """Before the page is drawn again; what is refused is said on it, once."""
    try:
        act(run)
    except BadInput as error:
        st.session_state["refused"] = str(error)


def _resume(run: Run) -> None:
    queue.pool()
    queue.resume(run)


def _adjust(run: Run) -> None:
    """What may change while it runs."""
    wishes, prefix = run.control(), f"now-{run.id}-"
    now = {"lr": wishes.get("lr", Settings.of(run.plan.settings).lr)}
    lr = hyperparameters(Settings, defaults=now, names=["lr"], prefix=prefix, in_url=False)["lr"]
    if _has_changed(f"{prefix}lr-before", lr):
        queue.set_lr(run, lr)
    delay = wishes.get("delay", 0.0)
    usual = next((name for name, seconds in PACES.items() if seconds == delay), next(iter(PACES)))
    pace = st.select_slider("pace", list(PACES), usual, key=f"{prefix}pace", width=220)
    if _has_changed(f"{prefix}pace-before", pace):
        queue.slow(run, PACES[pace])


def _has_changed(key: str, value: Any) -> bool:
    """Whether this visitor has changed it: what another does to the same run is not undone by those who look on."""
    before = st.session_state.get(key, value)
    st.session_state[key] = value
    return before != value
