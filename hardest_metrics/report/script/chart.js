// Lines, bars and steps in axes, drawn as SVG in the colours of the page.
import { element, number, svgElement } from "./dom.js";

const WIDTH = 520, HEIGHT = 320, LEFT = 62, RIGHT = 14, TOP = 12, BOTTOM = 46;

/** About five round values from 0 to `most`. */
function ticks(most) {
  const rough = most / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough * 0.999);
  return Array.from({ length: Math.floor(most / step * 1.0001) + 1 }, (_, i) => i * step);
}

const text = (x, y, anchor, content, more = {}) =>
  svgElement("text", { x, y, "text-anchor": anchor, ...more }, content);

/**
 * A figure with a title, a key and one drawing.
 *
 * `series` hold `name`, `look` (a class) and points `[x, y]`; those with `bars` are drawn as bars of that width about
 * x, those with `whiskers` have `[x, low, high]` besides. `x` and `y` are titles; `mostX` and `mostY` are where axes
 * end, `leastX` where that of x begins.
 */
export function chart({ title, x, y, mostX, mostY, leastX = 0, series, help }) {
  const scaleX = (value) => LEFT + (value - leastX) / (mostX - leastX) * (WIDTH - LEFT - RIGHT);
  const scaleY = (value) => HEIGHT - BOTTOM - value / mostY * (HEIGHT - TOP - BOTTOM);
  const point = ([px, py]) => `${scaleX(px).toFixed(1)} ${scaleY(py).toFixed(1)}`;
  const parts = [];
  for (const value of ticks(mostY)) {
    parts.push(svgElement("path", { class: "grid", d: `M${LEFT} ${scaleY(value)}H${WIDTH - RIGHT}` }),
      text(LEFT - 6, scaleY(value) + 4, "end", number(value)));
  }
  for (const value of ticks(mostX)) parts.push(text(scaleX(value), HEIGHT - BOTTOM + 16, "middle", number(value)));
  for (const { look, points, bars, whiskers = [] } of series) {
    const half = bars && Math.max((scaleX(bars) - scaleX(0)) / 2 - 0.5, 0.5);
    const d = bars
      ? points.filter(([, py]) => py > 0).map((one) =>
        `M${(scaleX(one[0]) - half).toFixed(1)} ${scaleY(0)}V${scaleY(one[1]).toFixed(1)}h${(2 * half).toFixed(1)}` +
        `V${scaleY(0)}Z`).join("")
      : points.length ? `M${points.map(point).join("L")}` : "";
    parts.push(svgElement("path", { class: `${bars ? "bars" : "line"} ${look}`, d }));
    const d2 = whiskers.map(([px, low, high]) => `M${point([px, low])}L${point([px, high])}`).join("");
    if (d2) parts.push(svgElement("path", { class: `line whisker ${look}`, d: d2 }));
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle", x),
    text(14, (TOP + HEIGHT - BOTTOM) / 2, "middle", y,
      { transform: `rotate(-90 14 ${(TOP + HEIGHT - BOTTOM) / 2})` }));
  const attributes = { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title };
  const drawing = svgElement("svg", attributes, ...parts);
  const key = series.map(({ name, look, bars }) => element("li", {},
    svgElement("svg", { class: "chart key", viewBox: "0 0 26 12", "aria-hidden": "true" },
      svgElement("path", { class: `${bars ? "bars" : "line"} ${look}`, d: bars ? "M2 1H24V11H2Z" : "M1 6H25" })),
    element("span", {}, name)));
  return element("figure", {}, element("figcaption", {}, title), drawing, element("ul", { class: "keys" }, ...key),
    ...(help ? [element("p", { class: "help" }, help)] : []));
}
