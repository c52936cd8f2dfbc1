// Elements and numbers. Everything that comes from files (names, labels, detectors) reaches the page as text or as a
// plain attribute, never as markup.

export const at = (id) => document.getElementById(id);

/** An element; strings among its children become text. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Give an element a text, if it has another one: to replace it takes a layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Text that may break where words of a name meet. */
export const breakable = (name) =>
  name.split(/(?<=[_\-./])/).flatMap((part, i) => i ? [document.createElement("wbr"), part] : [part]);

export function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A line in the look of a kind of boxes, on a darker one that sets it off from any ground. */
export const lines = (kind, d, more = "") =>
  [`halo kind${kind}${more}`, `kind${kind}${more}`].map((look) => svgElement("path", { class: look, d }));

export function swatch(kind) {
  const drawing = { class: "swatch", viewBox: "0 0 26 16", "aria-hidden": "true" };
  return svgElement("svg", drawing, ...lines(kind, "M4 3H22V13H4Z"));
}

/** A table that may be wider than the window: it scrolls by itself, and says so where it does. */
export function wide(name, table) {
  const scroller = element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": name }, table);
  const hint = element("p", { class: "help scrolls" }, "Wider than there is room: scroll it sideways. →");
  hint.hidden = true;
  new ResizeObserver(() => { hint.hidden = scroller.scrollWidth <= scroller.clientWidth + 1; }).observe(scroller);
  return element("div", { class: "wide-home" }, hint, scroller);
}

export const number = (value) => Number.isFinite(value) ? String(Number(value.toPrecision(5))) : "–";
export const signed = (value) => (value > 0 ? "+" : "") + number(value).replace("-", "−");
const inThousands = new Intl.NumberFormat("en"); // to make one anew for each number takes long
export const grouped = (count) => inThousands.format(count);
export const plural = (count, one, many = `${one}s`) => `${grouped(count)} ${count === 1 ? one : many}`;
