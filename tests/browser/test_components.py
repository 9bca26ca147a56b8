"""The browser components alone: what the reader sees and feels."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

ROOT = Path(__file__).parents[2]
DEMO = "tests/browser/apps/components.py"

# n times `act(i)`; each must change what is drawn.
ACTIONS = """
async ([element, seen, n, act]) => {
  const look = () => seen.getContext("2d").getImageData(0, 0, seen.width, seen.height).data.join();
  const run = new Function("element", "i", act);
  let before = look(), changed = 0;
  for (let i = 0; i < n; i++) {
    run(element, i);
    let now = before;
    for (let frame = 0; now === before && frame < 600; frame++) {
      await new Promise(requestAnimationFrame);
      now = look();
    }
    changed += now !== before;
    before = now;
  }
  return changed;
}
"""


@pytest.fixture
def show(page: Page, serve: Callable[[str], str]) -> Callable[..., Locator]:
    """Open the demo with one component and return it."""

    def open_(name: str, key: str | None = None, extra: str = "") -> Locator:
        page.goto(f"{serve(DEMO)}/?show={name}{extra}")
        component = page.locator(f".st-key-{key or name}")
        component.locator("canvas").first.wait_for()
        expect(component.locator("canvas[aria-label*='being loaded']")).to_have_count(0)
        return component

    return open_


def changes(seen: Locator, element: Locator, n: int, act: str) -> int:
    """How many of ``n`` actions change the picture, with the network cut: nothing is asked of the server."""
    element.page.context.set_offline(True)
    try:
        return element.page.evaluate(ACTIONS, [element.element_handle(), seen.element_handle(), n, act])
    finally:
        element.page.context.set_offline(False)


def curve(updates: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """The first curve of the demo."""
    step = np.arange(1, 5 * updates + 50) * 100.0
    noise = np.random.default_rng(0).normal(size=len(step))
    return step, 130 + 400 / np.sqrt(step / 100) + 3 * noise


def readout(chart: Locator, panel: int = 0) -> list[str]:
    return [
        text.replace(",", "") for text in chart.locator("figure").nth(panel).locator(".readout span").all_inner_texts()
    ]


def test_live_chart_updates_sixty_times_without_a_blank_frame_and_keeps_the_zoom(
    show: Callable[..., Locator], page: Page
) -> None:
    chart = show("chart", extra="&live=1")
    page.get_by_text("updates 3", exact=False).first.wait_for()
    canvas = chart.locator("canvas").first
    canvas.evaluate("""canvas => {
      window.frames_ = {seen: 0, blank: 0};
      const look = () => {
        const {width, height} = canvas;
        const drawn = canvas.isConnected && width && canvas.getContext("2d").getImageData(0, 0, width, height).data;
        window.frames_.seen += 1;
        if (!drawn || !drawn.some(value => value)) window.frames_.blank += 1;
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }""")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 64, steps=4)
    page.mouse.up()
    expect(chart.get_by_role("button", name="Reset zoom")).to_be_visible()
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    expect(chart.locator(".at")).to_contain_text("step")
    under_cursor = chart.locator(".at").inner_text(), readout(chart)[0]
    button = chart.get_by_role("button", name="Logarithmic step axis").element_handle()
    page.get_by_text("updates 60").wait_for(timeout=60_000)
    assert button.evaluate("button => button.isConnected"), "a button that is being pressed was replaced by new data"
    frames = page.evaluate("window.frames_")
    assert frames["seen"] > 60
    assert frames["blank"] == 0
    page.mouse.move(box["x"] + 201, box["y"] + 60)
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    assert (chart.locator(".at").inner_text(), readout(chart)[0]) == under_cursor
    page.mouse.dblclick(box["x"] + 200, box["y"] + 60)
    expect(chart.get_by_role("button", name="Reset zoom")).to_have_count(0)


def test_live_chart_shows_exact_values_under_the_cursor_and_by_keyboard(
    show: Callable[..., Locator], page: Page
) -> None:
    chart = show("chart")
    step, loss = curve(1)
    canvas = chart.locator("canvas").first
    assert readout(chart)[0] == f"{loss[-1]:.3g}"  # at rest as a reader wants it, told exactly
    told = re.search(r"train ([\d.]+) at", canvas.get_attribute("aria-label") or "")
    assert told
    assert float(told[1]) == pytest.approx(loss[-1], rel=1e-5)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(chart.locator(".at")).to_have_text(f"step {step[-3]:.0f}")
    assert float(readout(chart)[0]) == pytest.approx(loss[-3], rel=1e-5)
    expect(chart.locator("canvas").nth(1)).to_have_attribute("aria-label", re.compile(f"at step {step[-3]:.0f}"))


def test_live_chart_legend_switches_curves_off_and_says_so(show: Callable[..., Locator]) -> None:
    chart = show("chart")
    canvas = chart.locator("canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile(r"Loss \(nats\).*train .*held out .*fork"))
    chart.get_by_role("button", name="held out").click()
    expect(chart.get_by_role("button", name="held out")).to_have_attribute("aria-pressed", "false")
    expect(canvas).not_to_have_attribute("aria-label", re.compile("held out"))


def test_live_chart_has_a_logarithmic_axis(show: Callable[..., Locator], page: Page) -> None:
    chart = show("chart")
    canvas = chart.locator("canvas").first
    box = canvas.bounding_box()
    assert box is not None
    middle = box["x"] + (52 + box["width"] - 12) / 2
    page.mouse.move(middle, box["y"] + 50)
    expect(chart.locator(".at")).to_have_text(re.compile("step 2[78]00"))
    chart.get_by_role("button", name="Logarithmic step axis").click()
    page.mouse.move(middle, box["y"] + 50)
    expect(chart.locator(".at")).to_have_text("step 700")  # √(100 · 5400) = 735


def test_an_axis_has_two_numbers_at_least(page: Page) -> None:
    source = (ROOT / "pages/_ui/components/live_chart.js").read_text()
    ticks = re.search(r"^function ticks.*?^}", source, re.M | re.S)
    assert ticks
    cases = [
        (low, low + span, wanted) for low in (0, 0.7, -3.2, 1234) for span in (0.03, 1.9, 650) for wanted in (0.4, 1, 5)
    ]
    found = page.evaluate(f"(cases) => {{ {ticks[0]}; return cases.map((one) => ticks(...one)); }}", cases)
    for (low, high, wanted), numbers in zip(cases, found, strict=True):
        assert 2 <= len(numbers) <= max(2.5 * wanted, 1) + 4
        assert low - 1e-9 <= numbers[0] < numbers[-1] <= high + 1e-9


def test_scrubber_needs_no_server_for_the_next_frame(show: Callable[..., Locator]) -> None:
    film = show("film")
    expect(film.locator(".caption")).to_have_text("1 of 50")
    press = """
      const key = i % 2 ? "ArrowLeft" : "ArrowRight";
      element.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    """
    assert changes(film.locator("canvas"), film.locator("canvas"), 40, press) == 40


def test_points_glide_to_where_the_frame_has_them(show: Callable[..., Locator], page: Page) -> None:
    film = show("points")
    canvas = film.locator("canvas")
    expect(canvas).to_have_attribute("aria-label", "samples: 1 of 11")
    canvas.focus()
    page.keyboard.press("End")
    page.get_by_text("frame 10").wait_for()
    # at the end all points lie on the unit circle; the square shows [-3, 3]², so nothing is left beyond half its side
    colored = """c => {
      const {width, height} = c, data = c.getContext("2d").getImageData(0, 0, width, height).data;
      let far = 0;
      for (let y = 20; y < height - 20; y++)
        for (let x = 20; x < width - 20; x++) {
          const [r, g, b, a] = data.slice(4 * (y * width + x), 4 * (y * width + x) + 4);
          if (a > 100 && r > g + 60 && Math.hypot(x / width - 0.5, y / height - 0.5) > 0.25) far += 1;
        }
      return far === 0;
    }"""
    page.wait_for_function(colored, arg=canvas.element_handle())


def test_scrubber_plays_to_the_end_and_reports_where_it_stopped(show: Callable[..., Locator], page: Page) -> None:
    film = show("film")
    film.get_by_role("button", name="play").click()
    expect(film.get_by_role("button", name="pause")).to_be_visible()
    expect(film.locator(".caption")).to_have_text("50 of 50")
    expect(film.get_by_role("button", name="play")).to_be_visible()
    page.get_by_text("stopped at 49").wait_for()


def test_scrubber_obeys_the_keyboard_and_the_slider(show: Callable[..., Locator], page: Page) -> None:
    film = show("film")
    canvas = film.locator("canvas")
    canvas.focus()
    for key, caption in [("End", "50 of 50"), ("ArrowLeft", "49 of 50"), ("Home", "1 of 50"), ("PageDown", "11 of 50")]:
        page.keyboard.press(key)
        expect(film.locator(".caption")).to_have_text(caption)
    page.get_by_text("stopped at 10").wait_for()
    film.get_by_role("slider").fill("24")
    expect(film.locator(".caption")).to_have_text("25 of 50")
    row = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 14, 100, 1).data].filter((_, i) => i % 4 === 0)")
    assert row == [255] * 50 + [0] * 50  # frame 24: half the bar, crisp


def test_scrubber_follows_the_newest_frame_until_the_reader_goes_back(show: Callable[..., Locator], page: Page) -> None:
    film = show("now", extra="&live=1")
    caption = film.locator(".caption")
    expect(caption).to_have_text(re.compile(r"now ([5-9]|\d\d)"))
    page.get_by_text("looks at 4").wait_for()
    film.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    expect(caption).to_have_text("step 3")
    page.get_by_text("looks at 3").wait_for()
    page.keyboard.press("End")
    expect(caption).to_have_text(re.compile("now"))
    before = caption.inner_text()
    expect(caption).not_to_have_text(before)
    page.get_by_text("looks at 4").wait_for()


AXIS = np.linspace(-2, 2, 20)


def bump(z1: float, z2: float) -> np.ndarray:
    """What the demo's atlas holds at a cell, as bytes."""
    y, x = np.mgrid[:28, :28]
    return np.rint(255 * np.exp(-((x - 14 - 4 * z1) ** 2 + (y - 14 + 4 * z2) ** 2) / 20))


def picture(pad: Locator) -> np.ndarray:
    data = pad.locator("canvas.picture").evaluate(
        "async c => (await new Promise(requestAnimationFrame), [...c.getContext('2d').getImageData(0, 0, 28, 28).data])"
    )
    return np.array(data).reshape(28, 28, 4)[..., 0]


def drag_to(page: Page, pad: Locator, column: float, row_from_bottom: float) -> None:
    """Drag the point to a cell of the atlas, wherever the pad lies by then: a page that still loads moves it."""
    surface = pad.locator("canvas.pad")
    box = surface.bounding_box()
    assert box is not None
    surface.hover(position={"x": box["width"] / 2, "y": box["height"] / 2})
    page.mouse.down()
    surface.hover(
        position={
            "x": (column + 0.5) / 20 * box["width"],
            "y": (20 - row_from_bottom - 0.5) / 20 * box["height"],
        }
    )
    page.mouse.up()


def test_latent_pad_decodes_what_the_atlas_holds_and_blends_between(show: Callable[..., Locator], page: Page) -> None:
    pad = show("pad")
    drag_to(page, pad, 4, 15)
    page.get_by_text("z -1.1", exact=False).wait_for()
    np.testing.assert_allclose(picture(pad), bump(AXIS[4], AXIS[15]), atol=4)
    drag_to(page, pad, 4.5, 15)
    page.get_by_text("z -1.0", exact=False).wait_for()
    between = (bump(AXIS[4], AXIS[15]) + bump(AXIS[5], AXIS[15])) / 2
    np.testing.assert_allclose(picture(pad), between, atol=4)


def test_latent_pad_decodes_as_the_point_moves_without_a_server(show: Callable[..., Locator]) -> None:
    pad = show("pad")
    surface = pad.locator("canvas.pad")
    pad.locator(".readout", has_text="z =").wait_for()
    surface.evaluate("""c => {
      c.setPointerCapture = () => {};
      const box = c.getBoundingClientRect();
      c.dispatchEvent(new PointerEvent("pointerdown", {button: 0, clientX: box.x + 5, clientY: box.y + 5}));
    }""")
    move = """
      const box = element.getBoundingClientRect();
      const [x, y] = [0.1 + 0.8 * ((i * 0.37) % 1), 0.1 + 0.8 * ((i * 0.61) % 1)];
      const at = {clientX: box.x + x * box.width, clientY: box.y + y * box.height};
      element.dispatchEvent(new PointerEvent("pointermove", at));
    """
    assert changes(pad.locator("canvas.picture"), surface, 60, move) == 60


def test_latent_pad_obeys_the_keyboard(show: Callable[..., Locator], page: Page) -> None:
    pad = show("pad")
    pad.locator(".readout", has_text="z = (0.000, 0.000)").wait_for()
    pad.locator("canvas.pad").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowUp")
    cell = AXIS[1] - AXIS[0]
    page.get_by_text(f"z {cell:.3f} {0.2 * cell:.3f}").wait_for()
    low, now, high = (
        float(pad.locator("canvas.pad").get_attribute(f"aria-value{name}")) for name in ("min", "now", "max")
    )
    assert (low, now, high) == pytest.approx((AXIS[0] - cell / 2, cell, AXIS[-1] + cell / 2), abs=1e-3)


def test_latent_pad_hides_the_test_set(show: Callable[..., Locator]) -> None:
    pad = show("pad")
    switch = pad.get_by_role("button", name="Show encoded test examples")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")


def draw(page: Page, pad: Locator, ends: list[tuple[float, float]]) -> None:
    box = pad.locator("canvas.pad").bounding_box()
    assert box is not None
    spots = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in ends]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=5)
    page.mouse.up()


