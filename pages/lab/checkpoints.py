"""Trained models to look into at once: those that ship with the app, and those on the Hugging Face Hub."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st

from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.export import model_card
from genmodels.files import read_json
from genmodels.hub import client, import_diffusers
from genmodels.hub.checkpoints import Card, available, pulled
from genmodels.hub.client import Listing, Place
from genmodels.jobs import background
from genmodels.jobs.background import Errand
from genmodels.models import MODELS
from genmodels.runs import store
from genmodels.runs.store import Run
from pages._ui.shared.hub_buttons import MODEL_PAGES, act_button, may_be_anywhere, open_button, pull_button, wait
from pages._ui.views.common.newest import newest_samples

FRESH = 300.0  # seconds that a list stays good
COLUMNS = 4


def main() -> None:
    """The checkpoints that ship, those on the Hub, then any other by its name."""
    st.title("Checkpoints")
    st.caption("Trained models. Open one: sample it, explore it, go back in its training, fork it.")
    st.subheader("With the app", anchor=False)
    st.caption("These need no network.")
    bundled()
    with st.container():
        st.subheader("On the Hub", anchor=False)
        try:
            place = client.repository()
        except BadInput as error:
            st.warning(f"GENMODELS_HUB_REPO: {error}")
        else:
            if place is None:
                st.info(
                    "No repository is chosen, so only what ships with the app is shown: set "
                    "GENMODELS_HUB_REPO=owner/repo in the environment or in .streamlit/secrets.toml."
                )
            else:
                on_the_hub(place)
        if may_be_anywhere():
            named()


def bundled() -> None:
    """Cards of the checkpoints that ship: newest samples, description, a measure; a click anywhere opens one."""
    every = store.bundled()
    for start in range(0, len(every), COLUMNS):
        for column, run in zip(st.columns(COLUMNS), every[start:], strict=False):
            with column, st.container(border=True, gap="xsmall", height="stretch", key=f"card-{run.id}"):
                card(run)


def card(run: Run) -> None:
    """A checkpoint that ships: its samples, link, size and measure."""
    plan, path = run.plan, run.path / "measures.json"
    newest_samples(run)
    measure = model_card.headline(read_json(path) if path.exists() else {})
    size = sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file())
    page, title = MODEL_PAGES / f"{plan.model}.py", MODELS[plan.model].title if plan.model in MODELS else plan.model
    if page.exists():
        st.page_link(page, label=f"**{run.title}**", query_params={"run": run.id})
    else:
        st.markdown(f"**{run.title}**")
    st.write(f"{title} on {datasets.info(plan.data).title}." + (f" {measure}".replace("= -", "= −") if measure else ""))
    moments = len(run.frames())
    st.caption(f"{size / 1e6:.1f} MB · {moments} {'moment' if moments == 1 else 'moments'} of its training")


def on_the_hub(place: Place) -> None:
    """The checkpoints of the repository, which is asked in the background, at most every few minutes."""
    key = f"list {place}"
    errand = background.send(key, lambda _: available(place), fresh=FRESH)
    if not errand.done.is_set():
        wait(key, f"Asking {place} …")
        return
    if errand.problem:
        st.warning(f"{errand.problem} Shown is what ships with the app.")
    else:
        listing, found = errand.result
        told(place, listing, errand)
        found = sorted(found, key=lambda one: bool(one.problem))
        rows = [row_of(one) for one in found]
        chosen = table(rows, "hub")
        if chosen is not None:
            chosen_one(found[chosen], listing)
    if st.button("Ask again", key="again", icon=":material/refresh:"):
        background.send(key, lambda _: available(place))
        st.rerun()


def row_of(card: Card) -> dict[str, Any]:
    """A checkpoint of the Hub as a line of the table."""
    measure = "cannot be used" if card.problem else model_card.headline(card.measures)
    line = row(card.place.subfolder or card.place.repo, card.model, card.data, measure, card.size, card.created)
    return {"here": pulled(card.place) is not None} | line


def told(place: Place, listing: Listing, errand: Errand) -> None:
    """Which of its moments is shown, and why."""
    at = datetime.fromtimestamp(listing.seen, UTC).strftime("%d %b %Y, %H:%M UTC")
    if listing.live:
        st.caption(f"What {place} holds now: commit {listing.commit[:7]}, asked {at}.")
    else:
        st.warning(
            f"The Hub cannot be reached: shown is what {place} held on {at}. "
            "What was pulled before, and what ships with the app, works all the same."
        )


def chosen_one(card: Card, listing: Listing) -> None:
    """Buttons and measures of a checkpoint on the Hub."""
    if card.problem:
        st.warning(card.problem)
        return
    run, name = pulled(card.place), card.place.subfolder or card.place.repo
    changed = run is not None and (run.plan.origin is None or run.plan.origin.commit != listing.commit)
    if run is not None:
        open_button(run, "open-hub")
    if run is None or changed:
        label = f"Pull {name}, {card.size / 1e6:,.1f} MB" if run is None else f"Pull what has changed in {name}"
        pull_button(card.place, label, "pull-chosen")
    if card.measures:
        names = [name for name in card.measures if not name.endswith("_se")]
        with st.expander("Measures"):
            st.table(
                {
                    name: str(model_card.measure_in_words(card.measures, name))
                    for name in names
                    if name not in ("command", "seed")
                }
            )


def named() -> None:
    """Any other, by its name."""
    how = "A checkpoint of the Hub, or a pipeline of diffusers: on the Hub, or a folder of this computer."
    name = st.text_input("Another one", key="name", placeholder="hf://owner/repo/subfolder", max_chars=300, help=how)
    if not name:
        return
    try:
        if import_diffusers.is_folder(name):
            act_button(f"adopt {name}", "Open this folder", "adopt-named", lambda _: import_diffusers.adopt(Path(name)))
            return
        place = Place.parse(name)
    except BadInput as error:
        st.warning(str(error))
        return
    if run := pulled(place):
        open_button(run, "open-named")
    pull_button(place, "Pull", "pull-named")


def row(title: str, model: str, data: str, measure: str, size: int, created: float) -> dict[str, Any]:
    """A checkpoint's line of the table."""
    made = datetime.fromtimestamp(created, UTC).strftime("%d %b %Y") if created else ""
    return {"name": title, "model": model, "data": data, "measure": measure, "MB": round(size / 1e6, 1), "made": made}


def table(rows: list[dict[str, Any]], key: str) -> int | None:
    """The line that was chosen; the first until then; None of an empty table."""
    if not rows:
        st.caption("There are none.")
        return None
    how: dict[str, Any] = {"on_select": "rerun", "selection_mode": "single-row", "hide_index": True}
    columns = {"MB": st.column_config.NumberColumn(format="%.1f", width="small")}
    picked = st.dataframe(rows, key=key, width="stretch", column_config=columns, **how)["selection"]["rows"]
    return picked[0] if picked and picked[0] < len(rows) else 0


main()
