// Says that the browser has nothing more to do, twice within a moment: between the two come pictures that were asked for.
const MOMENT = 250; // milliseconds
const whenIdle = (then) => (window.requestIdleCallback ? requestIdleCallback(then, { timeout: 3000 }) : setTimeout(then, MOMENT));

class View {
  update() {
    this.waits ??= whenIdle(() => setTimeout(() => whenIdle(() => this.say()), MOMENT));
  }

  destroy() {
    this.gone = true;
    clearInterval(this.again);
  }

  say() {
    if (this.gone) return;
    this.again ??= setInterval(() => this.say(), 10000); // the answer may be lost
    this.trigger("idle", true);
  }
}