def test_drawing_pad_hands_over_strokes_and_pixels(show: Callable[..., Locator], page: Page) -> None:
    pad = show("drawing")
    draw(page, pad, [(0.2, 0.5), (0.8, 0.5)])
    said = page.get_by_text("strokes 1", exact=False)
    said.wait_for()
    found = re.fullmatch(r"strokes 1 ink (\d+) rows (\d+)", said.inner_text())
    assert found
    # a bar 0.6 long and 0.09 wide with round ends, in 28 × 28 pixels of 255
    area = (0.6 * 0.09 + np.pi * 0.045**2) * 28**2 * 255
    assert float(found[1]) == pytest.approx(area, rel=0.05)
    assert int(found[2]) in (3, 4)


def test_drawing_pad_undoes_and_clears(show: Callable[..., Locator], page: Page) -> None:
    pad = show("drawing")
    for k, y in enumerate((0.2, 0.5, 0.8)):
        draw(page, pad, [(0.2, y), (0.8, y)])
        page.get_by_text(f"strokes {k + 1}", exact=False).wait_for()
    pad.locator("canvas.pad").focus()
    page.keyboard.press("Control+z")
    page.get_by_text("strokes 2", exact=False).wait_for()
    pad.get_by_role("button", name="clear").click()
    page.get_by_text("strokes 0 ink 0", exact=False).wait_for()
    expect(pad.get_by_role("button", name="undo")).to_be_disabled()


