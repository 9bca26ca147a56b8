"""The live panel in a browser: a training that happens, is held, looked back at, forked and found again."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

DEMO = "tests/browser/apps/live.py"
LONG = 90_000  # the first training waits for the workers' import of torch


@pytest.fixture
def training(page: Page, serve: Callable[[str], str]) -> Page:
    """A long training that has shown its first samples."""
    page.goto(f"{serve(DEMO)}/?data=two-moons&epochs=1000&hidden=32")
    button(page, "train").click()
    page.locator("figure canvas").first.wait_for(timeout=LONG)
    film(page).locator("canvas").wait_for(timeout=LONG)
    return page


def button(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key} button").first


def film(page: Page) -> Locator:
    return page.locator("[class*='st-key-film-']").last


def status(page: Page) -> Locator:
    return page.get_by_test_id("stProgress")


def at_step(page: Page) -> int:
    found = re.search(r"step ([\d,]+)", status(page).inner_text())
    assert found
    return int(found[1].replace(",", ""))


def pause(page: Page) -> int:
    button(page, "pause").click()
    button(page, "step-once").wait_for()
    return at_step(page)


def test_pause_holds_and_step_takes_one(training: Page) -> None:
    held = pause(training)
    button(training, "step-once").click()
    expect(status(training)).to_contain_text(f"step {held + 1:,} of")
    expect(status(training)).to_contain_text("paused")
    button(training, "resume").click()
    expect(status(training)).not_to_contain_text(f"step {held + 1:,} of")
    expect(status(training)).to_contain_text("running")
    button(training, "stop").click()
    expect(status(training)).to_contain_text("stopped")


def test_the_time_machine_takes_every_panel_along(training: Page) -> None:
    expect(film(training).locator(".caption")).to_have_text(re.compile(r"step [\d,]{3,}"))
    pause(training)
    film(training).locator("canvas").focus()
    training.keyboard.press("Home")
    expect(film(training).locator(".caption")).to_have_text("step 0")
    training.get_by_text("every panel shows step 0").wait_for()
    training.keyboard.press("ArrowRight")
    training.get_by_text("every panel shows step 1").wait_for()
    training.keyboard.press("End")
    expect(training.get_by_text("every panel shows step")).not_to_have_text("every panel shows step 1")
    button(training, "stop").click()


def test_a_reload_and_a_second_tab_find_the_run(training: Page, serve: Callable[[str], str]) -> None:
    pause(training)
    expect(training).to_have_url(re.compile("run=vae-two-moons"))
    held = at_step(training)
    training.reload()
    expect(status(training)).to_contain_text(f"step {held:,} of")
    other = training.context.new_page()
    other.goto(training.url)
    expect(status(other)).to_contain_text(f"step {held:,} of")
    button(other, "stop").click()
    expect(status(training)).to_contain_text("stopped")


def test_a_fork_is_drawn_beside_its_parent(training: Page) -> None:
    pause(training)
    button(training, "stop").click()
    expect(status(training)).to_contain_text("stopped")
    parent = training.url
    training.locator("[class*='st-key-fork-menu'] button").first.click()
    training.get_by_role("button", name="Fork and train").click()
    training.wait_for_function("url => location.href !== url", arg=parent, timeout=LONG)
    expect(training.locator(".entry", has_text="fork at").first).to_be_visible(timeout=LONG)
    expect(training.locator(".entry", has_text="1. ")).not_to_have_count(0)
    expect(training.locator(".entry", has_text="2. ")).not_to_have_count(0)
    button(training, "stop").click()


def test_a_bad_run_in_the_link_is_named(page: Page, serve: Callable[[str], str]) -> None:
    page.goto(f"{serve(DEMO)}/?run=../../etc&latent_dim=999")
    page.get_by_text("is not a name", exact=False).wait_for()
    page.get_by_text("latent_dim = '999' is not a whole number from 1 to 64", exact=False).wait_for()
    expect(page).not_to_have_url(re.compile("latent_dim"))
