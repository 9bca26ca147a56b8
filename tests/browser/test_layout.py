"""What no reader should meet, at every width and in both themes: text over text, controls over controls, cut edges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

APP = "app.py"
FIRST = 90_000  # the first model's page waits for torch
FOLDER = Path(__file__).parents[2] / "pages"
EVERY = [path.stem for part in ("models", "lab") for path in sorted((FOLDER / part).glob("[a-z]*.py"))]
PAGES = ("", *EVERY, "gan?run=gan-mnist")
WIDTHS = (320, 400, 900, 1200, 1400, 1920)

BOXES = """
() => {
  // The boxes of all visible text and of all controls in the page's main part, in shadow roots too.
  const LABELS = "button, label, h1, h2, h3, figcaption";
  const CONTROLS = "canvas, img, input:not([type=checkbox]), select, textarea";
  // what is there for those who hear the page, and what has drawn itself elsewhere
  const SKIPPED = `.katex-mathml, .js-plotly-plot, script, style, [data-testid=stDataFrame],
    [data-testid=stSlider] input, details:not([open]) > :not(summary)`;
  const found = [];
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
  const plots = [...main.querySelectorAll(".js-plotly-plot")].filter((one) => seen(one.getBoundingClientRect()));
  for (const plot of plots) add(plot.getBoundingClientRect(), "a plot", plot, whole);
  const low = plots.map((one) => one.getBoundingClientRect().height).filter((height) => height < 240);
  return {
    over,
    low,
    wide: found.filter((one) => one.right > right + 1 || one.out > 1).map((one) => one.name),
    cut: found.filter((one) => one.cut > 2 && one.element.closest(LABELS)).map((one) => one.name),
    page: document.documentElement.scrollWidth - right,
  };
}
"""


def settle(page: Page) -> None:
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(timeout=FIRST)
    page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).fontVariantNumeric === 'tabular-nums'")
    page.wait_for_timeout(700)


def wrong(page: Page) -> dict[str, Any]:
    """What the page shows at its present width that it should not."""
    settle(page)
    found: dict[str, Any] = page.evaluate(BOXES)
    return {what: where for what, where in found.items() if (where > 0 if what == "page" else where)}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", PAGES)
def test_nothing_lies_over_anything_and_nothing_is_cut(
    chromium: Browser, serve: Callable[[str], str], where: str, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{serve(APP)}/{where}")
    page.get_by_role("heading", level=1).wait_for(timeout=FIRST)
    met = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if found := wrong(page):
            met[width] = found
    context.close()
    assert not met


@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", PAGES)
def test_a_page_at_twice_its_size(chromium: Browser, serve: Callable[[str], str], where: str) -> None:
    """A window of 1280 × 900 whose reader zooms to 200 %."""
    context = chromium.new_context(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    page = context.new_page()
    page.goto(f"{serve(APP)}/{where}")
    page.get_by_role("heading", level=1).wait_for(timeout=FIRST)
    found = wrong(page)
    context.close()
    assert not found
