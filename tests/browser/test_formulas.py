"""What reaches who goes by keyboard and by ear: formulas that scroll."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.idle import LONG, idle

APP = "app.py"

LATE = """
() => {
  window.late = [];
  window.formulas = 0;
  const soon = (act, frames) => requestAnimationFrame(() => (frames ? soon(act, frames - 1) : act()));
  const look = (one) => {
    if (one.isConnected && one.scrollWidth > one.clientWidth && one.tabIndex !== 0) window.late.push(one.textContent);
  };
  new MutationObserver((all) => {
    const added = all.flatMap((one) => [...one.addedNodes]);
    const inside = (one) => [...(one.querySelectorAll?.(".katex-display") ?? []), one.closest?.(".katex-display")];
    const within = added.flatMap(inside);
    const formulas = new Set(within.filter((one) => one));
    window.formulas += formulas.size;
    for (const one of formulas) soon(() => look(one), 12);
  }).observe(document, { childList: true, subtree: true });
}
"""


def test_a_formula_is_reached_as_soon_as_it_is_there(page: Page, serve: Callable[[str], str]) -> None:
    """Twelve frames after it came at the latest, also while the page is still being drawn."""
    page.set_viewport_size({"width": 320, "height": 900})
    page.add_init_script(f"({LATE})()")
    page.goto(f"{serve(APP)}/?page=vae&view=Theory")
    page.locator(".st-key-link").wait_for(timeout=LONG)
    idle(page)
    assert page.evaluate("window.formulas") > 3
    assert page.evaluate("window.late") == []


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
