"""One run and many who look at it: thirty sessions and two tabs see it advance, and what one does the others see."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.visitors import Visitor

APP = "app.py"
LONG = 240  # seconds: thirty pages on a machine that tests much else at once
FORM = "data=two-moons&hidden=32&epochs=1000"
LIGHT = f"{FORM}&hide=menu,form,curves,explore,sample,theory,link"  # what thirty look at in the smallest of time


def steps(visitor: Visitor) -> list[int]:
    """The steps that it was shown, without repetitions."""
    found = [re.search(r"step ([\d,]+)", text) for text in visitor.texts]
    return list(dict.fromkeys(int(one[1].replace(",", "")) for one in found if one))


async def class_of(n: int, url: str) -> list[Visitor]:
    """One presses Train; the others open its link. Everybody, after all have seen the run advance twice."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Visitor(url, "vae", LIGHT))
        assert await first.until(lambda one: one.has("train") and one.finished, LONG), first.errors
        await first.press("train", LONG)
        assert await first.until(lambda one: "run=" in one.query, LONG)
        others = [await stack.enter_async_context(Visitor(url, "vae", first.query)) for _ in range(n - 1)]
        everybody = [first, *others]
        seen = await asyncio.gather(*(one.until(lambda one: len(steps(one)) >= 3, LONG) for one in everybody))
        assert all(seen), f"{seen.count(False)} of {n} saw no advance: {[steps(one) for one in everybody]}"
        assert await first.until(lambda one: one.has("stop"), LONG)
        await first.press("stop", LONG)
        ended = await asyncio.gather(*(one.until(lambda one: "stopped" in one.texts[-1], LONG) for one in everybody))
        assert all(ended)
        return everybody


@pytest.mark.timeout(900)
def test_thirty_sessions_see_one_run_advance(serve: Callable[[str], str]) -> None:
    with ThreadPoolExecutor(1) as apart:  # in this thread the browser's own event loop may be running
        everybody = apart.submit(asyncio.run, class_of(30, serve(APP))).result()
    assert not [error for one in everybody for error in one.errors]
    for one in everybody:
        assert steps(one) == sorted(steps(one))
    assert len({one.query for one in everybody}) == 1


def at(page: Page) -> int:
    found = re.search(r"step ([\d,]+)", page.get_by_test_id("stProgress").inner_text())
    assert found
    return int(found[1].replace(",", ""))


@pytest.mark.timeout(900)
def test_two_tabs_see_one_run_advance(context: BrowserContext, serve: Callable[[str], str]) -> None:
    left, right = context.new_page(), context.new_page()
    left.goto(f"{serve(APP)}/vae?{FORM}")
    left.locator(".st-key-train button").first.click(timeout=1000 * LONG)
    left.get_by_text(re.compile("examples/s")).first.wait_for(timeout=1000 * LONG)
    right.goto(left.url)
    for tab in (left, right):
        expect(tab.get_by_test_id("stProgress")).to_contain_text("running", timeout=1000 * LONG)
        before = at(tab)
        tab.wait_for_function(
            "n => Number(document.querySelector('[data-testid=stProgress]').innerText.match(/step ([\\d,]+)/)"
            "?.[1].replaceAll(',', '')) > n",
            arg=before,
            timeout=1000 * LONG,
        )
    right.locator(".st-key-stop button").first.click()
    for tab in (left, right):
        expect(tab.get_by_test_id("stProgress")).to_contain_text("stopped", timeout=1000 * LONG)
    assert at(left) == at(right)
