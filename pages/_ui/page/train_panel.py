"""The live panel of a model's page: train, pause, step, stop, fork; curves, samples and the time machine."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import streamlit as st

from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.hyperparameters import declared
from genmodels.jobs import queue
from genmodels.runs import store, timing
from genmodels.runs.forks import changeable
from genmodels.runs.record import State, Status
from genmodels.runs.store import Run
from genmodels.text import number
from genmodels.training.settings import Settings
from pages._ui.classroom import membership
from pages._ui.components.later import comes_later
from pages._ui.form.choose import Chosen
from pages._ui.form.form import fields_of, hyperparameters
from pages._ui.form.lesson import is_shown
from pages._ui.page.curves import beside, curves
from pages._ui.page.download import taking
from pages._ui.page.shown import named, show, to_refill
from pages._ui.page.time_machine import film, has_weights, nearest, open_at_linked, shown, standing_at
from pages._ui.server.pace import OFTEN, SOON, looks
from pages._ui.shared.run_cache import is_begun, metrics

__all__ = ["learning_curves", "stage"]

PATIENCE = 0.4  # seconds that Train waits for the first point before it answers without
PACES = {"full speed": 0.0, "10 steps a second": 0.1, "3 steps a second": 0.33, "1 step a second": 1.0}


def stage(model: str, chosen: Chosen, run: Run | None) -> Run | None:
    """The upper part: what is shown, Train, and the film of the training.

    Args:
        model: A name of MODELS.
        chosen: What Train trains.
        run: The run that is shown.

    Returns:
        The run that is shown from now on: the new one, where Train was pressed.
    """
    if run is not None:
        open_at_linked(run)
    name = st.container()
    if is_shown("train"):
        if (new := _start(model, chosen, run)) is not None:
            run = new
            open_at_linked(run)
        membership.say()
    if run is not None:
        state = run.state()
        at = standing_at(run)
        if at is None and not state.status.is_going:  # of one that goes on the line below says it
            at = state.step if (newest := shown(run)) is None else newest
        name.markdown(named(run, at))
    if run is None:
        if not st.query_params.get("run", "").startswith("hf://"):
            st.caption("Nothing is trained yet. Press Train: the curves, the samples and the time machine come here.")
        return None
    every = _pause(run, run.state().status)
    st.fragment(_stage, run_every=every)(run, every, has_weights(run))
    return run


def learning_curves(run: Run, *, units: Mapping[str, str] | None = None, first: Sequence[str] = ()) -> None:
    """The lower part: what the run has logged, and other runs beside it.

    Args:
        run: The run that is shown.
        units: The unit of each term that the model means otherwise than :mod:`genmodels.quantities` says.
        first: Terms whose panels come first.
    """
    together = [run, *beside(run)]
    st.fragment(_curves, run_every=_pause(run, run.state().status))(together, units or {}, first)


def _start(model: str, chosen: Chosen, run: Run | None) -> Run | None:
    """Train, which makes another run and returns it, and Fork; and the run as files."""
    row, new = st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="start"), None
    refused = st.container()
    with row:
        if st.button("Train", type="primary", key="train", help="A new run with the settings of the form."):
            with refused:
                new = _attempt(model, lambda: _new(model, chosen))
            run = new or run
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
    return new


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
    step = nearest(steps, standing_at(run))
    st.caption(f"A new run from step {step:,} of this one. You can change anything except the network's architecture.")
    with st.form("fork", border=False):
        prefix = f"fork-{run.id}-"
        known = changeable(run)
        fields = {
            prefix + name: replace(one, default=plan.arguments.get(name, one.default)) for name, one in known.items()
        }
        values = fields_of(fields, in_url=False)
        arguments = {name: values[prefix + name] for name in known}
        names = [name for name in declared(Settings) if name not in ("epochs", "steps", "compile")]
        total = run.state().total or Settings.of(plan.settings).steps  # a fork in the queue does not know it yet
        usual = plan.settings | {"steps": total if step < total else step + total}
        length = hyperparameters(Settings, defaults=usual, names=["steps"], prefix=f"{prefix}{step}-", in_url=False)
        settings = length | hyperparameters(Settings, defaults=usual, names=names, prefix=prefix, in_url=False)
        pressed = st.form_submit_button("Fork and train", type="primary")
    if pressed and _attempt(model, lambda: store.fork(run, step, arguments=arguments, settings=settings)):
        st.rerun()


def _attempt(model: str, make: Callable[[], Run]) -> Run | None:
    """Make a run, put it in the queue and show it, with its first point if a worker is free for it; or say why not."""
    try:
        queue.pool()
        run = make()
        queue.submit(run)
        membership.enter(run)
    except BadInput as error:
        st.error(str(error))
        return None
    st.query_params.pop("step", None)  # the old one's
    show(model, run)
    to_refill(model)
    end = time.monotonic() + (PATIENCE if len(queue.waiting()) <= (queue.alive() or 0) else 0.0)
    while not is_begun(run) and time.monotonic() < end:
        time.sleep(0.02)
    return run


# What it does now -----------------------------------------------------------------------------------------------------


def _pause(run: Run, status: Status, every: float | None = None) -> float | None:
    """Seconds between two looks of this visitor at it, who has looked every ``every``; None: it stands still."""
    if not status.is_going:
        return None
    return looks.every(time.monotonic(), OFTEN if is_begun(run) else SOON, every)


def _looking(panel: str) -> AbstractContextManager[None]:
    """Counts what this visitor's look at a panel costs."""
    return looks.look((st.session_state.setdefault("who looks", uuid.uuid4()), panel))


