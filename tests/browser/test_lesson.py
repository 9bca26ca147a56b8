"""Lesson links in a browser: the page opens on the view prepared, and what is changed there is in the next link."""

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator, Page, expect

APP = "app.py"
FIRST = 60_000  # the first model's page waits for torch
LESSON = "page=vae&run=vae-digits-2d&step=26&latent_dim=3&instrument=Reconstructions&hide=form,menu,theory,seed"


def film(page: Page) -> Locator:
    return page.locator("[class*='st-key-film-vae-digits-2d']").last


def settled(page: Page) -> None:
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()


def link(page: Page) -> Locator:
    return page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")


def test_a_lesson_opens_on_the_view_prepared(page: Page, serve: Callable[[str], str]) -> None:
    page.goto(f"{serve(APP)}/?{LESSON}")
    page.get_by_role("heading", name="Variational autoencoder").wait_for(timeout=FIRST)
    expect(film(page).locator(".caption")).to_have_text("step 26")
    expect(page.locator(".st-key-latent_dim")).to_have_count(0)
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    expect(page.get_by_role("radio", name="Theory")).to_have_count(0)
    expect(page.locator(".st-key-pairs-0 canvas")).to_be_visible(timeout=FIRST)
    for part in LESSON.replace("page=vae&", "").split("&"):
        expect(page).to_have_url(re.compile(re.escape(part).replace(",", "(,|%2C)")))


def test_what_a_visitor_changes_is_in_the_url_and_in_the_link(
    context: BrowserContext, serve: Callable[[str], str]
) -> None:
    page = context.new_page()  # of a deep link Streamlit first asks in vain for the server beneath the page
    page.goto(f"{serve(APP)}/vae?run=vae-digits-2d&step=26")
    expect(film(page).locator(".caption")).to_have_text("step 26", timeout=FIRST)
    film(page).locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("step=30"))
    page.get_by_role("radio", name="Prior and posterior").click()
    expect(page).to_have_url(re.compile("instrument=Prior"))
    page.locator(".st-key-latent_dim").get_by_role("slider").press("ArrowRight")
    expect(page).to_have_url(re.compile("latent_dim=3"))
    page.locator(".st-key-link button").first.click()
    expect(link(page)).to_contain_text("latent_dim=3")
    expect(link(page)).to_contain_text("step=30")
    settled(page)
    page.get_by_test_id("stPopoverBody").get_by_text("the curves").click()
    expect(link(page)).to_contain_text("hide=curves")
    given = link(page).inner_text().strip()
    page.goto(given)
    expect(film(page).locator(".caption")).to_have_text("step 30", timeout=FIRST)
    expect(page.locator("[class*='st-key-curves']")).to_have_count(0)
    film(page).locator("canvas").focus()
    page.keyboard.press("End")
    expect(page).not_to_have_url(re.compile("step="))
