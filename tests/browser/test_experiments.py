"""What is pressed on the pages of experiments happens: measurements fill the table, a small run and a race end."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from genmodels.experiments.places import Here
from genmodels.runs import store

LONG = 240_000  # milliseconds: a machine that tests much else at once


@pytest.mark.timeout(600)
def test_what_is_missing_is_measured_and_fills_the_table(page: Page, serve: Callable[..., str], runs: Path) -> None:
    run = store.create("flow", "two-moons", settings={"steps": 20, "batch_size": 64}, title="Mine, just trained")
    list(Here().train([run.plan]))
    page.goto(f"{serve('app.py', GENMODELS_RUNS=str(runs))}/?page=compare&data=two-moons")
    missing = page.get_by_text("Not measured like the others yet")
    expect(missing).to_be_visible(timeout=LONG)
    assert not list((runs / ".measured").glob(f"{run.id}*"))
    page.get_by_text("Measure them").click()
    expect(missing).to_be_hidden(timeout=LONG)
    assert list((runs / ".measured").glob(f"{run.id}*"))
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.timeout(900)
def test_an_entry_is_run_small_now(page: Page, serve: Callable[..., str]) -> None:
    page.goto(f"{serve('app.py')}/?page=reproduce&entry=Mode+collapse+of+a+GAN+and+of+a+WGAN")
    page.get_by_role("button", name=re.compile("Run it small now")).click(timeout=LONG)
    table = page.locator(".stMain table").last
    expect(page.get_by_test_id("stProgress").first).to_be_visible(timeout=LONG)
    measured = table.locator("tbody tr").first.locator("td")
    expect(measured.nth(1)).to_have_text("1", timeout=2 * LONG)  # of one seed, and not of the three that ship
    expect(measured.nth(3)).to_contain_text("±")
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.timeout(900)
def test_a_race_is_started_with_one_click_opened_again_by_its_link_and_stopped(
    page: Page, serve: Callable[..., str]
) -> None:
    page.goto(f"{serve('app.py')}/?page=race&seeds=2&of_seconds=20&families=gan")
    page.get_by_role("button", name=re.compile("Start the race: 1 × 2 runs")).click(timeout=LONG)
    expect(page.get_by_text(re.compile("of 2 runs finished"))).to_be_visible(timeout=LONG)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=LONG)
    name = re.search(r"race=(\w+)", page.url)
    assert name
    page.goto("about:blank")
    page.goto(f"{serve('app.py')}/?page=race&race={name[1]}")
    expect(page.get_by_text(re.compile("of 2 runs finished"))).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Stop the race").click(timeout=LONG)
    expect(page.get_by_role("button", name="Stop the race")).to_be_hidden(timeout=LONG)
    expect(page.get_by_text("Mean ± standard error over the seeds")).to_be_visible(timeout=LONG)