def test_drawing_pad_is_drawn_on_with_keys_alone(show: Callable[..., Locator], page: Page) -> None:
    pad = show("drawing")
    expect(pad.get_by_text("Arrow keys move the pen")).to_be_hidden()
    page.keyboard.press("Tab")
    while not pad.locator("canvas.pad").evaluate("c => c.getRootNode().activeElement === c"):
        page.keyboard.press("Tab")
    expect(pad.get_by_text("Arrow keys move the pen")).to_be_visible()
    page.keyboard.press("Shift+ArrowLeft")  # the pen is up: nothing is drawn
    page.keyboard.press(" ")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press(" ")
    said = page.get_by_text("strokes 1", exact=False)
    said.wait_for()
    found = re.fullmatch(r"strokes 1 ink (\d+) rows (\d+)", said.inner_text())
    assert found
    # a bar 0.3 long and 0.09 wide with round ends, in 28 × 28 pixels of 255
    assert float(found[1]) == pytest.approx((0.3 * 0.09 + np.pi * 0.045**2) * 28**2 * 255, rel=0.08)
    page.keyboard.press(" ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")  # who goes on lifts it
    page.get_by_text("strokes 2", exact=False).wait_for()


@pytest.mark.parametrize("component", ["chart", "film", "pad", "drawing"])
def test_what_is_the_browsers_own_is_left_to_it(show: Callable[..., Locator], component: str) -> None:
    """Larger and smaller letters, and the way back; without a modifier the key is the component's."""
    prevented = """
        (canvas, [key, how]) => {
          const event = new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true, ...how });
          return !canvas.dispatchEvent(event);
        }
    """
    canvas = show(component).locator("canvas").first
    for key, how in [("+", "ctrlKey"), ("-", "metaKey"), ("0", "ctrlKey"), ("ArrowLeft", "altKey")]:
        assert not canvas.evaluate(prevented, [key, {how: True}])
    assert canvas.evaluate(prevented, ["ArrowLeft", {}])


