class View {
  constructor(root) {
    this.canvas = element("canvas", { role: "img", "aria-label": "pictures that are being loaded" });
    this.tiles = element("div", { class: "tiles" });
    this.stage = element("div", { class: "stage" }, this.canvas, this.tiles);
    this.caption = element("span", { class: "faint" });
    this.save = element("button", { onclick: () => download(this.data.download, located(this.data.image)) }, "PNG");
    root.append(element("div", { class: "root" }, this.stage, element("div", { class: "row below" }, this.caption, this.save)));
  }

  // The new picture is decoded before it takes the old one's place: no blank frame between them.
  update(data) {
    const before = this.data;
    this.data = data;
    this.caption.textContent = data.caption;
    this.canvas.setAttribute("aria-label", data.alt);
    this.save.hidden = !data.download;
    this.save.title = this.save.ariaLabel = `download ${data.download}`;
    this.offer(data.choices ?? [], data.chosen);
    if (before?.image === data.image) return this.size();
    const image = new Image();
    image.src = located(data.image);
    image.decode().then(() => {
      if (this.data.image !== data.image) return;
      [this.canvas.width, this.canvas.height] = [image.naturalWidth, image.naturalHeight];
      this.canvas.getContext("2d").drawImage(image, 0, 0);
      this.size();
    });
  }

  // A button over each tile of the one row that there is then.
  offer(choices, chosen) {
    if (this.choices?.join() !== choices.join()) {
      this.choices = choices;
      const button = (name, i) => element("button", { title: name, "aria-label": name, onclick: () => this.trigger("chosen", i) });
      this.tiles.replaceChildren(...choices.map(button));
    }
    [...this.tiles.children].forEach((tile, i) => tile.setAttribute("aria-pressed", String(i === chosen)));
  }

  size() {
    this.stage.style.width = `min(100%, ${this.canvas.width * this.data.scale}px)`;
  }
}
