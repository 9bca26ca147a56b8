"""Every page, in both themes, as axe-core sees it: WCAG 2.1 A and AA, nothing serious that is ours."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

APP = "app.py"
FIRST = 90_000  # the first model's page waits for torch
PAGES = ("", "vae", "ddpm", "gan?run=gan-mnist", "wgan", "bigan", "checkpoints", "data", "glossary", "runs", "wall")
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


BETWEEN = """
() => {
  const stops = [];
  const visit = (node) => {
    for (const child of (node.shadowRoot ?? node).children) {
      const style = getComputedStyle(child);
      if (style.display === "none" || style.visibility === "hidden") continue;
      if (child.tabIndex >= 0 && !child.disabled) stops.push(child);
      visit(child);
    }
  };
  visit(document.querySelector("[data-testid=stMainBlockContainer]"));
  const train = document.querySelector(".st-key-train button");
  return stops.indexOf(train) + 1;
}
"""


def test_train_is_within_ten_presses_of_tab(page: Page, serve: Callable[[str], str]) -> None:
    page.goto(serve(APP))
    page.get_by_test_id("stSidebarNav").get_by_text("Variational autoencoder").click()
    page.get_by_role("heading", name="Variational autoencoder").wait_for(timeout=FIRST)
    settle(page)
    assert 1 <= page.evaluate(BETWEEN) <= 10


def test_a_formula_that_scrolls_is_reached_by_keyboard(page: Page, serve: Callable[[str], str]) -> None:
    page.set_viewport_size({"width": 720, "height": 900})
    page.goto(f"{serve(APP)}/?page=glossary")
    page.get_by_role("heading", name="Glossary").wait_for(timeout=FIRST)
    page.get_by_role("heading", name="What a curve says").wait_for(timeout=FIRST)  # the last
    settle(page)
    found = page.locator(".stMain .katex-display").evaluate_all(
        "all => all.map(e => [e.scrollWidth > e.clientWidth, e.tabIndex === 0])"
    )
    assert [True, True] in found
    assert all(scrolls == reached for scrolls, reached in found)
    page.set_viewport_size({"width": 1920, "height": 900})
    page.wait_for_function(
        "[...document.querySelectorAll('.stMain .katex-display')]"
        ".every(e => (e.scrollWidth > e.clientWidth) === (e.tabIndex === 0))"
    )
