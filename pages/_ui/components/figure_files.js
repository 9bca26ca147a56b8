// A formula that is wider than its column scrolls: the keyboard must reach it.
// An upload that the host refuses tells Streamlit a number alone: here it has words, and is seen without pointing at it.
// Plotly's mode bar offers one format; beside its camera (a PNG at three times the size) this puts a second button: SVG.
const REFUSED = "Too many uploads are on their way to this host at once, or another of yours is: choose the file again in a moment.";

class View {
  constructor() {
    this.later = () => (this.due ??= requestAnimationFrame(() => this.look()));
    this.observer = new MutationObserver(this.later);
    this.sizes = new ResizeObserver(this.later); // columns that find their width, fonts that come late
  }

  update() {
    this.observer.observe(document.body, { childList: true, subtree: true });
    this.sizes.observe(document.body);
    document.fonts.addEventListener("loadingdone", this.later);
    addEventListener("resize", this.later);
    this.look();
  }

  destroy() {
    this.observer.disconnect();
    this.sizes.disconnect();
    document.fonts.removeEventListener("loadingdone", this.later);
    removeEventListener("resize", this.later);
    cancelAnimationFrame(this.due);
  }

  look() {
    this.due = null;
    for (const formula of document.querySelectorAll(".stMain .katex-display")) {
      this.sizes.observe(formula); // a column may become narrower where the page does not
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
    for (const said of document.querySelectorAll("[data-testid=stFileChip] [role=alert]"))
      if (said.textContent.includes("429")) said.lastChild.data = REFUSED;
    for (const camera of document.querySelectorAll(".js-plotly-plot .modebar-btn[data-title^='Download plot']")) {
      if (camera.nextElementSibling?.classList.contains("as-svg") || !camera.querySelector("path")) continue;
      camera.addEventListener("click", () => this.choose(camera, this.asked ?? "png"), { capture: true });
      camera.after(this.button(camera));
    }
  }

  // The camera asks the figure for its format at the moment of the click.
  choose(camera, format) {
    const figure = camera.closest(".js-plotly-plot");
    const options = { ...figure._context.toImageButtonOptions, format, scale: format === "png" ? 3 : 1 };
    figure._context.toImageButtonOptions = options;
  }

  button(camera) {
    const button = camera.cloneNode(false);
    button.classList.add("as-svg");
    button.dataset.title = "Download plot as an SVG";
    button.setAttribute("aria-label", button.dataset.title);
    const fill = getComputedStyle(camera.querySelector("path")).fill;
    const style = `font: 700 10px sans-serif; fill: ${fill}`;
    button.innerHTML = `<svg viewBox="0 0 26 16" class="icon" width="1.7em" height="1em"><text y="12" style="${style}">SVG</text></svg>`;
    button.addEventListener("click", () => {
      this.asked = "svg";
      camera.click();
      this.asked = null;
    });
    return button;
  }
}