@pytest.mark.parametrize("component", ["drawing", "pad"])
def test_a_finger_draws_and_drags(chromium: Browser, serve: Callable[[str], str], component: str) -> None:
    touch = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = touch.new_page()
    page.goto(f"{serve(DEMO)}/?show={component}")
    pad = page.locator(f".st-key-{component} canvas.pad")
    pad.wait_for()
    pad.scroll_into_view_if_needed()
    page.wait_for_function("c => c.clientHeight > 100", arg=pad.element_handle())
    box = pad.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    finger = touch.new_cdp_session(page)
    spots = [(box["x"] + u * box["width"], box["y"] + 0.3 * box["height"]) for u in (0.3, 0.4, 0.5, 0.6)]
    for kind, spot in [("touchStart", spots[0]), *[("touchMove", spot) for spot in spots[1:]], ("touchEnd", None)]:
        points = [] if spot is None else [{"x": spot[0], "y": spot[1]}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.get_by_text("strokes 1" if component == "drawing" else "z 0.4", exact=False).first.wait_for()
    touch.close()


def test_a_tile_is_chosen_by_mouse_and_keys_again_and_again(show: Callable[..., Locator], page: Page) -> None:
    grid = show("tiles")
    tiles = grid.locator(".tiles button")
    expect(tiles.nth(1)).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("c => c.width === 44", arg=grid.locator("canvas").element_handle())
    canvas, last = grid.locator("canvas").bounding_box(), tiles.nth(4).bounding_box()
    assert canvas is not None
    assert last is not None
    assert last["x"] + last["width"] == pytest.approx(canvas["x"] + canvas["width"], abs=1)
    for tile in (3, 0, 3):
        tiles.nth(tile).click()
        page.get_by_text(f"tile {tile}").wait_for()
        expect(tiles.nth(tile)).to_have_attribute("aria-pressed", "true")
        assert grid.locator('[aria-pressed="true"]').count() == 1
    tiles.nth(2).press("Enter")
    page.get_by_text("tile 2").wait_for()
    expect(tiles.nth(2)).to_be_focused()


def test_image_grid_is_crisp_and_can_be_taken_home(show: Callable[..., Locator], page: Page) -> None:
    grid = show("grid")
    canvas = grid.locator("canvas")
    expect(canvas).to_have_attribute("aria-label", "36 noise images")
    page.wait_for_function("c => c.width === 53", arg=canvas.element_handle())
    assert canvas.evaluate("c => getComputedStyle(c).imageRendering") == "pixelated"
    with page.expect_download() as download:
        grid.get_by_role("button", name="download").click()
    assert download.value.suggested_filename == "samples.png"
