"""The router: page configuration, theme and navigation, derived from what is there. No content."""

from pathlib import Path

import streamlit as st

from genmodels.models import MODELS
from pages._ui import preload

PAGES = Path(__file__).parent / "pages"


def sections() -> dict[str, list[st.Page]]:
    """Home; each model that has a page, under its family; every page of the lab."""
    found: dict[str, list[st.Page]] = {"": [st.Page(PAGES / "home" / "home.py", title="genmodels", default=True)]}
    for name, entry in MODELS.items():
        path = PAGES / "models" / f"{name}.py"
        if path.exists():
            found.setdefault(entry.family, []).append(st.Page(path, title=entry.title))
    lab = sorted((PAGES / "lab").glob("[a-z]*.py"))
    if lab:
        found["Lab"] = [st.Page(path, title=path.stem.replace("_", " ").capitalize()) for path in lab]
    return found


st.set_page_config(layout="wide", initial_sidebar_state="auto")
st.html(PAGES / "_ui" / "style.css")
st.navigation(sections(), expanded=True).run()
preload.start()
