// One image: by one detector, or by two side by side.
import {
  boxesOf, called, data, definitionsOf, findRanking, nameOf, rankingsOf, unique, LISTED_IN_ORDER, NO_SCORE, SCALE,
  SCORE_UNITS, THINGS, titleOfThings,
} from "./data.js";
import { at, element, grouped, lines, number, plural, signed, swatch, wide } from "./dom.js";
import { DRAWN_IN_ORDER, labelAndScore, newFrame, outcomeOf, outline, verdictOfOther } from "./frame.js";
import { rankedBy } from "./columns.js";
import { order, placeOf } from "./order.js";
import { isPicked } from "./picks.js";
import { hardnessOf, rankOf, shownBoxes } from "./shown.js";
import { change, ranking, rankingBeside, sides, state } from "./state.js";
import { placeTags } from "./tags.js";
import { fileOf, zoomAnew } from "./zoom.js";

export const detail = at("detail");
let tagsToPlace = [];
const frames = new ResizeObserver(() => { for (const place of tagsToPlace) place(); });

function listed(image, detector) {
  const boxes = boxesOf(detector), { first, kind, score } = boxes, isShown = shownBoxes(detector);
  const all = Array.from({ length: first[image + 1] - first[image] }, (_, i) => first[image] + i);
  const place = (box) => LISTED_IN_ORDER.indexOf(kind[box]);
  const shown = all.filter((box) => isShown[box]);
  shown.sort((a, b) => place(a) - place(b) || score[b] - score[a]);
  return { detector, boxes, all, shown, verdict: verdictOfOther(detector, image) };
}

function renderFacts(image, boxes) {
  const [width, height] = [data.sizes[2 * image], data.sizes[2 * image + 1]];
  at("detail-name").textContent = data.names[image];
  at("detail-name").title = data.names[image];
  const place = placeOf(image);
  const hardness = sides().map((_, i) => hardnessOf(i ? rankingBeside() : ranking())[image]);
  const difference = hardness.length > 1 ? `, difference ${signed(hardness[0] - hardness[1])}` : "";
  at("detail-facts").textContent = [
    place === undefined ? "not in the table" : `${grouped(place + 1)} of ${grouped(order.length)}`,
    `id ${data.ids[image]}`,
    `${width} × ${height} px`,
    `hardness ${hardness.map(number).join(" | ")}${difference} (${rankedBy()})`,
  ].join(" · ");
  // not `disabled`: a button that is loses the focus, and the dialog the keys
  at("previous").setAttribute("aria-disabled", place === undefined || place === 0);
  at("next").setAttribute("aria-disabled", place === undefined || place === order.length - 1);
  at("pick-this").checked = isPicked();
  const file = fileOf(image);
  at("file").hidden = file === null;
  if (file !== null) at("file").href = file;
  const [all, shown] = ["all", "shown"].map((part) => boxes.reduce((sum, one) => sum + one[part].length, 0));
  at("box-count").textContent = shown < all ? `(${shown} of ${all} shown)` : `(${all})`;
}

/** A picture with boxes, in a view that scrolls when it is enlarged. */
function newView(image, detector) {
  const frame = newFrame(image), view = element("div", { class: "view" }, frame);
  frame.setAttribute("role", "img");
  frames.observe(frame);
  const caption = state.beside < 0 ? [] : [element("figcaption", { title: nameOf(detector) }, nameOf(detector))];
  return element("figure", { "data-key": keyOf(image, detector) }, ...caption, view);
}
const keyOf = (image, detector) => [image, detector, state.beside < 0].join(" ");

function renderPicture(figure, image, { detector, boxes, shown, verdict }) {
  const frame = figure.querySelector(".frame"), drawing = frame.querySelector("svg"), linesOf = new Map();
  const whose = state.beside < 0 ? "" : ` by ${nameOf(detector)}`;
  frame.setAttribute("aria-label", `${data.names[image]} with ${plural(shown.length, THINGS.one, THINGS.many)}${whose}`);
  for (const kind of DRAWN_IN_ORDER) {
    for (const box of shown.filter((box) => boxes.kind[box] === kind)) {
      linesOf.set(box, lines(kind, outline(boxes, box), verdict(box) === "only here" ? " sole" : ""));
    }
  }
  drawing.replaceChildren(...[...linesOf.values()].flat());
  frame.querySelector(".tags")?.remove();
  const tags = element("div", { class: "tags", "aria-hidden": "true" });
  frame.append(tags);
  let picked = -1;
  const place = () => placeTags(tags, frame, boxes, unique(picked < 0 ? shown : [picked, ...shown]), labelAndScore);
  const pick = (box) => {
    picked = box;
    for (const [other, paths] of linesOf) paths[1].classList.toggle("picked", other === box);
    if (box >= 0) drawing.append(...linesOf.get(box));
    place();
  };
  return { place, pick };
}

