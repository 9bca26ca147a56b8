"""Every page, in both themes, as axe-core sees it: WCAG 2.1 A and AA, nothing serious that is ours."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

APP = "app.py"
FIRST = 90_000  # the first model's page waits for torch
FOLDER = Path(__file__).parents[2] / "pages"
EVERY = [path.stem for part in ("models", "lab") for path in sorted((FOLDER / part).glob("[a-z]*.py"))]
PAGES = ("", *EVERY, "gan?run=gan-mnist")
STREAMLIT = {"list", "listitem"}  # its sidebar is a list whose items are no list items
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}


LOOKS = 5
COUNT = """
() => {
  window.reruns = 0;
  const watched = { subtree: true, attributes: true, attributeFilter: ["data-stale", "data-test-script-state"] };
  new MutationObserver((all) => { window.reruns += all.length; }).observe(document.body, watched);
}
"""
STILL = """
() => document.querySelector("[data-testid=stApp]").dataset.testScriptState === "notRunning"
  && !document.querySelector("[data-stale=true]")
  && [...document.querySelectorAll(".stMain .katex-display")]
    .every((formula) => formula.scrollWidth <= formula.clientWidth || formula.tabIndex === 0)
"""


def still(page: Page) -> None:
    """Nothing runs, nothing waits to be replaced (Streamlit dims that), and what overflows was made reachable."""
    page.wait_for_function(STILL, timeout=FIRST)


def settle(page: Page) -> None:
    page.get_by_role("heading", level=1).wait_for(timeout=FIRST)
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(timeout=FIRST)
    page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).fontVariantNumeric === 'tabular-nums'")
    page.wait_for_timeout(700)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", PAGES)
def test_nothing_serious_that_is_ours(chromium: Browser, serve: Callable[[str], str], where: str, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{serve(APP)}/{where}")
    settle(page)
    page.evaluate(COUNT)
    for _ in range(LOOKS):
        still(page)
        before = page.evaluate("window.reruns")
        serious = found(page)
        if not serious or page.evaluate("window.reruns") == before:
            break  # else a part of the page ran again meanwhile, and what it is about to replace was dimmed
    context.close()
    assert not serious


def found(page: Page) -> dict[tuple[str, str], tuple[str, str]]:
    """What is serious and ours, by its rule and its place: the reason, and the element itself."""
    violations = Axe().run(page, options=RULES).response["violations"]
    return {
        (one["id"], str(node["target"])): (node["failureSummary"].splitlines()[-1].strip(), node["html"][:200])
        for one in violations
        if one["impact"] in ("serious", "critical") and one["id"] not in STREAMLIT
        for node in one["nodes"]
    }


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
    page.locator(".st-key-link").wait_for(timeout=FIRST)
    settle(page)
    assert page.evaluate("window.formulas") > 3
    assert page.evaluate("window.late") == []


REACHED = "all => all.map(e => [e.scrollWidth > e.clientWidth, e.tabIndex === 0])"


def test_a_formula_that_scrolls_is_reached_by_keyboard(page: Page, serve: Callable[[str], str]) -> None:
    page.set_viewport_size({"width": 720, "height": 900})
    page.goto(f"{serve(APP)}/?page=glossary")
    page.get_by_role("heading", name="Glossary").wait_for(timeout=FIRST)
    page.get_by_role("heading", name="What a curve says").wait_for(timeout=FIRST)  # the last
    settle(page)
    found = page.locator(".stMain .katex-display").evaluate_all(REACHED)
    assert [True, True] in found
    assert all(scrolls == reached for scrolls, reached in found)
    page.set_viewport_size({"width": 1920, "height": 900})
    page.wait_for_function(
        "[...document.querySelectorAll('.stMain .katex-display')]"
        ".every(e => (e.scrollWidth > e.clientWidth) === (e.tabIndex === 0))"
    )
