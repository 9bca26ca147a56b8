const KEYS = "Arrow keys move the pen, with shift further; space puts it down and lifts it, Delete clears.";
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class View {
  constructor(root) {
    this.root = root;
    this.strokes = []; // [{width, points: [[x, y], …]}], all in units of the pad's side, y downwards
    this.pen = null; // what draws: a pointer by its id, or "keys"
    this.nib = [0.5, 0.5]; // where the pen of the keyboard is
    this.canvas = element("canvas", { class: "pad", tabindex: "0", role: "application" });
    this.width = element("input", { type: "range", min: 0.02, max: 0.2, step: 0.005, "aria-label": "brush width" });
    this.undoButton = element("button", { title: "undo (ctrl-Z)", onclick: () => this.undo() }, "undo");
    this.clearButton = element("button", { title: "clear (delete)", onclick: () => this.clear() }, "clear");
    this.small = element("canvas", { class: "small", role: "img", "aria-label": "the drawing as the model sees it" });
    this.hint = element("div", { class: "faint", hidden: true, "aria-hidden": "true" }, KEYS); // its name says it too
    const brush = element("label", { class: "row brush" }, "brush", this.width);
    root.append(element("div", { class: "root" }, this.canvas, element("div", { class: "row" }, this.undoButton, this.clearButton, brush, this.small), this.hint));
    this.listen();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.canvas);
  }

  destroy() {
    this.observer.disconnect();
  }

  update(data) {
    if (!this.data) this.width.value = data.brush;
    if (!this.data || this.data.version !== data.version) this.strokes = structuredClone(data.strokes);
    this.data = data;
    this.canvas.style.maxWidth = `${data.side}px`;
    this.canvas.setAttribute("aria-label", `${data.alt} ${KEYS}`);
    this.small.hidden = !data.preview;
    this.redraw();
  }

  // Drawing ----------------------------------------------------------------------------------------------------------

  redraw() {
    const side = this.canvas.clientWidth;
    if (!this.data || !side) return;
    this.canvas.style.height = `${side}px`;
    const c = crisp(this.canvas, side, side);
    const colors = theme(this.root);
    if (this.data.ink === "white") (c.fillStyle = "#000"), c.fillRect(0, 0, side, side);
    else this.drawAxes(c, side, colors);
    c.strokeStyle = c.fillStyle = this.data.ink;
    this.paint(c, side);
    this.hint.hidden = !this.canvas.matches(":focus-visible");
    if (!this.hint.hidden) this.drawNib(c, side, colors);
    this.shrink();
    this.undoButton.disabled = this.clearButton.disabled = !this.strokes.length;
  }

  paint(c, side) {
    c.lineCap = c.lineJoin = "round";
    for (const { width, points } of this.strokes) {
      c.lineWidth = width * side;
      c.beginPath();
      points.forEach(([x, y], i) => (i ? c.lineTo(x * side, y * side) : c.moveTo(x * side, y * side)));
      if (points.length === 1) c.lineTo(points[0][0] * side, points[0][1] * side + 0.01);
      c.stroke();
    }
  }

  drawAxes(c, side, colors) {
    c.strokeStyle = colors.grid;
    c.lineWidth = 1; // not that of the brush
    c.strokeRect(0.5, 0.5, side - 1, side - 1);
    for (const at of [0.25, 0.5, 0.75]) {
      c.beginPath();
      c.moveTo(at * side, 0), c.lineTo(at * side, side), c.moveTo(0, at * side), c.lineTo(side, at * side);
      c.stroke();
    }
  }

  // Where the pen of the keyboard is: filled while it is down.
  drawNib(c, side, colors) {
    c.beginPath();
    c.arc(this.nib[0] * side, this.nib[1] * side, 6, 0, 7);
    [c.fillStyle, c.strokeStyle, c.lineWidth] = [colors.accent, colors.accent, 2];
    if (this.pen === "keys") c.fill();
    c.stroke();
  }

  // The drawing in the model's own pixels: painted eight times finer, then averaged.
  shrink() {
    const n = this.data.pixels;
    const fine = document.createElement("canvas");
    fine.width = fine.height = 8 * n;
    const c = fine.getContext("2d", { willReadFrequently: true });
    c.fillRect(0, 0, 8 * n, 8 * n);
    c.strokeStyle = "#fff";
    this.paint(c, 8 * n);
    const ink = c.getImageData(0, 0, 8 * n, 8 * n).data;
    this.grey = new Uint8Array(n * n);
    const sum = new Float64Array(n * n);
    for (let i = 0; i < 64 * n * n; i++) sum[Math.floor(i / (64 * n)) * n + Math.floor((i % (8 * n)) / 8)] += ink[4 * i];
    this.small.width = this.small.height = n;
    const s = this.small.getContext("2d");
    const image = s.createImageData(n, n);
    for (let i = 0; i < n * n; i++) {
      this.grey[i] = Math.round(sum[i] / 64);
      image.data.set([this.grey[i], this.grey[i], this.grey[i], 255], 4 * i);
    }
    s.putImageData(image, 0, 0);
  }

  // The reader's hand ------------------------------------------------------------------------------------------------

  listen() {
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((v) => Number(clamp(v, 0, 1).toFixed(4)));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (this.pen === "keys") this.lift();
      if (event.button !== 0 || this.pen !== null) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.pen = event.pointerId;
      const pressed = event.pointerType === "pen" && event.pressure ? 0.5 + event.pressure : 1;
      this.strokes.push({ width: Number((this.width.value * pressed).toFixed(4)), points: [place(event)] });
      this.redraw();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pen) return;
      const stroke = this.strokes[this.strokes.length - 1];
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const one of steps.length ? steps : [event]) stroke.points.push(place(one));
      this.redraw();
    });
    for (const end of ["pointerup", "pointercancel"])
      this.canvas.addEventListener(end, (event) => {
        if (event.pointerId !== this.pen) return;
        this.pen = null;
        this.tell();
      });
    this.canvas.addEventListener("focus", () => this.redraw());
    this.canvas.addEventListener("blur", () => this.lift());
    this.root.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z") this.undo();
      else if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
      else if (event.target === this.canvas && event.key === " ") this.lower();
      else if (event.target === this.canvas && WAYS[event.key]) this.move(WAYS[event.key], event.shiftKey ? 5 : 1);
      else if (event.key === "Delete" || (event.key === "Backspace" && event.target === this.canvas)) this.clear();
      else return;
      event.preventDefault();
    });
  }

  // The pen of the keyboard: down, or up again; it is lifted where the reader goes on to something else.
  lower() {
    if (this.pen === "keys") return this.lift();
    this.pen = "keys";
    this.strokes.push({ width: Number(this.width.value), points: [[...this.nib]] });
    this.redraw();
  }

  lift() {
    if (this.pen === "keys") (this.pen = null), this.tell();
    this.redraw();
  }

  move(way, times) {
    this.nib = this.nib.map((v, i) => Number(clamp(v + 0.02 * times * way[i], 0, 1).toFixed(4)));
    if (this.pen === "keys") this.strokes[this.strokes.length - 1].points.push([...this.nib]);
    this.redraw();
  }

  undo() {
    this.pen = null;
    this.strokes.pop();
    this.redraw();
    this.tell();
  }

  clear() {
    this.pen = null;
    this.strokes = [];
    this.redraw();
    this.tell();
  }

  tell() {
    this.report("drawing", { strokes: this.strokes, grey: btoa(String.fromCharCode(...this.grey)) });
  }
}
