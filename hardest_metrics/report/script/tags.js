// What boxes on a picture are called.
import { SCALE } from "./data.js";
import { element } from "./dom.js";

/** A tag above its box, in it at the top, at the bottom, or below, where it hides no other; errors come first. */
export function placeTags(tags, frame, boxes, tagged, text) {
  const [width, height] = [frame.clientWidth, frame.clientHeight];
  const nodes = tagged.map((box) => element("span", { class: `fill${boxes.kind[box]}` }, text(boxes, box)));
  tags.replaceChildren(...nodes);
  const sizes = nodes.map((node) => [node.offsetWidth, node.offsetHeight]); // all at once: one layout
  const placed = [];
  tagged.forEach((box, i) => {
    const [w, h] = sizes[i];
    const [x0, y0, y1] = [boxes.left[box] * width, boxes.top[box] * height, boxes.bottom[box] * height]
      .map((side) => side / SCALE);
    const left = Math.max(0, Math.min(x0, width - w));
    const free = [y0 - h, y0, y1 - h, y1].find((y) => y >= 0 && y + h <= height &&
      !placed.some(([l, t, r, b]) => left < r && l < left + w && y < b && t < y + h));
    if (free === undefined) return nodes[i].remove();
    placed.push([left, free, left + w, free + h]);
    nodes[i].style.left = `${left}px`;
    nodes[i].style.top = `${free}px`;
  });
}