function boxRow(image, { boxes, verdict }, box, pick) {
  const [width, height] = [data.sizes[2 * image], data.sizes[2 * image + 1]];
  const score = boxes.score[box];
  const extent = (low, high, length) => Math.round((boxes[high][box] - boxes[low][box]) / SCALE * length);
  const words = [outcomeOf(boxes, box), verdict(box)].filter(Boolean).join(", ");
  const button = element("button", { type: "button" }, swatch(boxes.kind[box]), element("span", {}, words));
  const tr = element("tr", {}, element("td", {}, button), element("td", {}, data.labels[boxes.label[box]]),
    element("td", { class: "number" }, score === NO_SCORE ? "–" : (score / SCORE_UNITS).toFixed(3)),
    element("td", { class: "number" }, `${extent("left", "right", width)}×${extent("top", "bottom", height)}`));
  const mark = (on) => {
    const others = at("box-list").querySelectorAll("tbody tr");
    for (const other of others) other.classList.toggle("picked", on && other === tr);
    pick(on ? box : -1);
  };
  tr.addEventListener("pointerenter", () => mark(true));
  tr.addEventListener("pointerleave", () => mark(false));
  button.addEventListener("focus", () => mark(true));
  button.addEventListener("blur", () => mark(false));
  return tr;
}

export function renderDetail() {
  const image = state.image, boxes = sides().map((detector) => listed(image, detector));
  renderFacts(image, boxes);
  const home = at("detail-picture"), keys = boxes.map(({ detector }) => keyOf(image, detector));
  const same = keys.join() === [...home.children].map((figure) => figure.dataset.key).join();
  if (!same) {
    frames.disconnect();
    home.replaceChildren(...boxes.map(({ detector }) => newView(image, detector)));
    zoomAnew();
  }
  const drawn = boxes.map((of, i) => renderPicture(home.children[i], image, of));
  tagsToPlace = drawn.map(({ place }) => place);
  for (const place of tagsToPlace) place();

  const head = ["Outcome", "Label", "Score", "Size, px"].map((title, i) =>
    element("th", { scope: "col", class: i > 1 ? "number" : "" }, title));
  const bodies = boxes.map((of, i) => {
    const rows = of.shown.map((box) => boxRow(image, of, box, drawn[i].pick));
    const none = element("p", { class: "help" }, of.all.length ? "All are switched off." : "It has none.");
    if (!rows.length) rows.push(element("tr", {}, element("td", { colspan: 4 }, none)));
    const whose = element("tr", {}, element("th", { scope: "rowgroup", colspan: 4 }, nameOf(of.detector)));
    return element("tbody", {}, ...(boxes.length > 1 ? [whose] : []), ...rows);
  });
  at("box-list").replaceChildren(
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), ...bodies));
  renderRanks(image);
}

function renderRanks(image) {
  at("ranks").hidden = data.rankings.length < 2;
  const focused = document.activeElement?.dataset?.ranking;
  const ofDetector = (detector) => {
    const estimators = unique(rankingsOf(detector).map((one) => one.estimator));
    const definitions = definitionsOf(detector);
    const cell = (definition, estimator) => {
      const index = findRanking(detector, definition, estimator);
      if (index < 0) return element("td");
      const hardness = number(hardnessOf(index)[image]);
      const title = `${called(definition)}; ${called(estimator)}: hardness ${hardness}. Rank by it.`;
      const rank = String(rankOf(index, image) || "–");
      const button = element("button", { type: "button", "data-ranking": index, title }, rank);
      if (index === ranking()) button.setAttribute("aria-current", "true");
      return element("td", {}, button);
    };
    const row = (estimator) => element("tr", {}, element("th", { scope: "row" }, called(estimator)),
      ...definitions.map((definition) => cell(definition, estimator)));
    const head = element("tr", {}, element("th"),
      ...definitions.map((definition) => element("th", { scope: "col" }, called(definition))));
    return wide(`Ranks by ${nameOf(detector)}`, element("table", { class: "figures" },
      element("caption", {}, nameOf(detector)), element("thead", {}, head),
      element("tbody", {}, ...estimators.map(row))));
  };
  at("rank-list").replaceChildren(...data.detectors.map((_, detector) => ofDetector(detector)));
  if (focused) at("rank-list").querySelector(`[data-ranking="${focused}"]`)?.focus({ preventScroll: true });
}

export function step(by) {
  const place = placeOf(state.image);
  if (place === undefined || order[place + by] === undefined) return;
  change({ image: order[place + by] });
}

/** Open or close the dialog, as the state says. */
export function renderDialog() {
  if (state.open && !detail.open) {
    at("filters-in-detail").append(at("filters"));
    detail.showModal();
    detail.focus(); // not a button, which Enter would press at once
  }
  if (!state.open && detail.open) detail.close();
  if (state.open) renderDetail();
}

export function buildDetail() {
  at("things").textContent = titleOfThings;
  at("rank-list").addEventListener("click", (event) => {
    const index = event.target.closest("button")?.dataset.ranking;
    if (index === undefined) return;
    const { detector, definition, estimator } = data.rankings[index];
    change({ detector, definition, estimator, beside: detector === state.beside ? state.detector : state.beside });
  });
}
