const SPEEDS = [0.5, 1, 2, 4];

class View {
  constructor(root) {
    this.frame = 0;
    this.follow = true; // stay at the newest frame while frames are added
    this.speed = 1;
    this.canvas = element("canvas", { tabindex: "0", role: "img" });
    this.caption = element("span", { class: "caption" });
    this.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "frame" });
    this.playButton = element("button", { onclick: () => this.toggle() });
    this.rate = element("button", { title: "speed", onclick: () => this.faster() }, "1×");
    const back = element("button", { title: "one back (←)", "aria-label": "one back", onclick: () => this.step(-1) }, "‹");
    const next = element("button", { title: "one on (→)", "aria-label": "one on", onclick: () => this.step(1) }, "›");
    const controls = element("div", { class: "row controls" }, this.playButton, back, next, this.slider, this.rate);
    this.root = element("div", { class: "root", tabindex: "-1" }, this.canvas, element("div", { class: "row" }, this.caption), controls);
    root.append(this.root);
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value), true));
    this.slider.addEventListener("change", () => this.tell());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.mark();
  }

  destroy() {
    cancelAnimationFrame(this.timer);
    cancelAnimationFrame(this.gliding);
    this.observer?.disconnect();
  }

  update(data) {
    const before = this.data;
    this.data = data;
    if (!before) [this.frame, this.follow] = [data.start ?? 0, data.follow];
    if (data.points) this.readPoints(data.points);
    const begin = () => (this.lay(), !before && data.autoplay && data.frames > 1 && this.toggle());
    if (!data.sprite || before?.sprite === data.sprite) return begin();
    const image = new Image();
    image.src = data.sprite;
    image.decode().then(() => {
      if (this.data.sprite !== data.sprite) return; // a newer one has come meanwhile
      this.image = image;
      begin();
    });
  }

  readPoints({ frames, cloud, extent }) {
    const near = (text) => floats(text, Int16Array);
    this.points = { frames: near(frames), cloud: near(cloud), unit: extent / 32000, extent };
    this.observer ??= new ResizeObserver(() => this.glide(0));
    this.observer.observe(this.canvas);
  }

  // Fit the canvas and the slider to the film that is there now.
  lay() {
    const { frames, width, height, scale, controls, points } = this.data;
    if (!points && (this.canvas.width !== width || this.canvas.height !== height)) [this.canvas.width, this.canvas.height] = [width, height];
    this.canvas.style.width = points ? `min(100%, ${points.side}px)` : `min(100%, ${width * scale}px)`;
    this.canvas.classList.toggle("smooth", !!points);
    this.slider.max = frames - 1;
    this.root.classList.toggle("still", frames < 2 || !controls);
    this.show(this.follow ? frames - 1 : clamp(this.frame, 0, frames - 1));
  }

  show(frame, byHand = false) {
    const { frames, captions, alt, sprite } = this.data;
    if (sprite && !this.image) return; // the film is still being decoded
    this.frame = frame;
    if (byHand) this.follow = this.data.follow && frame === frames - 1;
    if (byHand && this.playing) this.toggle();
    if (this.points) this.glide(1000 / (this.data.fps * this.speed));
    else this.drawSprite(this.canvas.getContext("2d"), frame, this.data.width, this.data.height);
    const caption = captions?.[frame] ?? (frames > 1 ? `${frame + 1} of ${frames}` : "");
    this.caption.textContent = caption;
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", caption);
    this.canvas.setAttribute("aria-label", caption ? `${alt}: ${caption}` : alt);
  }

  drawSprite(context, frame, toWidth, toHeight) {
    const { columns, width, height } = this.data;
    context.imageSmoothingEnabled = !!this.points;
    context.drawImage(this.image, (frame % columns) * width, Math.floor(frame / columns) * height, width, height, 0, 0, toWidth, toHeight);
  }

  // Points of the plane move from where they are drawn to where the frame has them, in `span` milliseconds.
  glide(span) {
    cancelAnimationFrame(this.gliding);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const [from, to, start] = [this.drawn ?? this.frame, this.frame, performance.now()];
    const move = (now) => {
      const passed = span && !still ? clamp((now - start) / Math.min(span, 250), 0, 1) : 1;
      this.drawPoints((this.drawn = clamp(from + (to - from) * passed, 0, this.data.frames - 1)));
      if (passed < 1) this.gliding = requestAnimationFrame(move);
    };
    this.gliding = requestAnimationFrame(move);
  }

  drawPoints(at) {
    const side = this.canvas.clientWidth;
    if (!side) return;
    this.canvas.style.height = `${side}px`;
    const c = crisp(this.canvas, side, side);
    const colors = theme(this.root);
    if (this.image) this.drawSprite(c, Math.round(at), side, side);
    const { frames, cloud, unit, extent } = this.points;
    const place = (v, sign) => side * (0.5 + (sign * v * unit) / (2 * extent));
    c.fillStyle = lifted(this.data.points.cloud_color, colors);
    c.globalAlpha = 0.45;
    for (let k = 0; k < cloud.length; k += 2) c.fillRect(place(cloud[k], 1) - 1, place(cloud[k + 1], -1) - 1, 2, 2);
    c.fillStyle = lifted(this.data.points.color, colors);
    c.globalAlpha = 0.85;
    const each = frames.length / this.data.frames;
    const [i, u] = [Math.floor(at), at % 1];
    const value = (k) => (u ? (1 - u) * frames[i * each + k] + u * frames[(i + 1) * each + k] : frames[i * each + k]);
    for (let k = 0; k < each; k += 2) {
      c.beginPath();
      c.arc(place(value(k), 1), place(value(k + 1), -1), 1.7, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
    this.drawFrame(c, side, colors, extent);
  }

  drawFrame(c, side, colors, extent) {
    c.strokeStyle = colors.grid;
    c.strokeRect(0.5, 0.5, side - 1, side - 1);
    c.fillStyle = colors.faint;
    c.font = `11px ${colors.font}`;
    for (const [text, x, y, align] of [
      [shown(-extent, 3), 4, side - 5, "left"], ["x₁", side / 2, side - 5, "center"], [shown(extent, 3), side - 4, side - 5, "right"],
      ["x₂", 4, side / 2, "left"], [shown(extent, 3), 4, 13, "left"],
    ]) (c.textAlign = align), c.fillText(text, x, y);
  }

  step(by) {
    this.show(clamp(this.frame + by, 0, this.data.frames - 1), true);
    this.tell();
  }

  toggle() {
    this.playing = !this.playing;
    this.mark();
    cancelAnimationFrame(this.timer);
    if (!this.playing) return this.tell();
    if (this.frame >= this.data.frames - 1) this.frame = -1;
    this.follow = false;
    let last = -Infinity;
    const tick = (now) => {
      this.timer = requestAnimationFrame(tick);
      if (now - last < 1000 / (this.data.fps * this.speed) - 2) return;
      last = now;
      if (this.frame + 1 < this.data.frames) return this.show(this.frame + 1);
      if (this.data.loop) return this.show(0);
      this.follow = this.data.follow;
      this.toggle();
    };
    this.timer = requestAnimationFrame(tick);
  }

  faster() {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
    this.rate.textContent = `${this.speed}×`;
  }

  mark() {
    this.playButton.textContent = this.playing ? "❚❚" : "▶";
    this.playButton.setAttribute("aria-label", this.playing ? "pause" : "play");
    this.playButton.title = this.playing ? "pause (space)" : "play (space)";
  }

  // Tell Python where the reader stopped, where somebody there wants to know.
  tell() {
    const moment = { frame: this.frame, newest: this.follow };
    if (this.data.report && JSON.stringify(moment) !== this.told) {
      this.told = JSON.stringify(moment);
      this.report("at", moment);
    }
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (step) this.step(step);
    else if (event.key === " " && event.target.tagName !== "BUTTON") this.toggle();
    else return;
    event.preventDefault();
  }
}
