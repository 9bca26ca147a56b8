"""Every task by keyboard alone, with a focus that is seen; and no motion for who asks their system for less."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

APP = "app.py"
FIRST = 90_000  # the first model's page waits for torch
FAMILIES = sorted(path.stem for path in (Path(__file__).parents[2] / "pages" / "models").glob("[a-z]*.py"))

WITHIN = """
(element) => {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  for (let one = active; one; one = one.parentElement ?? one.getRootNode().host) if (one === element) return true;
  return false;
}
"""
SEEN = """
() => {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  if (!active || active === document.body) return "";
  if (active.matches("input:not([type=checkbox]):not([type=radio]), textarea")) return ""; // a caret
  // an outline or a shadow, of the element itself, of what it is in, or of the thumb or label that it is drawn by
  const near = [...active.querySelectorAll("*"), ...(active.parentElement?.children ?? [])];
  for (let one = active, i = 0; one && i < 4; one = one.parentElement, i++) near.push(one);
  const outlined = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const marked = (style) => outlined(style) || style.boxShadow !== "none";
  if (near.some((one) => marked(getComputedStyle(one)))) return "";
  return `${active.tagName} ${active.getAttribute("aria-label") ?? active.textContent.trim().slice(0, 40)}`;
}
"""


def settled(page: Page) -> None:
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(timeout=FIRST)


def tab_to(page: Page, target: Locator, most: int = 60, back: bool = False) -> int:
    """Press Tab until the focus is in ``target``, and see it at every stop; how often it was pressed."""
    target.wait_for(timeout=FIRST)
    unseen = []
    for presses in range(most + 1):
        if target.evaluate(WITHIN):
            assert not unseen
            return presses
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if missing := page.evaluate(SEEN):
            unseen.append(missing)
    pytest.fail(f"{most} presses of Tab do not lead to {target}")


def film(page: Page) -> Locator:
    return page.locator("[class*='st-key-film-']").last


@pytest.mark.timeout(600)
def test_a_training_from_a_checkpoint_to_the_latent_plane_with_keys_alone(
    page: Page, serve: Callable[..., str]
) -> None:
    page.goto(f"{serve(APP)}/?page=checkpoints")
    page.get_by_role("heading", name="Checkpoints").wait_for(timeout=FIRST)
    settled(page)
    tab_to(page, page.get_by_role("link", name="vae-digits-2d"), most=80)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Variational autoencoder").wait_for(timeout=FIRST)
    expect(page.get_by_text("Checkpoint vae-digits-2d")).to_be_visible(timeout=FIRST)
    settled(page)
    # a setting
    tab_to(page, page.locator(".st-key-beta input"))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("beta="))
    expect(page.get_by_text("Settings changed: press Train")).to_be_visible()
    settled(page)
    # Train, and pause
    tab_to(page, page.locator(".st-key-train button").first, back=True)
    page.keyboard.press("Enter")
    page.locator(".st-key-pause button").first.wait_for(timeout=FIRST)
    expect(page.get_by_test_id("stProgress").first).to_contain_text(re.compile("step [1-9]"), timeout=FIRST)
    tab_to(page, page.locator(".st-key-pause button").first)
    page.keyboard.press("Enter")
    page.locator(".st-key-resume button").first.wait_for(timeout=FIRST)
    # back in its training
    tab_to(page, film(page).locator("canvas"))
    page.keyboard.press("Home")
    expect(film(page).locator(".caption")).to_have_text("step 0")
    expect(page).to_have_url(re.compile("step=0"))
    settled(page)
    # an instrument, and a walk in it
    tab_to(page, page.get_by_role("radio", name="Reconstructions"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("instrument=Reconstructions"))
    settled(page)
    tab_to(page, page.get_by_role("radio", name="Manifold"), back=True)
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("instrument="))
    pad = page.locator("[class*='st-key-latent-map'] canvas.pad")
    tab_to(page, pad)
    told = page.locator("[class*='st-key-latent-map'] .readout")
    before = told.inner_text()
    page.keyboard.press("Shift+ArrowRight")
    expect(told).not_to_have_text(before)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("family", FAMILIES)
def test_train_is_within_ten_presses_of_the_heading(page: Page, serve: Callable[..., str], family: str) -> None:
    page.goto(f"{serve(APP)}/?page={family}")
    page.locator(".st-key-train button").first.wait_for(timeout=FIRST)
    settled(page)
    page.locator("h1").evaluate("e => { e.tabIndex = -1; e.focus(); }")
    assert tab_to(page, page.locator(".st-key-train button").first, most=10) >= 1


def test_the_picture_of_a_model_stands_still_for_who_asks_for_it(chromium: Browser, serve: Callable[..., str]) -> None:
    """It stands at its end; where nothing is asked it plays from its beginning."""
    captions = {}
    for motion in ("reduce", "no-preference"):
        context = chromium.new_context(reduced_motion=motion)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{serve(APP)}/?page=vae&run=vae-digits-2d")
        caption = film(page).locator(".caption")
        expect(caption).to_have_text(re.compile("step"), timeout=FIRST)
        captions[motion] = caption.inner_text()
        page.wait_for_timeout(1500)
        assert (caption.inner_text() == captions[motion]) == (motion == "reduce")
        playing = film(page).get_by_role("button", name="play" if motion == "reduce" else "pause")
        expect(playing).to_be_visible()
        context.close()
