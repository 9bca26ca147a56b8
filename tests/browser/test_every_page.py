"""Every page of the menu at each width, in both themes: nothing over anything, nothing cut; and as axe-core sees it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.idle import LONG, idle

APP = "app.py"
FOLDER = Path(__file__).parents[2] / "pages"
EVERY = [path.stem for part in ("models", "lab") for path in sorted((FOLDER / part).glob("[a-z]*.py"))]
PAGES = ("", *EVERY, "gan?run=gan-mnist")
WIDTHS = (320, 400, 900, 1200, 1400, 1920)
RECOLOURED = 15  # seconds until a page that is open has all colours of the other theme
TWICE = {"width": 640, "height": 450, "deviceScaleFactor": 2, "mobile": False}  # 1280 × 900, zoomed to 200 %

STREAMLIT = {"list", "listitem"}  # its sidebar is a list whose items are no list items
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}

BOXES = """
() => {
  // The boxes of all visible text and of all controls in the page's main part, in shadow roots too.
  const LABELS = "button, label, h1, h2, h3, figcaption";
  const CONTROLS = "canvas, img, input:not([type=checkbox]), select, textarea";
  // what is there for those who hear the page, and what has drawn itself elsewhere
  const SKIPPED = `.katex-mathml, .js-plotly-plot, script, style, [data-testid=stDataFrame],
    [data-testid=stSlider] input, details:not([open]) > :not(summary)`;
  const found = [], plots = [];
  const seen = (box) => box.width > 1 && box.height > 1;
  const visit = (node, clip) => {
    if (node.nodeType === Node.TEXT_NODE) {
      if (!node.textContent.trim()) return;
      const range = document.createRange();
      range.selectNodeContents(node);
      const said = node.textContent.trim().slice(0, 40);
      for (const box of range.getClientRects()) add(box, said, node.parentElement, clip);
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    const style = getComputedStyle(node);
    if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return;
    if (node.matches(SKIPPED)) return;
    if (node.matches(".panels canvas")) plots.push(node); // a live chart's
    const own = node.getBoundingClientRect();
    if (node.matches(CONTROLS)) add(own, `${node.tagName} ${node.getAttribute("aria-label") ?? ""}`, node, clip);
    // what scrolls or is clipped is as wide as its frame
    const inner = /auto|scroll|hidden|clip/.test(style.overflowX) && seen(own) ? own : clip;
    for (const child of (node.shadowRoot ?? node).childNodes) visit(child, inner);
  };
  const add = (box, name, element, clip) => {
    if (!seen(box)) return;
    const left = Math.max(box.left, clip.left), right = Math.min(box.right, clip.right);
    const top = Math.max(box.top, clip.top), bottom = Math.min(box.bottom, clip.bottom);
    if (right - left <= 1 || bottom - top <= 1) return;
    const column = element.closest(".stColumn")?.getBoundingClientRect().right ?? Infinity;
    found.push({ left, right, top, bottom, name, element, cut: box.right - clip.right, out: right - column });
  };
  const main = document.querySelector("[data-testid=stMainBlockContainer]");
  const whole = { left: -1e9, right: 1e9, top: -1e9, bottom: 1e9 };
  visit(main, whole);
  const within = (a, b) => {
    for (let e = a; e; e = e.parentElement ?? e.getRootNode().host) if (e === b) return true;
    return false;
  };
  const formula = (one) => one.element.closest(".katex");
  const over = [];
  for (let i = 0; i < found.length; i++)
    for (let k = i + 1; k < found.length; k++) {
      const [a, b] = [found[i], found[k]];
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x <= 3 || y <= 4 || within(a.element, b.element) || within(b.element, a.element)) continue;
      if (formula(a) && formula(a) === formula(b)) continue;
      over.push(`${a.name} × ${b.name} (${Math.round(x)} by ${Math.round(y)})`);
    }
  const right = document.documentElement.clientWidth;
  plots.push(...main.querySelectorAll(".js-plotly-plot"));
  for (const plot of plots) add(plot.getBoundingClientRect(), "a plot", plot, whole);
  const drawn = plots.map((one) => one.getBoundingClientRect()).filter(seen);
  const low = drawn.map((box) => Math.round(box.height)).filter((height) => height < 240);
  return {
    over,
    low,
    wide: found.filter((one) => one.right > right + 1 || one.out > 1).map((one) => one.name),
    cut: found.filter((one) => one.cut > 2 && one.element.closest(LABELS)).map((one) => one.name),
    page: document.documentElement.scrollWidth - right,
  };
}
"""


@pytest.fixture(scope="module")
def tab(chromium: Browser) -> Iterator[Page]:
    """One tab for all pages, which keeps what it has fetched; no film plays in it, so that none reports its end."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module", params=PAGES, ids=lambda where: where or "home")
