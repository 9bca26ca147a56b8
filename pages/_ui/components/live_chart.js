const MARGIN = { left: 52, right: 12, top: 8, bottom: 24 }; // for letters 12 pixels high
const DASH = [5, 3];
const EXACT = 6; // significant digits under the cursor, and for those who hear the chart

class View {
  constructor(root) {
    this.root = root;
    this.hidden = new Set(); // names switched off in the legend
    this.zoomX = null; // [low, high] in data units, shared by all panels
    this.zoomY = new Map(); // panel title → [low, high]
    this.cursor = null; // x under the pointer, shared by all panels
    this.full = false; // whether the vertical axes show outliers too
    this.unfolded = false; // whether all panels are shown
    this.panels = new Map();
    this.legend = element("div", { class: "row legend" });
    this.at = element("span", { class: "at faint" }); // where the cursor is
    this.grid = element("div", { class: "panels" });
    root.append(element("div", { class: "root" }, this.legend, this.grid));
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.grid);
  }

  destroy() {
    this.observer.disconnect();
  }

  update(data) {
    this.data = data;
    this.logX ??= data.log_x;
    for (const panel of data.panels)
      for (const series of panel.series)
        [series.xs, series.ys, series.lows, series.highs] =
          [floats(series.x, Float64Array), ...[series.y, series.low ?? "", series.high ?? ""].map((text) => floats(text, Float32Array))];
    const titles = data.panels.map((panel) => panel.title);
    for (const [title, panel] of this.panels) if (!titles.includes(title)) panel.figure.remove(), this.panels.delete(title);
    for (const spec of data.panels) this.panelOf(spec).spec = spec;
    this.grid.style.setProperty("--columns", data.columns);
    this.root.querySelector(".root").style.setProperty("--text", `${data.text}px`);
    this.drawLegend();
    this.redraw();
  }

  panelOf(spec) {
    if (this.panels.has(spec.title)) return this.panels.get(spec.title);
    const canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": spec.title });
    const readout = element("span", { class: "readout" });
    const about = element("p", { class: "about faint", hidden: true }, spec.about ?? "");
    const ask = element("button", { class: "ask", title: spec.about, "aria-label": `What is ${spec.title}?`, "aria-expanded": "false" }, "?");
    ask.addEventListener("click", () => ask.setAttribute("aria-expanded", String(!(about.hidden = !about.hidden))));
    const head = [element("span", { class: "title" }, spec.title), element("span", { class: "faint" }, spec.unit), ...(spec.about ? [ask] : []), readout];
    const figure = element("figure", {}, element("figcaption", {}, ...head), about, canvas);
    const panel = { canvas, readout, figure, spec, touches: new Map() };
    this.panels.set(spec.title, panel);
    this.grid.append(figure);
    this.listen(panel);
    return panel;
  }

  drawLegend() {
    const seen = new Map();
    for (const { series } of this.data.panels) for (const one of series) seen.set(one.name, one);
    const curves = [...seen.values()].map((one) => [one.name, one.color, one.dashed, this.hidden.has(one.name)]);
    const folded = this.data.in_sight && this.data.panels.length > this.data.in_sight;
    const state = JSON.stringify([curves, this.logX, this.full, this.zoomX !== null, this.zoomY.size, folded && this.data.panels.length, this.unfolded]);
    if (state === this.drawnLegend) return; // a button that is being pressed must not be replaced by new data
    this.drawnLegend = state;
    const entries = [...seen.values()].map((one) => {
      const swatch = element("span", { class: one.dashed ? "line dashed" : "line", style: `border-color: ${one.color}` });
      const toggle = () => (this.hidden.delete(one.name) || this.hidden.add(one.name), this.drawLegend(), this.redraw());
      return element("button", { class: "entry", "aria-pressed": String(!this.hidden.has(one.name)), onclick: toggle }, swatch, one.name);
    });
    const option = (name, on, flip, hint) =>
      element("button", { class: "option", title: hint, "aria-pressed": String(on), onclick: () => (flip(), this.drawLegend(), this.redraw()) }, name);
    const options = [
      option(`Logarithmic ${this.data.x_title} axis`, this.logX, () => ((this.logX = !this.logX), (this.zoomX = null)), "Horizontal axis on a logarithmic scale"),
      option("Include outliers", this.full, () => (this.full = !this.full), "Let the vertical axes span outliers too"),
    ];
    if (folded) options.unshift(option(`All ${this.data.panels.length} curves`, this.unfolded, () => (this.unfolded = !this.unfolded), "Show the other curves too"));
    if (this.zoomX || this.zoomY.size) options.push(option("Reset zoom", false, () => this.reset(), "Show everything again (double-click)"));
    const focused = this.root.activeElement?.textContent;
    this.legend.replaceChildren(...(entries.length > 1 ? entries : []), this.at, ...options);
    [...this.legend.children].find((one) => focused && one.textContent === focused)?.focus();
  }

  reset() {
    this.zoomX = null;
    this.zoomY.clear();
  }

  redraw() {
    if (!this.data) return;
    const most = this.unfolded || !this.data.in_sight ? Infinity : this.data.in_sight;
    const order = this.data.panels.map((panel) => panel.title);
    for (const [title, panel] of this.panels) panel.figure.hidden = order.indexOf(title) >= most;
    for (const panel of this.panels.values()) panel.at = this.frame(panel); // at once: the cursor may move before the next frame
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      const colors = theme(this.root);
      for (const panel of this.panels.values()) this.draw(panel, colors);
    });
  }

  // Geometry ---------------------------------------------------------------------------------------------------------

  shownSeries(panel) {
    return panel.spec.series.filter((one) => one.xs.length && !this.hidden.has(one.name));
  }

  rangeX() {
    if (this.zoomX) return this.zoomX;
    let [low, high] = [Infinity, -Infinity];
    for (const { series } of this.data.panels)
      for (const { xs } of series)
        for (const x of xs)
          if (!this.logX || x > 0) [low, high] = [Math.min(low, x), Math.max(high, x)];
    if (low > high) return this.logX ? [1, 10] : [0, 1];
    return low === high ? [low, low + 1] : [low, high];
  }

  rangeY(panel, [left, right]) {
    if (this.zoomY.has(panel.spec.title)) return this.zoomY.get(panel.spec.title);
    const values = [];
    for (const { xs, ys, lows, highs } of this.shownSeries(panel))
      for (let i = 0; i < xs.length; i++)
        if (xs[i] >= left && xs[i] <= right) values.push(...[ys[i], lows[i], highs[i]].filter(Number.isFinite));
    const rules = panel.spec.lines.map((line) => line.value);
    if (!values.length) values.push(...(rules.length ? rules : [0, 1]));
    values.sort((a, b) => a - b);
    let [low, high] = [values[0], values[values.length - 1]];
    if (!this.full && values.length > 20) {
      const at = (q) => values[Math.round(q * (values.length - 1))];
      const body = at(0.95) - at(0.05);
      [low, high] = [Math.max(low, at(0.05) - 0.6 * body), Math.min(high, at(0.95) + 0.6 * body)];
    }
    for (const rule of rules) if (rule > low - 2 * (high - low) && rule < high + 2 * (high - low)) [low, high] = [Math.min(low, rule), Math.max(high, rule)];
    const pad = high > low ? 0.06 * (high - low) : 0.5 * Math.abs(low) || 0.5;
    return [low - pad, high + pad];
  }

  frame(panel) {
    const width = panel.canvas.clientWidth;
    const height = this.data.height;
    const [x0, x1] = this.rangeX();
    const [y0, y1] = this.rangeY(panel, [x0, x1]);
    const f = this.logX ? Math.log10 : (v) => v;
    const back = this.logX ? (v) => 10 ** v : (v) => v;
    const [a, b] = [f(x0), f(x1)];
    const unit = this.data.text / 12;
    const inner = { left: MARGIN.left * unit, right: width - MARGIN.right * unit, top: MARGIN.top * unit, bottom: height - MARGIN.bottom * unit };
    const across = inner.right - inner.left;
    const down = inner.bottom - inner.top;
    return {
      width, height, inner, x0, x1, y0, y1,
      x: (v) => inner.left + ((f(v) - a) / (b - a)) * across,
      y: (v) => inner.bottom - ((v - y0) / (y1 - y0)) * down,
      toX: (px) => back(a + ((px - inner.left) / across) * (b - a)),
      toY: (py) => y0 + ((inner.bottom - py) / down) * (y1 - y0),
      shift: (px) => [back(a - (px / across) * (b - a)), back(b - (px / across) * (b - a))],
    };
  }

  // Drawing ----------------------------------------------------------------------------------------------------------

  draw(panel, colors) {
    const at = (panel.at = this.frame(panel));
    if (at.width < 80) return;
    const c = crisp(panel.canvas, at.width, at.height);
    panel.canvas.style.height = `${at.height}px`;
    c.font = `${this.data.text}px ${colors.font}`;
    this.drawAxes(c, at, colors);
    c.save();
    c.beginPath();
    c.rect(at.inner.left, at.inner.top - 2, at.inner.right - at.inner.left, at.inner.bottom - at.inner.top + 4);
    c.clip();
    for (const line of panel.spec.lines) this.drawRule(c, at, line, lifted(line.color, colors));
    for (const series of this.shownSeries(panel)) this.drawSeries(c, at, series, lifted(series.color, colors));
    if (this.data.marker != null) this.drawVertical(c, at, this.data.marker, colors.accent, [], 1.5);
    if (this.cursor != null) this.drawVertical(c, at, this.cursor, colors.faint, [2, 2], 1);
    if (panel.drag?.box) this.drawBox(c, at, panel.drag, colors);
    c.restore();
    this.drawReadout(panel, c, at, colors);
  }

  drawAxes(c, at, colors) {
    c.lineWidth = 1;
    c.fillStyle = colors.faint;
    c.strokeStyle = colors.grid;
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (const v of ticks(at.y0, at.y1, at.height / (2.8 * this.data.text))) {
      const y = Math.round(at.y(v)) + 0.5;
      stroke(c, [[at.inner.left, y], [at.inner.right, y]]);
      c.fillText(shown(v, 8), at.inner.left - 6, y);
    }
    c.textAlign = "center";
    c.textBaseline = "alphabetic";
    const wanted = (at.inner.right - at.inner.left) / (5.8 * this.data.text);
    const title = c.measureText(this.data.x_title).width + 8;
    for (const v of this.logX ? logTicks(at.x0, at.x1, wanted) : ticks(at.x0, at.x1, wanted)) {
      const x = at.x(v);
      stroke(c, [[Math.round(x) + 0.5, at.inner.bottom], [Math.round(x) + 0.5, at.inner.bottom + 4]]);
      const label = shown(v, 8);
      if (x + c.measureText(label).width / 2 < at.inner.right - title) c.fillText(label, x, at.height - 0.58 * this.data.text);
    }
    c.textAlign = "right";
    c.fillText(this.data.x_title, at.inner.right, at.height - 0.58 * this.data.text);
    c.strokeStyle = colors.faint;
    stroke(c, [[at.inner.left, at.inner.bottom + 0.5], [at.inner.right, at.inner.bottom + 0.5]]);
  }

  drawRule(c, at, line, color) {
    const y = at.y(line.value);
    c.strokeStyle = c.fillStyle = color;
    c.lineWidth = 1.5;
    c.setLineDash([2, 3]);
    stroke(c, [[at.inner.left, y], [at.inner.right, y]]);
    c.setLineDash([]);
    c.textAlign = "right";
    c.textBaseline = y - at.inner.top > 18 ? "bottom" : "top";
    c.fillText(`${line.label} ${shown(line.value)}`, at.inner.right - 2, y);
  }

  drawBand(c, at, { xs, lows, highs }, color) {
    const drawable = [...xs.keys()].filter((i) => Number.isFinite(lows[i] + highs[i]) && (!this.logX || xs[i] > 0));
    const edge = [...drawable.map((i) => [xs[i], highs[i]]), ...drawable.reverse().map((i) => [xs[i], lows[i]])];
    c.fillStyle = color;
    c.globalAlpha = 0.18;
    c.beginPath();
    edge.forEach(([x, y], i) => (i ? c.lineTo(at.x(x), at.y(y)) : c.moveTo(at.x(x), at.y(y))));
    c.fill();
    c.globalAlpha = 1;
  }

  drawSeries(c, at, series, color) {
    const { xs, ys, dashed, faint, lows } = series;
    if (lows.length) this.drawBand(c, at, series, color);
    c.strokeStyle = c.fillStyle = color;
    c.lineWidth = faint ? 0.8 : dashed ? 1.6 : 1.8;
    c.lineJoin = "round";
    c.setLineDash(dashed ? DASH : []);
    c.beginPath();
    let pen = false;
    for (let i = 0; i < xs.length; i++) {
      const drawable = Number.isFinite(ys[i]) && (!this.logX || xs[i] > 0);
      if (drawable) pen ? c.lineTo(at.x(xs[i]), at.y(ys[i])) : c.moveTo(at.x(xs[i]), at.y(ys[i]));
      pen = drawable;
    }
    c.stroke();
    c.setLineDash([]);
    if (xs.length === 1) dot(c, at.x(xs[0]), at.y(ys[0]), 2.5);
  }

  drawVertical(c, at, x, color, dash, width) {
    c.strokeStyle = color;
    c.lineWidth = width;
    c.setLineDash(dash);
    stroke(c, [[at.x(x), at.inner.top], [at.x(x), at.inner.bottom]]);
    c.setLineDash([]);
  }

  drawBox(c, at, { from, to, box }, colors) {
    const [left, right] = box === "y" ? [at.inner.left, at.inner.right] : [from[0], to[0]];
    const [top, bottom] = box === "x" ? [at.inner.top, at.inner.bottom] : [from[1], to[1]];
    c.fillStyle = colors.grid;
    c.fillRect(left, top, right - left, bottom - top);
  }

  drawReadout(panel, c, at, colors) {
    const values = this.shownSeries(panel).filter((one) => !one.faint).map((series) => {
      const i = this.cursor == null ? lastFinite(series.ys) : nearest(series.xs, this.cursor);
      const near = this.cursor != null && series.xs[i] >= at.x0 && series.xs[i] <= at.x1;
      if (near && Number.isFinite(series.ys[i])) (c.fillStyle = series.color), dot(c, at.x(series.xs[i]), at.y(series.ys[i]), 3);
      return { series, x: series.xs[i], y: series.ys[i] };
    });
    const items = values.map(({ series, y }) =>
      element("span", { style: `color: color-mix(in srgb, ${series.color} 80%, var(--st-text-color))`, title: series.name }, shown(y, this.cursor == null ? 3 : EXACT)));
    panel.readout.replaceChildren(...items);
    if (values.length) this.at.textContent = this.cursor == null ? "" : `${this.data.x_title} ${shown(values[0].x)}`;
    const said = values.map(({ series, x, y }) => `${series.name} ${shown(y, EXACT)} at ${this.data.x_title} ${shown(x)}`).join(", ");
    const unit = panel.spec.unit && ` (${panel.spec.unit})`;
    panel.canvas.setAttribute("aria-label", `${panel.spec.title}${unit}: ${said || "no values yet"}`);
  }

  // The reader's hand ------------------------------------------------------------------------------------------------

  listen(panel) {
    const canvas = panel.canvas;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") panel.touches.set(event.pointerId, place(event)[0]);
      else if (event.button === 0) panel.drag = { from: place(event), to: place(event), pan: event.shiftKey, range: this.rangeX(), at: panel.at };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const spot = place(event);
      this.cursor = clamp(panel.at.toX(spot[0]), panel.at.x0, panel.at.x1);
      if (panel.touches.size === 2) this.pinch(panel, event.pointerId, spot[0]);
      if (panel.drag) this.dragTo(panel.drag, spot);
      this.redraw();
    });
    canvas.addEventListener("pointerup", (event) => this.release(panel, event));
    canvas.addEventListener("pointercancel", (event) => this.release(panel, event));
    canvas.addEventListener("pointerleave", () => ((this.cursor = null), this.redraw()));
    canvas.addEventListener("dblclick", () => (this.reset(), this.drawLegend(), this.redraw()));
    canvas.addEventListener("wheel", (event) => this.wheel(panel, event, place(event)[0]), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(panel, event));
    canvas.addEventListener("blur", () => ((this.cursor = null), this.redraw()));
  }

  dragTo(drag, spot) {
    drag.to = spot;
    const [dx, dy] = [Math.abs(spot[0] - drag.from[0]), Math.abs(spot[1] - drag.from[1])];
    if (drag.pan) this.zoomX = drag.at.shift(spot[0] - drag.from[0]);
    else drag.box = Math.max(dx, dy) < 6 ? null : dy < 14 ? "x" : dx < 14 ? "y" : "xy";
  }

  release(panel, event) {
    panel.touches.delete(event.pointerId);
    const { from, to, box } = panel.drag ?? {};
    const order = (a, b) => (a < b ? [a, b] : [b, a]);
    if (box?.includes("x")) this.zoomX = order(panel.at.toX(from[0]), panel.at.toX(to[0]));
    if (box?.includes("y")) this.zoomY.set(panel.spec.title, order(panel.at.toY(from[1]), panel.at.toY(to[1])));
    if (box || panel.drag?.pan) this.drawLegend();
    panel.drag = null;
    this.redraw();
  }

  pinch(panel, id, px) {
    const [other] = [...panel.touches].filter(([key]) => key !== id).map(([, x]) => x);
    const before = Math.abs(panel.touches.get(id) - other);
    if (before > 10 && Math.abs(px - other) > 10) this.scale(panel, before / Math.abs(px - other), (px + other) / 2);
    panel.touches.set(id, px);
  }

  wheel(panel, event, px) {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
    event.preventDefault();
    this.scale(panel, Math.exp(clamp(event.deltaY, -60, 60) / 200), px);
  }

  scale(panel, factor, px) {
    const { inner, toX } = panel.at;
    this.zoomX = [toX(px - (px - inner.left) * factor), toX(px + (inner.right - px) * factor)];
    this.drawLegend();
    this.redraw();
  }

  key(panel, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
    const middle = (panel.at.inner.left + panel.at.inner.right) / 2;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.shiftKey) this.zoomX = panel.at.shift(-step * 40);
    else if (step) this.walk(panel, step);
    else if (event.key === "+" || event.key === "=") this.scale(panel, 0.7, middle);
    else if (event.key === "-") this.scale(panel, 1 / 0.7, middle);
    else if (event.key === "0" || event.key === "Escape") this.reset(), this.drawLegend();
    else return;
    event.preventDefault();
    this.redraw();
  }

  walk(panel, step) {
    const xs = this.shownSeries(panel)[0]?.xs;
    if (xs) this.cursor = xs[clamp((this.cursor == null ? xs.length - (step > 0 ? 1 : 0) : nearest(xs, this.cursor)) + step, 0, xs.length - 1)];
  }
}

function stroke(c, points) {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.stroke();
}

function dot(c, x, y, radius) {
  c.beginPath();
  c.arc(x, y, radius, 0, 7);
  c.fill();
}

// Round numbers between low and high, about `wanted` of them and two at least: 1, 2 or 5 times a power of ten apart.
function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
  return found.length < 2 && wanted < 16 ? ticks(low, high, 2 * Math.max(wanted, 1)) : found;
}

// Powers of ten between low and high, with 2 and 5 times them where few fit.
function logTicks(low, high, wanted) {
  const decades = Math.log10(high / low);
  if (decades < 1) return ticks(low, high, wanted);
  const all = (multiples) => {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; e++)
      for (const m of multiples) if (m * 10 ** e >= low && m * 10 ** e <= high) found.push(m * 10 ** e);
    return found;
  };
  const powers = all([1]);
  return decades * 3 <= wanted || powers.length < 3 ? all([1, 2, 5]) : powers;
}

// The index in a sorted array nearest to x.
function nearest(xs, x) {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return x - xs[low] < xs[high] - x ? low : high;
}

function lastFinite(ys) {
  let i = ys.length - 1;
  while (i > 0 && !Number.isFinite(ys[i])) i--;
  return i;
}