def _stage(run: Run, every: float | None, panels: bool) -> None:
    """All that changes above the curves while the run goes on; it reruns by itself."""
    with _looking("stage"):
        _look(run, every, panels)


def _look(run: Run, every: float | None, panels: bool) -> None:
    state = run.state()
    if _pause(run, state.status, every) != every or has_weights(run) != panels:
        st.rerun(scope="app")  # only the page can say how often it is looked at, and what there is below
    if not run.is_bundled:
        run.seen()
        _say(run, state)
        if refused := st.session_state.pop("refused", ""):
            st.error(refused)
        if is_shown("train"):
            _buttons(run, state.status)
    if is_shown("film"):
        film(run, state)


def _curves(together: Sequence[Run], units: Mapping[str, str], first: Sequence[str]) -> None:
    """The curves, as far as they have come."""
    if comes_later("curves"):
        return
    run = together[0]
    step = run.state().step if standing_at(run) is None else standing_at(run)
    with _looking("curves"):
        curves(together, marker=step, units=units, first=first)


def _say(run: Run, state: State) -> None:
    """Where it is, in words."""
    step, total, rows = state.step, state.total, metrics(run)
    words = [f"step {step:,}" + (f" of {total:,}" if total else "")]
    if rows and rows[-1].get("step"):  # logged now and then: between, an epoch has as many steps as it had there
        words.append(f"epoch {number(round(step * rows[-1]['epoch'] / rows[-1]['step'], 2))}")
    if speed := timing.of(rows):
        seconds, examples = speed
        words.append(f"{examples:,.0f} examples/s")
        if state.status is Status.RUNNING and total:
            words.append(f"{worded(_left(run, state, seconds))} left")
    ahead = queue.place(run) if state.status is Status.QUEUED else None
    now = str(state.status)
    if ahead is not None:
        now = f"queued, {ahead} before it" if ahead else "Starting; you are next"
    st.progress(state.progress, f"**{now}** · " + " · ".join(words))
    if message := state.message:
        {Status.FAILED: st.error, Status.INTERRUPTED: st.warning}.get(state.status, st.info)(message)


def _left(run: Run, state: State, seconds: float) -> float:
    """Seconds to the end, at the pace that it was asked to go where that is slower than ``seconds`` a step."""
    return (state.total - state.step) * max(seconds, run.control().get("delay", 0.0))


def _pace_of(run: Run) -> str:
    """At which of the paces it was asked to go."""
    delay = run.control().get("delay", 0.0)
    return next((name for name, seconds in PACES.items() if seconds == delay), next(iter(PACES)))


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
    pace = st.select_slider("Pace", list(PACES), _pace_of(run), key=f"{prefix}pace", width=220)
    if _has_changed(f"{prefix}pace-before", pace):
        queue.slow(run, PACES[pace])


def _has_changed(key: str, value: Any) -> bool:
    """Whether this visitor has changed it: what another does to the same run is not undone by those who look on."""
    before = st.session_state.get(key, value)
    st.session_state[key] = value
    return before != value