def opened(request: pytest.FixtureRequest, tab: Page, serve: Callable[[str], str]) -> Page:
    """The tab on a page that stands still, by the menu where that leads there: what the browser has read it keeps."""
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": 1400, "height": 900})
    if request.param in EVERY and tab.url.startswith(serve(APP)):
        link = tab.locator(f"[data-testid=stSidebarNavLink][href$='/{request.param}']")
        link.evaluate("link => link.click()")
        tab.locator("[data-testid=stSidebarNavLink][aria-current=page]").and_(link).wait_for(state="attached")
    else:
        tab.goto(f"{serve(APP)}/{request.param}")
    tab.get_by_role("heading", level=1).wait_for(timeout=LONG)
    idle(tab)
    assert tab.get_by_test_id("stException").all_inner_texts() == []
    return tab


def wrong(page: Page) -> dict[str, Any]:
    """What the page shows at its present width that it should not."""
    idle(page)
    met: dict[str, Any] = page.evaluate(BOXES)
    return {what: where for what, where in met.items() if (where > 0 if what == "page" else where)}


def serious(page: Page, options: dict[str, Any]) -> dict[str, str]:
    """What is serious and ours, by its rule and its place: the reason, and the element itself."""
    violations = Axe().run(page, options=options).response["violations"]
    return {
        f"{one['id']} {json.dumps(node['target'])}": f"{node['failureSummary'].splitlines()[-1]}: {node['html'][:200]}"
        for one in violations
        if one["impact"] in ("serious", "critical") and one["id"] not in STREAMLIT
        for node in one["nodes"]
    }


def test_the_menu_has_these_pages_and_no_other(tab: Page, serve: Callable[[str], str]) -> None:
    tab.goto(serve(APP))
    links = tab.get_by_test_id("stSidebarNavLink")
    links.first.wait_for(timeout=LONG)
    paths = [path.rpartition("/")[2] for path in links.evaluate_all("all => all.map((one) => one.pathname)")]
    assert sorted(paths) == sorted(["", *EVERY])


@pytest.mark.timeout(300)
def test_nothing_serious_that_is_ours(opened: Page) -> None:
    assert not serious(opened, RULES)


@pytest.mark.timeout(300)
def test_nothing_lies_over_anything_and_nothing_is_cut(opened: Page) -> None:
    met = {}
    for width in WIDTHS:
        opened.set_viewport_size({"width": width, "height": 900})
        if found := wrong(opened):
            met[width] = found
    device = opened.context.new_cdp_session(opened)
    device.send("Emulation.setDeviceMetricsOverride", TWICE)
    if found := wrong(opened):
        met[200] = found
    device.send("Emulation.clearDeviceMetricsOverride")
    assert not met


@pytest.mark.timeout(300)
def test_in_the_dark_too(opened: Page) -> None:
    """Colours alone are others there; a page that is open is given them part by part."""
    opened.set_viewport_size({"width": 1400, "height": 900})
    opened.emulate_media(color_scheme="dark")
    idle(opened)
    assert opened.evaluate("getComputedStyle(document.querySelector('.stApp')).colorScheme") == "dark"
    end = time.monotonic() + RECOLOURED
    while (found := serious(opened, COLOURS)) and time.monotonic() < end:
        opened.wait_for_timeout(300)
    assert not found
