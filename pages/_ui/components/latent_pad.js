class View {
  constructor(root) {
    this.root = root;
    this.spot = null; // the point, in cells of the atlas from its top left: fractional column and row
    this.dots = true;
    this.pad = element("canvas", { class: "pad", tabindex: "0", role: "slider", "aria-label": "latent point: arrow keys move it", "aria-valuenow": 0 });
    this.picture = element("canvas", { class: "picture", role: "img", "aria-label": "what is decoded" });
    this.readout = element("div", { class: "readout" });
    this.dotsButton = element("button", { onclick: () => ((this.dots = !this.dots), this.redraw()) }, "Show encoded test examples");
    this.legend = element("span", { class: "row labels" });
    const below = element("div", { class: "row" }, this.dotsButton, this.legend);
    const right = element("div", { class: "right" }, this.picture, this.readout);
    root.append(element("div", { class: "root" }, element("div", { class: "sides" }, element("div", { class: "left" }, this.pad, below), right)));
    this.listen();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.pad);
  }

  destroy() {
    this.observer.disconnect();
  }

  update(data) {
    const before = this.data;
    this.data = data;
    this.columnsAt = data.x_axis;
    this.rowsAt = data.y_axis;
    for (const [name, at] of [["min", -0.5], ["max", this.columnsAt.length - 0.5]])
      this.pad.setAttribute(`aria-value${name}`, along(this.columnsAt, at).toFixed(3));
    if (!before || before.start.join() !== data.start.join()) this.spot = this.toSpot(data.start);
    this.points = data.points && { z: floats(data.points.z, Float32Array), label: Uint8Array.from(atob(data.points.label), (c) => c.charCodeAt(0)) };
    this.cloud = null;
    this.dotsButton.hidden = !data.points;
    const labels = data.points?.names.map((name, i) => element("span", { style: `--c: ${data.points.colors[i]}`, class: "label" }, name)) ?? [];
    this.legend.replaceChildren(...labels);
    if (before?.atlas === data.atlas) return this.redraw();
    const image = new Image();
    image.src = located(data.atlas);
    image.decode().then(() => {
      if (this.data.atlas === data.atlas) (this.atlas = image), this.redraw();
    });
  }

  // Geometry: an axis lists the z of the cells' middles; between them z is linear, beyond them it goes on ---------------

  toSpot([z1, z2]) {
    return [position(this.columnsAt, z1), this.rowsAt.length - 1 - position(this.rowsAt, z2)];
  }

  toZ([column, row]) {
    return [along(this.columnsAt, column), along(this.rowsAt, this.rowsAt.length - 1 - row)];
  }

  redraw() {
    if (this.scheduled || !this.atlas) return;
    this.scheduled = true;
    requestAnimationFrame(() => ((this.scheduled = false), this.draw()));
  }

  draw() {
    const side = this.pad.clientWidth;
    const [columns, rows] = [this.columnsAt.length, this.rowsAt.length];
    const height = (side * rows) / columns;
    if (!side) return;
    this.pad.style.height = `${height}px`;
    const c = crisp(this.pad, side, height);
    const colors = theme(this.root);
    c.imageSmoothingEnabled = side / columns < this.data.cell[0];
    const shows = this.dots && this.points;
    c.fillStyle = "#000";
    c.fillRect(0, 0, side, height);
    c.globalAlpha = shows ? 0.45 : 1;
    c.drawImage(this.atlas, 0, 0, side, height);
    c.globalAlpha = 1;
    if (shows) c.drawImage(this.cloudOf(side, height), 0, 0, side, height);
    const [x, y] = [((this.spot[0] + 0.5) / columns) * side, ((this.spot[1] + 0.5) / rows) * height];
    ring(c, x, y, 9, "#ffffff", 5);
    ring(c, x, y, 9, colors.accent, 2.5);
    this.decode();
    this.dotsButton.setAttribute("aria-pressed", String(!!shows));
    this.legend.hidden = !shows;
  }

  // The test set, drawn once for each size of the pad.
  cloudOf(side, height) {
    if (this.cloud?.side === side) return this.cloud.canvas;
    const canvas = document.createElement("canvas");
    const c = crisp(canvas, side, height);
    const { z, label } = this.points;
    const [columns, rows] = [this.columnsAt.length, this.rowsAt.length];
    const radius = clamp(side / 220, 1.2, 2.6);
    c.globalAlpha = 0.8;
    for (let i = 0; i < label.length; i++) {
      const [column, row] = this.toSpot([z[2 * i], z[2 * i + 1]]);
      c.fillStyle = this.data.points.colors[label[i]];
      c.beginPath();
      c.arc(((column + 0.5) / columns) * side, ((row + 0.5) / rows) * height, radius, 0, 7);
      c.fill();
    }
    this.cloud = { side, canvas };
    return canvas;
  }

  // The picture at the point: the four cells around it, blended by how near they are.
  decode() {
    const [w, h] = this.data.cell;
    if (this.picture.width !== w || this.picture.height !== h) [this.picture.width, this.picture.height] = [w, h];
    const c = this.picture.getContext("2d");
    const [column, row] = [clamp(this.spot[0], 0, this.columnsAt.length - 1), clamp(this.spot[1], 0, this.rowsAt.length - 1)];
    const [i, j] = [Math.min(Math.floor(column), this.columnsAt.length - 2), Math.min(Math.floor(row), this.rowsAt.length - 2)];
    const [u, v] = [column - i, row - j];
    c.globalCompositeOperation = "source-over";
    c.globalAlpha = 1;
    c.fillStyle = "#000";
    c.fillRect(0, 0, w, h);
    c.globalCompositeOperation = "lighter";
    for (const [di, dj, weight] of [[0, 0, (1 - u) * (1 - v)], [1, 0, u * (1 - v)], [0, 1, (1 - u) * v], [1, 1, u * v]]) {
      c.globalAlpha = weight;
      if (weight > 0) c.drawImage(this.atlas, (i + di) * w, (j + dj) * h, w, h, 0, 0, w, h);
    }
    const z = this.toZ(this.spot).map((value) => value.toFixed(3).replace(/^-0\.000$/, "0.000").replace("-", "−"));
    this.readout.textContent = `z = (${z.join(", ")})`;
    this.pad.setAttribute("aria-valuenow", this.toZ(this.spot)[0].toFixed(3)); // along z₁; the text says both
    this.pad.setAttribute("aria-valuetext", this.readout.textContent);
    this.picture.setAttribute("aria-label", `${this.data.alt}, decoded at ${this.readout.textContent}`);
  }

  // The reader's hand ------------------------------------------------------------------------------------------------

  listen() {
    const move = (event) => {
      const box = this.pad.getBoundingClientRect();
      this.place([((event.clientX - box.left) / box.width) * this.columnsAt.length - 0.5, ((event.clientY - box.top) / box.height) * this.rowsAt.length - 0.5]);
    };
    this.pad.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.pad.setPointerCapture(event.pointerId);
      this.dragging = true;
      move(event);
    });
    this.pad.addEventListener("pointermove", (event) => this.dragging && move(event));
    for (const end of ["pointerup", "pointercancel"])
      this.pad.addEventListener(end, () => this.dragging && ((this.dragging = false), this.tell()));
    this.pad.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? 1 : 0.2;
      this.place([this.spot[0] + step * way[0], this.spot[1] + step * way[1]]);
    });
    this.pad.addEventListener("keyup", (event) => event.key.startsWith("Arrow") && this.tell());
  }

  place([column, row]) {
    this.spot = [clamp(column, -0.5, this.columnsAt.length - 0.5), clamp(row, -0.5, this.rowsAt.length - 0.5)];
    this.redraw();
  }

  tell() {
    if (this.data.report) this.report("z", this.toZ(this.spot));
  }
}

// Where a value lies on a rising axis, as a fractional index.
function position(axis, value) {
  let i = 0;
  while (i < axis.length - 2 && value > axis[i + 1]) i++;
  return i + (value - axis[i]) / (axis[i + 1] - axis[i]);
}

// The value at a fractional index of an axis.
function along(axis, at) {
  const i = clamp(Math.floor(at), 0, axis.length - 2);
  return axis[i] + (at - i) * (axis[i + 1] - axis[i]);
}

function ring(c, x, y, radius, color, width) {
  c.strokeStyle = color;
  c.lineWidth = width;
  c.beginPath();
  c.arc(x, y, radius, 0, 7);
  c.stroke();
}
