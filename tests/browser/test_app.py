"""The app in a browser: links that arrive first, pages and the way back, narrow screens, light and dark."""

import io
import re
import time
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from genmodels.images import png, tile
from genmodels.runs import store

APP = "app.py"
FIRST = 60_000  # the first model's page waits for torch


def settled(page: Page) -> None:
    """Wait until the script has run to its end."""
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(timeout=FIRST)


def test_a_deep_link_that_arrives_first_finds_its_page(chromium: Browser, serve: Callable[[str], str]) -> None:
    """This test must come first: only a server's very first visitor could be told that there is no such page."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{serve(APP)}/vae?latent_dim=3")
    page.get_by_role("heading", name="Variational autoencoder").wait_for(timeout=FIRST)
    settled(page)
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(page.get_by_test_id("stSidebarNav").get_by_text("Runs")).to_be_visible()
    expect(page).to_have_url(re.compile("latent_dim=3"))
    context.close()


def test_home_comes_at_once_and_leads_to_the_models(page: Page, serve: Callable[[str], str]) -> None:
    url = serve(APP)
    start = time.monotonic()
    page.goto(url)
    page.get_by_role("heading", name="A laboratory of deep generative models").wait_for()
    seconds = time.monotonic() - start
    print(f"\nhome after {seconds:.2f} s")  # bounds are those of benchmarks.first_minute
    film = page.locator(".st-key-films button.film").first
    expect(film).to_have_attribute("aria-label", re.compile("Variational autoencoder: samples of mnist as it learns"))
    page.get_by_test_id("stMain").get_by_role("link", name="Variational autoencoder").click()
    page.get_by_role("heading", name="Variational autoencoder").wait_for(timeout=FIRST)
    expect(page).to_have_url(re.compile("/vae"))
    page.go_back()
    page.get_by_role("heading", name="A laboratory of deep generative models").wait_for()


def test_the_films_on_home_move_by_themselves(page: Page, serve: Callable[[str], str]) -> None:
    page.goto(serve(APP))
    page.locator(".st-key-films canvas").first.wait_for()
    page.goto("about:blank")  # the server has drawn the films now, as for every visitor but the first
    start = time.monotonic()
    page.goto(serve(APP))
    caption = page.locator(".st-key-films button.film .faint").first
    expect(caption).to_have_text(re.compile(r"^step"))
    before = caption.inner_text()
    expect(caption).not_to_have_text(before)
    seconds = time.monotonic() - start
    print(f"\nits films move after {seconds:.2f} s")
    expect(caption).to_have_text(re.compile(r"step ([\d,]+) of \1$"), timeout=30_000)
    page.get_by_role("button", name="Pause").click()
    held = caption.inner_text()
    page.wait_for_timeout(1500)
    expect(caption).to_have_text(held)


def test_the_films_on_home_stand_still_for_who_asks_for_it(chromium: Browser, serve: Callable[[str], str]) -> None:
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(serve(APP))
    caption = page.locator(".st-key-films button.film .faint").first
    expect(caption).to_have_text(re.compile(r"step ([\d,]+) of \1$"), timeout=30_000)
    page.wait_for_timeout(1500)
    expect(caption).to_have_text(re.compile(r"step ([\d,]+) of \1$"))
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    context.close()


CLICK = """
([name, steps]) => new Promise((clicked) => {
  // Once the film of this name is at one of these steps: a click, in the very frame that shows it.
  const look = () => {
    const host = [...document.querySelectorAll("*")].find((one) => one.shadowRoot?.querySelector("button.film"));
    const films = [...(host?.shadowRoot ?? document).querySelectorAll("button.film")];
    const film = films.find((one) => one.querySelector(".title").textContent === name);
    const said = film?.querySelector(".faint").textContent.match(/^step ([\\d,]+) of/);
    const step = said ? Number(said[1].replaceAll(",", "")) : -1;
    if (!steps.includes(step)) return requestAnimationFrame(look);
    film.click();
    clicked(step);
  };
  look();
})
"""
PIXELS = "(canvas) => canvas.toDataURL('image/png').split(',')[1]"


def picture(of: bytes) -> Any:
    """The grey levels of a PNG, shape (H, W)."""
    return np.asarray(Image.open(io.BytesIO(of)).convert("L"))


@pytest.mark.timeout(300)
def test_a_click_on_a_film_opens_the_model_at_that_moment(page: Page, serve: Callable[[str], str]) -> None:
    """With its weights and without, with its own settings and its own picture; also where it stood elsewhere before."""
    page.goto(serve(APP))
    for name, run, has_weights in (
        ("Ladder VAE", store.find("ladder-mnist"), True),
        ("Generative adversarial network", store.find("gan-mnist"), False),
        ("Ladder VAE", store.find("ladder-mnist"), False),
    ):
        moments, kept = run.frames(), run.snapshots()
        wanted = [step for step in moments[1:-1] if (step in kept) == has_weights and moments.index(step) > 5]
        step = page.evaluate(CLICK, [name, wanted])
        page.get_by_role("heading", name=name, level=1).wait_for(timeout=FIRST)
        there = page.get_by_role("img", name=re.compile(f"^samples of the model.*: step {step:,}$"))
        expect(there).to_be_visible(timeout=FIRST)
        named = page.get_by_test_id("stMain").get_by_text(f"Checkpoint {run.id}, step {step:,} · ")
        expect(named).to_be_visible()
        alone = page.get_by_text(f"Of step {step:,} there is the picture alone: below is step ")
        expect(alone).to_have_count(0 if has_weights else 1, timeout=FIRST)
        expect(page.get_by_text("Settings of what is shown")).to_be_visible()
        assert page.url.endswith(f"?run={run.id}&step={step}")
        drawn = picture(b64decode(there.evaluate(PIXELS)))
        assert np.array_equal(drawn, picture(tiled(run, step)))
        assert not np.array_equal(drawn, picture(tiled(run, moments[-1])))
        settled(page)
        page.get_by_test_id("stSidebarNav").get_by_text("genmodels").click()
        page.get_by_role("heading", name="A laboratory of deep generative models").wait_for()
        settled(page)


def tiled(run: store.Run, step: int) -> bytes:
    """What it drew at ``step``."""
    return png(tile(run.samples(step))[..., :3])


def test_films_and_doors_are_above_the_fold(page: Page, serve: Callable[[str], str]) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(serve(APP))
    for door in ("Show me", "Let me play", "I teach"):
        expect(page.get_by_role("link", name=door)).to_be_in_viewport(ratio=1, timeout=FIRST)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_home_fits_every_screen(chromium: Browser, serve: Callable[[str], str], scheme: str, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(serve(APP))
    page.get_by_role("heading", name="A laboratory of deep generative models").wait_for()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[scheme]
    film = page.locator(".st-key-films canvas").first
    expect(film).to_be_visible()
    box = film.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    context.close()


def test_the_app_asks_nobody_else_for_anything(page: Page, serve: Callable[[str], str]) -> None:
    url = serve(APP)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.get_by_role("heading", name="A laboratory of deep generative models").wait_for()
    settled(page)
    own = (url, url.replace("http", "ws"), "data:", "blob:")
    assert asked
    assert not [one for one in asked if not one.startswith(own)]


def test_figures_stand_in_columns(page: Page, serve: Callable[[str], str]) -> None:
    page.goto(serve(APP))
    settled(page)
    expect(page.get_by_test_id("stApp")).to_have_css("font-variant-numeric", "tabular-nums")


def test_there_is_no_button_that_clears_everybodys_cache(page: Page, serve: Callable[[str], str]) -> None:
    page.goto(serve(APP))
    settled(page)
    page.keyboard.press("c")
    page.get_by_test_id("stMainMenu").locator("button").click()
    expect(page.get_by_text("Clear cache")).to_have_count(0)
