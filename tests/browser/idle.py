"""When a page stands still, by what Streamlit says of itself in its document: then one may look at it."""

from playwright.sync_api import Page

LONG = 240_000  # milliseconds: the first model's page waits for torch, and an answer for its worker

STANDS = """
() => {
  // Nothing runs, nothing is about to be replaced (Streamlit dims that), nothing is waited for, our style is there,
  // and nothing has moved for a while.
  const app = document.querySelector("[data-testid=stApp]");
  const busy = app?.dataset.testScriptState !== "notRunning"
    || getComputedStyle(app).fontVariantNumeric !== "tabular-nums"
    || document.querySelector("[data-stale=true], [data-testid=stSkeleton], [class*=st-key-later]")
    || [...document.querySelectorAll("[data-testid=stProgress], [data-testid=stCaptionContainer]")]
      .some((one) => /…( \\d+ ?%)?$/.test(one.textContent.trim()));  // "computing … 12%", "timing a few steps …"
  const parts = document.querySelectorAll(".stMain :is(h1, .stElementContainer, .js-plotly-plot, .main-svg, canvas)");
  const now = busy ? null : [...parts].flatMap((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return [x, y, width, height].map(Math.round);
  }).join();
  if (now === null || now !== window.stood) [window.stood, window.since] = [now, performance.now()];
  return now !== null && performance.now() - window.since > 400;
}
"""


def idle(page: Page) -> None:
    """Wait until it stands still: its script, its fragments, what workers compute for it, and its layout."""
    page.evaluate("window.stood = null")  # from now on: what was asked of it a moment ago may have had no effect yet
    page.wait_for_function(STANDS, timeout=LONG, polling=100)
