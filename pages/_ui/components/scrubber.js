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
  }

  update(data) {
    const before = this.data;
    this.data = data;
    if (!before) [this.frame, this.follow] = [data.start ?? 0, data.follow];
    if (before?.sprite === data.sprite) return this.lay();
    const image = new Image();
    image.src = data.sprite;
    image.decode().then(() => {
      if (this.data !== data && this.data.sprite !== data.sprite) return; // a newer one has come meanwhile
      this.image = image;
      this.lay();
      if (!before && data.autoplay && data.frames > 1) this.toggle();
    });
  }

  // Fit the canvas and the slider to the film that is there now.
  lay() {
    if (!this.image) return;
    const { frames, width, height, scale, controls } = this.data;
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.canvas.style.width = `min(100%, ${width * scale}px)`;
    this.slider.max = frames - 1;
    this.root.classList.toggle("still", frames < 2 || !controls);
    this.show(this.follow ? frames - 1 : clamp(this.frame, 0, frames - 1));
  }

  show(frame, byHand = false) {
    const { columns, width, height, frames, captions, alt } = this.data;
    this.frame = frame;
    if (byHand) this.follow = this.data.follow && frame === frames - 1;
    if (byHand && this.playing) this.toggle();
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, (frame % columns) * width, Math.floor(frame / columns) * height, width, height, 0, 0, width, height);
    const caption = captions?.[frame] ?? (frames > 1 ? `${frame + 1} of ${frames}` : "");
    this.caption.textContent = caption;
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", caption);
    this.canvas.setAttribute("aria-label", caption ? `${alt}: ${caption}` : alt);
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
