// Several films on one clock: each begins and ends with the others, however many frames it has.
const [PLAYS, HOLDS] = [9000, 2500]; // milliseconds of a round

class View {
  constructor(root) {
    this.root = root;
    this.frames = element("div", { class: "films" });
    this.pauseButton = element("button", { onclick: () => this.toggle() });
    root.append(element("div", { class: "root" }, this.frames, element("div", { class: "row below" }, this.pauseButton)));
    this.passed = 0;
  }

  destroy() {
    cancelAnimationFrame(this.timer);
  }

  update(data) {
    if (this.films) return; // they do not change while a page is shown
    this.films = data.films.map((spec) => this.build(spec));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.pauseButton.hidden = !this.films.some(({ spec }) => spec.frames > 1);
    if (still) this.seek(1);
    else this.seek(0), this.toggle();
    this.mark();
  }

  build(spec) {
    const canvas = element("canvas", { width: spec.width, height: spec.height, "aria-hidden": "true" });
    const caption = element("span", { class: "faint" });
    const button = element("button", { class: "film", onclick: () => this.open(spec) }, canvas, element("span", { class: "title" }, spec.title), caption);
    this.frames.append(button);
    const picture = Object.assign(new Image(), { src: located(spec.sprite) });
    const film = { spec, canvas, caption, button, picture, frame: null };
    picture.decode().then(() => ((film.ready = true), (film.frame = null), this.seek(this.at)));
    return film;
  }

  // All films stand at the same share of their training, 0 to 1.
  seek(at) {
    this.at = at;
    for (const film of this.films) {
      const { spec, canvas, picture, ready } = film;
      const frame = Math.round(at * (spec.frames - 1));
      if (frame === film.frame || !ready) continue;
      film.frame = frame;
      const [x, y] = [(frame % spec.columns) * spec.width, Math.floor(frame / spec.columns) * spec.height];
      canvas.getContext("2d").drawImage(picture, x, y, spec.width, spec.height, 0, 0, spec.width, spec.height);
      film.caption.textContent = spec.captions[frame];
      film.button.setAttribute("aria-label", `${spec.title}: ${spec.alt}. Open it at ${spec.captions[frame]}`);
    }
  }

  toggle() {
    this.playing = !this.playing;
    this.mark();
    cancelAnimationFrame(this.timer);
    if (!this.playing) return;
    let last = performance.now();
    const tick = (now) => {
      this.timer = requestAnimationFrame(tick);
      this.passed = (this.passed + Math.min(now - last, 100)) % (PLAYS + HOLDS);
      last = now;
      this.seek(Math.min(1, this.passed / PLAYS));
    };
    this.timer = requestAnimationFrame(tick);
  }

  mark() {
    this.pauseButton.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
  }

  open(spec) {
    const film = this.films.find((one) => one.spec === spec);
    this.trigger("open", { name: spec.name, frame: film.frame ?? spec.frames - 1 });
  }
}
