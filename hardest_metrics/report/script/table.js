// The table of images: of its rows only those in sight are in the document.
import { data } from "./data.js";
import { at, breakable, element } from "./dom.js";
import { drawThumbnail, newFrame } from "./frame.js";
import { order, placeOf, shownColumns } from "./order.js";
import { choiceOfBoxes, isRestricted } from "./shown.js";
import { ranking, sides, state } from "./state.js";

const OVERSCAN = 4; // rows kept above and below what is in sight
const live = new Map(); // image -> row, of those in the document
export const table = at("table"), rows = at("rows");
const above = element("tr", { class: "space", "aria-hidden": "true" }, element("td"));
const below = element("tr", { class: "space", "aria-hidden": "true" }, element("td"));
rows.append(above, below);
let present = []; // the images of the rows in the document

export function rowHeight() {
  const name = state.beside < 0 ? "--row" : "--row-of-two";
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue(name));
}
export const top = () => rows.getBoundingClientRect().top; // of the first row, whether it is there or not

function renderHead() {
  const focused = document.activeElement?.dataset?.sort;
  at("head").replaceChildren(...shownColumns.map(({ key, title, style }) => {
    const th = element("th", { role: "columnheader", scope: "col", class: style });
    if (key) {
      const text = element("span", {}, ...breakable(title));
      th.append(element("button", { type: "button", "data-sort": key, title }, text));
      if (key === state.sort) th.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    } else {
      const read = style === "picture" && state.beside >= 0;
      th.append(element("span", { class: read ? "title" : "hidden", title }, ...breakable(title)));
    }
    return th;
  }));
  if (focused) at("head").querySelector(`[data-sort="${focused}"]`)?.focus({ preventScroll: true });
}

function newRow(image) {
  return { frames: new Map(), row: element("tr", { role: "row", id: `row-${image}`, "data-image": image }) };
}

function fillRow({ row, frames }, image) {
  row.replaceChildren(...shownColumns.map(({ key, title, short, style, cell, detector }) => {
    const td = element("td", { role: "gridcell", class: style });
    if (key && key !== "name" && key !== "id") td.dataset.name = short ?? title.toLowerCase();
    if (key === "name") { // its parts would be read with a gap between them
      const problem = data.problems[image];
      td.setAttribute("aria-label", data.names[image] + (problem ? `, no picture: ${problem}` : ""));
    }
    if (detector === undefined) {
      td.append(...cell(image).map((part) => typeof part === "number" ? String(part) : part));
    } else {
      if (!frames.has(detector)) frames.set(detector, newFrame(image));
      td.append(frames.get(detector));
      drawThumbnail(frames.get(detector).querySelector("svg"), image, detector);
    }
    return td;
  }));
}

/**
 * Put the rows in sight, and few more, into the document. All are filled anew if `anew`. Where the table is on the
 * screen may be given as it was: to ask takes a layout of all that has changed.
 */
export function renderRows(anew, offset = top()) {
  const height = rowHeight();
  const first = Math.max(0, Math.floor(-offset / height) - OVERSCAN);
  const end = Math.min(order.length, Math.ceil((innerHeight - offset) / height) + OVERSCAN);
  const from = Math.min(first, order.length), to = Math.max(end, from);
  const wanted = order.slice(from, to);
  if (!anew && wanted.length === present.length && wanted.every((image, i) => image === present[i])) return;
  present = wanted;
  const gone = new Set(live.keys());
  const nodes = wanted.map((image, index) => {
    gone.delete(image);
    const isNew = !live.has(image);
    if (isNew) live.set(image, newRow(image));
    const one = live.get(image);
    if (isNew || anew) fillRow(one, image);
    one.row.setAttribute("aria-rowindex", from + index + 2);
    return one.row;
  });
  for (const image of gone) live.delete(image);
  above.firstChild.style.height = `${from * height}px`;
  below.firstChild.style.height = `${(order.length - to) * height}px`;
  above.hidden = from === 0;
  below.hidden = to === order.length;
  rows.replaceChildren(above, ...nodes, below);
  markRows();
}

/** Show in the rows which image one is at, and which are picked. */
export function markRows() {
  for (const [image, { row }] of live) {
    row.classList.toggle("active", image === state.image);
    row.setAttribute("aria-selected", state.picked.has(image));
    row.querySelector(".pick input").checked = state.picked.has(image);
  }
  if (live.has(state.image)) table.setAttribute("aria-activedescendant", `row-${state.image}`);
  else table.removeAttribute("aria-activedescendant");
}

/** Scroll as little as it takes to have an image between the head of the table and the end of the window. */
export function bringIntoSight(image) {
  const height = rowHeight(), y = top() + placeOf(image) * height;
  const head = table.tHead.offsetHeight;
  if (y < head) scrollBy(0, y - head);
  else if (y + height > innerHeight) scrollBy(0, y + height - innerHeight);
  renderRows(false);
}

let before = {}; // where the image one is at was on the screen, and what was searched for
export function noteWhereOneIs() {
  const offset = top(), place = placeOf(state.image), y = place === undefined ? 0 : offset + place * rowHeight();
  before = { offset, y, inSight: place !== undefined && y > -rowHeight() && y < innerHeight };
}

let lastSearch = state.search, lastContent = ""; // what rows are filled with
/** The image that the user is at stays where it is on the screen, whatever happens to the order. */
export function renderTable() {
  const searched = lastSearch !== state.search;
  lastSearch = state.search;
  table.classList.toggle("of-two", state.beside >= 0);
  renderHead();
  table.setAttribute("aria-rowcount", order.length + 1);
  at("nothing").hidden = order.length > 0;
  at("nothing").textContent = isRestricted() ? "No image has anything of what is picked."
    : "No image has such a name or id.";
  table.hidden = !order.length;
  const content = [choiceOfBoxes(), ranking(), ...sides()].join(" ");
  renderRows(content !== lastContent, before.offset);
  lastContent = content;
  const after = placeOf(state.image);
  if (before.inSight && after !== undefined) scrollBy(0, top() + after * rowHeight() - before.y);
  else if (searched && top() < 0) scrollBy(0, table.getBoundingClientRect().top);
  renderRows(false);
}
