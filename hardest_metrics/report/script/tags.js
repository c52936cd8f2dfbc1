// What boxes on a picture are called.
import { COLUMNS, KIND, SCALE } from "./data.js";
import { element } from "./dom.js";

/** A tag above its box, in it at the top, at the bottom, or below, where it hides no other; errors come first. */
export function placeTags(tags, frame, table, boxes, text) {
  const [width, height] = [frame.clientWidth, frame.clientHeight];
  const nodes = boxes.map((box) => element("span", { class: `fill${table[box * COLUMNS + KIND]}` }, text(table, box)));
  tags.replaceChildren(...nodes);
  const sizes = nodes.map((node) => [node.offsetWidth, node.offsetHeight]); // all at once: one layout
  const placed = [];
  boxes.forEach((box, i) => {
    const [w, h] = sizes[i];
    const corner = (side, length) => table[box * COLUMNS + side] / SCALE * length;
    const [x0, y0, y1] = [corner(0, width), corner(1, height), corner(3, height)];
    const left = Math.max(0, Math.min(x0, width - w));
    const free = [y0 - h, y0, y1 - h, y1].find((y) => y >= 0 && y + h <= height &&
      !placed.some(([l, t, r, b]) => left < r && l < left + w && y < b && t < y + h));
    if (free === undefined) return nodes[i].remove();
    placed.push([left, free, left + w, free + h]);
    nodes[i].style.left = `${left}px`;
    nodes[i].style.top = `${free}px`;
  });
}
