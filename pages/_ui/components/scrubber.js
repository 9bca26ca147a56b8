const SPEEDS = [0.5, 1, 2, 4];

class View {
  constructor(root) {
    this.host = root;
    this.frame = 0;
    this.follow = true; // stay at the newest frame while frames are added
    this.speed = 1;
    this.pictures = {}; // decoded: film, now
  }

  destroy() {
    cancelAnimationFrame(this.timer);
    cancelAnimationFrame(this.gliding);
    this.observer?.disconnect();
  }

  update(data) {
    if (!this.data) this.build(data);
    this.data = data;
    this.refresh();
  }

  build(data) {
    [this.frame, this.follow] = [data.start ?? 0, data.follow && !data.held];
    this.canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": "a film that is being loaded" });
    this.caption = element("span", { class: "caption faint" });
    this.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "frame" });
    this.playButton = element("button", { onclick: () => this.toggle() });
    this.rate = element("button", { title: "speed", onclick: () => this.faster() }, "1×");
    const back = element("button", { title: "one back (←)", "aria-label": "one back", onclick: () => this.step(-1) }, "‹");
    const next = element("button", { title: "one on (→)", "aria-label": "one on", onclick: () => this.step(1) }, "›");
    const controls = element("div", { class: "row controls" }, this.playButton, back, next, this.slider, this.rate);
    this.root = element("div", { class: "root", tabindex: "-1" }, this.canvas, element("div", { class: "row" }, this.caption), controls);
    this.host.append(this.root);
    this.canvas.addEventListener("click", () => this.frames > 1 && this.toggle());
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value), true));
    this.slider.addEventListener("change", () => this.tell());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.mark();
  }

  // What there is to show: pictures are decoded before they take the old ones' place.
  async refresh() {
    const { data } = this;
    const { film } = data;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const parts = [this.decoded("film", film.sprite), this.decoded("now", data.now?.sprite), this.fetched(film.points?.frames)];
    const [picture, now, past] = await Promise.all(parts).catch(() => [null]); // no network: the next look asks again
    if (picture === null) return;
    if (turn !== this.turn) return; // newer data have come meanwhile
    const first = !this.film;
    Object.assign(this, { film, picture, now, frames: film.frames + (data.now ? 1 : 0) });
    this.points = film.points && this.readPoints(film.points, past, data.now?.points);
    this.lay();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (first && data.autoplay && this.frames > 1 && !still) this.toggle();
  }

  async decoded(name, path) {
    const url = path && located(path);
    if (url === this.pictures[name]?.src) return this.pictures[name];
    const picture = url ? Object.assign(new Image(), { src: url }) : undefined;
    await picture?.decode();
    return (this.pictures[name] = picture);
  }

  async fetched(path) {
    if (!path || path === this.cloud?.path) return this.cloud?.points;
    const answer = await fetch(located(path));
    if (!answer.ok) throw new Error(`${answer.status}`);
    this.cloud = { path, points: await answer.arrayBuffer() };
    return this.cloud.points;
  }

  readPoints(points, old, now = "") {
    this.observer ??= new ResizeObserver(() => this.glide(0));
    this.observer.observe(this.canvas);
    const [past, newest] = [new Int16Array(old), floats(now, Int16Array)];
    const frames = new Int16Array(past.length + newest.length);
    frames.set(past), frames.set(newest, past.length);
    return { ...points, frames, cloud: floats(points.cloud, Int16Array), unit: points.extent / 32000 };
  }

  // Fit the canvas and the slider to the film that is there now.
  lay() {
    const { width, height } = this.film;
    if (!this.points && (this.canvas.width !== width || this.canvas.height !== height)) [this.canvas.width, this.canvas.height] = [width, height];
    this.canvas.style.width = `min(100%, ${this.points ? this.points.side : width * this.data.scale}px)`;
    this.canvas.classList.toggle("smooth", !!this.points);
    this.slider.max = this.frames - 1;
    this.root.classList.toggle("still", this.frames < 2 || !this.data.controls);
    this.show(this.follow ? this.frames - 1 : clamp(this.frame, 0, this.frames - 1));
  }

  show(frame, byHand = false) {
    if (!this.film) return;
    this.frame = frame;
    if (byHand) this.follow = this.data.follow && frame === this.frames - 1;
    if (byHand && this.playing) this.toggle();
    if (this.points) this.glide(1000 / (this.data.fps * this.speed));
    else this.drawPicture(this.canvas.getContext("2d"), frame, this.film.width, this.film.height);
    const counted = this.frames > 1 ? `${frame + 1} of ${this.frames}` : "";
    const caption = (frame < this.film.frames ? this.film.captions?.[frame] : this.data.now.caption) ?? counted;
    this.caption.textContent = caption;
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", caption);
    this.canvas.setAttribute("aria-label", caption ? `${this.data.alt}: ${caption}` : this.data.alt);
  }

  drawPicture(context, frame, toWidth, toHeight) {
    const { columns, width, height, frames } = this.film;
    const past = frame < frames;
    const [picture, x, y] = past ? [this.picture, (frame % columns) * width, Math.floor(frame / columns) * height] : [this.now, 0, 0];
    context.imageSmoothingEnabled = !!this.points;
    if (picture) context.drawImage(picture, x, y, width, height, 0, 0, toWidth, toHeight);
  }

  // Points of the plane move from where they are drawn to where the frame has them, in `span` milliseconds.
  glide(span) {
    cancelAnimationFrame(this.gliding);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const [from, to, start] = [this.drawn ?? this.frame, this.frame, performance.now()];
    const move = (now) => {
      const passed = span && !still ? clamp((now - start) / Math.min(span, 250), 0, 1) : 1;
      this.drawPoints((this.drawn = clamp(from + (to - from) * passed, 0, this.frames - 1)));
      if (passed < 1) this.gliding = requestAnimationFrame(move);
    };
    this.gliding = requestAnimationFrame(move);
  }

  drawPoints(at) {
    const side = this.canvas.clientWidth;
    if (!side) return;
    this.canvas.style.height = `${side}px`;
    const c = crisp(this.canvas, side, side);
    const colors = theme(this.host);
    this.drawPicture(c, Math.round(at), side, side);
    const { frames, cloud, unit, extent } = this.points;
    const place = (v, sign) => side * (0.5 + (sign * v * unit) / (2 * extent));
    c.fillStyle = lifted(this.points.cloud_color, colors);
    c.globalAlpha = 0.45;
    for (let k = 0; k < cloud.length; k += 2) c.fillRect(place(cloud[k], 1) - 1, place(cloud[k + 1], -1) - 1, 2, 2);
    c.fillStyle = lifted(this.points.color, colors);
    c.strokeStyle = colors.background; // an outline: seen on a map of its own colour too
    c.globalAlpha = 0.9;
    const each = frames.length / this.frames;
    const [i, u] = [Math.floor(at), at % 1];
    const value = (k) => (u ? (1 - u) * frames[i * each + k] + u * frames[(i + 1) * each + k] : frames[i * each + k]);
    for (let k = 0; k < each; k += 2) {
      c.beginPath();
      c.arc(place(value(k), 1), place(value(k + 1), -1), 2, 0, 7);
      if (this.film.sprite) c.stroke();
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

  // The reader's hand ------------------------------------------------------------------------------------------------

  step(by) {
    this.show(clamp(this.frame + by, 0, this.frames - 1), true);
    this.tell();
  }

  toggle() {
    this.playing = !this.playing;
    this.mark();
    cancelAnimationFrame(this.timer);
    if (!this.playing) return this.tell();
    if (this.frame >= this.frames - 1) this.show(0);
    this.follow = false;
    let last = performance.now();
    const tick = (now) => {
      this.timer = requestAnimationFrame(tick);
      if (now - last < 1000 / (this.data.fps * this.speed) - 2) return;
      last = now;
      if (this.frame + 1 < this.frames) return this.show(this.frame + 1);
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
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (step) this.step(step);
    else if (event.key === " " && event.target.tagName !== "BUTTON") this.toggle();
    else return;
    event.preventDefault();
  }
}
