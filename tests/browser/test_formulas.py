"""What reaches who goes by keyboard and by ear: formulas that scroll."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.idle import LONG, idle

APP = "app.py"

REACHED = "all => all.map(e => [e.scrollWidth > e.clientWidth, e.tabIndex === 0])"


def test_a_formula_that_scrolls_is_reached_by_keyboard(page: Page, serve: Callable[[str], str]) -> None:
    page.set_viewport_size({"width": 720, "height": 900})
    page.goto(f"{serve(APP)}/?page=glossary")
    page.get_by_role("heading", name="Glossary").wait_for(timeout=LONG)
    page.get_by_role("heading", name="What a curve says").wait_for(timeout=LONG)  # the last
    idle(page)
    found = page.locator(".stMain .katex-display").evaluate_all(REACHED)
    assert [True, True] in found
    assert all(scrolls == reached for scrolls, reached in found)
    page.set_viewport_size({"width": 1920, "height": 900})
    page.wait_for_function(
        "[...document.querySelectorAll('.stMain .katex-display')]"
        ".every(e => (e.scrollWidth > e.clientWidth) === (e.tabIndex === 0))"
    )
