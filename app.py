"""The router: page configuration, theme and navigation, derived from what is there. No content.

``streamlit run app.py`` imports this file once, finds the server ``app`` in it, and then runs it as the script of every
visitor.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from genmodels.host import limits, ownership
from genmodels.models import MODELS
from pages._ui.components.figure_files import figure_files
from pages._ui.form import visit
from pages._ui.form.lesson import is_shown
from pages._ui.server import blobs, cookie, headers, health, preload, uploads

PAGES = Path(__file__).resolve().parent / "pages"


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


def route() -> None:
    """Draw the page that the visitor asked for."""
    st.set_page_config(layout="wide", initial_sidebar_state="auto")
    st.html(PAGES / "_ui" / "style.css")
    figure_files()  # first: it watches what comes, and stays while pages change
    page = st.navigation(sections(), position="sidebar" if is_shown("menu") else "hidden", expanded=True)
    visit.begin(page.url_path)
    page.run()
    preload.start()


if st.runtime.exists():
    route()
else:
    # A folder named pages wakes Streamlit's own page discovery until st.navigation has run once: the first visitor
    # with a deep link would be told that there is no such page.
    PagesManager.uses_pages_directory = False
    ownership.told_by(cookie.acting, cookie.coming_from)
    if limits.is_shared():  # an error's kind alone: no code, no path
        config.set_option("client.showErrorDetails", "type")
    middleware = [Middleware(one) for one in (headers.Headers, cookie.Cookie, uploads.Uploads)]
    preload.films()
    app = st.App(__file__, routes=[health.ROUTE, blobs.ROUTE], middleware=middleware)
