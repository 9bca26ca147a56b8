"""What a browser is given to keep: charts as PNG and SVG, a run as a zip, a script and films; and links to the Hub."""

import ast
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Download, Page, expect

from genmodels.runs import store
from tests.fake_hub import serving

BUNDLED = "vae-digits-2d"


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page whose scripts must not fail; of a deep link Streamlit first asks in vain for the server beneath it."""
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert not errors


def content(saved: Download) -> bytes:
    return Path(saved.path()).read_bytes()


def test_a_chart_is_saved_as_a_png_and_as_an_svg(page: Page, serve: Callable[..., str]) -> None:
    page.goto(f"{serve('app.py')}/data")
    chart = page.locator(".js-plotly-plot").first
    chart.hover()
    files = {}
    for kind, title in (("svg", "an SVG"), ("png", "a PNG")):  # the one leaves the other as it was
        with page.expect_download() as saved:
            page.locator(f".modebar-btn[data-title='Download plot as {title}']").first.click()
        assert saved.value.suggested_filename.endswith(f".{kind}")
        files[kind] = content(saved.value)
    expect(page.locator(".modebar-btn.as-svg")).to_have_count(page.locator(".js-plotly-plot .modebar").count())
    assert ElementTree.fromstring(files["svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    box = chart.bounding_box()
    assert box is not None
    with Image.open(io.BytesIO(files["png"])) as picture:
        assert picture.size[0] == pytest.approx(3 * box["width"], rel=0.02)


def test_a_link_to_the_hub_is_pulled_and_taken_home(page: Page, serve: Callable[..., str], tmp_path: Path) -> None:
    run = store.Run(store.CHECKPOINTS / BUNDLED)
    names = [path.relative_to(run.path) for path in run.path.rglob("*") if path.is_file() and path.name[0] != "."]
    with serving() as hub:
        hub.put("ada/engines", {f"mine/{name}": (run.path / name).read_bytes() for name in names})
        where = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        url = serve("app.py", **where)
        page.goto(f"{url}/vae?run=hf://ada/engines/mine")
        pull = page.get_by_role("button", name="Pull mine")
        expect(pull).to_be_visible()
        assert not hub.log  # nothing is asked for while a page is drawn
        pull.click()
        expect(page.get_by_text("step 3,300 of 3,300")).to_be_visible()
        assert "run=hf://ada/engines/mine" in page.url
        page.goto(f"{url}/runs")
        page.get_by_role("button", name="Take home").click()
        kept = {}
        for label in ("Everything, as a zip", "Python script", "Samples, as a GIF"):
            with page.expect_download() as saved:
                page.get_by_role("button", name=label).click()
            kept[label] = content(saved.value)
    ast.parse(kept["Python script"])
    with zipfile.ZipFile(io.BytesIO(kept["Everything, as a zip"])) as file:
        assert file.testzip() is None
    with Image.open(io.BytesIO(kept["Samples, as a GIF"])) as picture:
        assert picture.format == "GIF"
