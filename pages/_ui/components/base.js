// Shared by every component. The component's file defines `class View`.
const views = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  if (!view) {
    view = new View(root);
    views.set(root, view);
  }
  view.report = component.setStateValue;
  view.trigger = component.setTriggerValue; // once, for the next rerun alone
  view.update(component.data ?? {});
  return () => view.destroy?.();
}

// element("div", {class: "row", onclick: f}, child, "text", …)
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Where the server keeps what it has sent the address of: the app's own address is where the page's script lies.
function located(path) {
  const script = document.querySelector('script[type="module"][src*="static/js/"]');
  return new URL(`../../${path}`, script.src).href;
}

// The theme's colours, as a canvas needs them.
function theme(root) {
  const style = getComputedStyle(root.host ?? root);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    text: read("--st-text-color"),
    faint: `color-mix(in srgb, ${read("--st-text-color")} 62%, transparent)`,
    grid: `color-mix(in srgb, ${read("--st-text-color")} 11%, transparent)`,
    background: read("--st-background-color"),
    accent: read("--st-primary-color"),
    dark: /^#[0-7]/.test(read("--st-background-color")),
    font: read("--st-font") || "sans-serif",
  };
}

// A colour of the visual language, lifted a little where the page is dark.
const lifted = (color, colors) => (colors.dark ? `color-mix(in srgb, ${color} 82%, white)` : color);

// Size a canvas for the screen's own pixels and return its context, in CSS pixels.
function crisp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Numbers from base64 of little-endian floats.
function floats(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Kind(bytes.buffer);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// A number as a reader wants it: three significant digits (whole numbers in full), thin groups, a real minus, powers of ten.
function shown(value, digits = 3) {
  if (value == null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) {
    const [front, power] = value.toExponential(digits - 1).split("e");
    const raised = [...String(Number(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
    return `${Number(front)}×10${raised}`.replace("-", "−").replace(/^(−?)1×/, "$1");
  }
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(digits));
  return rounded.toLocaleString("en", { maximumFractionDigits: 8, useGrouping: size >= 1e4 }).replace("-", "−");
}

function download(name, url) {
  element("a", { href: url, download: name }).click();
}
