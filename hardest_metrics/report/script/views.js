// The views beside the table: agreement with the labels, and how it was all made.
import { called, CAUSES, data, KINDS, BELOW, FN, FP, IGNORED, TP, UNJUDGED } from "./data.js";
import { at, element, wide } from "./dom.js";
import { renderPlots } from "./plots.js";
import { isRestricted } from "./shown.js";
import { change, state, VIEWS } from "./state.js";

function renderAgreement() {
  const { columns, rows } = data.agreement;
  const keys = ["detector", "definition", "estimator"].map((name) => columns.indexOf(name));
  const [inDetector, inDefinition, inEstimator] = keys;
  const measures = [...columns.keys()].filter((i) => !keys.includes(i));
  const own = rows.filter((row) => row[inDefinition] === state.definition);
  const titles = ["Estimator", ...measures.map((i) => called(columns[i]))];
  const head = titles.map((title) => element("th", { scope: "col" }, title));
  const line = (detector, row) => {
    const button = element("button", { type: "button" }, called(row[inEstimator]));
    button.addEventListener("click", () => change({ detector, estimator: row[inEstimator], view: "images" }));
    const tr = element("tr", {}, element("td", {}, button),
      ...measures.map((i) => element("td", {}, row[i] === null ? "–" : row[i].toFixed(3))));
    if (detector === state.detector && row[inEstimator] === state.estimator) tr.setAttribute("aria-current", "true");
    return tr;
  };
  const groups = data.detectors.map(({ name }, detector) => element("tbody", {},
    element("tr", {}, element("th", { scope: "rowgroup" }, name)),
    ...own.filter((row) => row[inDetector] === name).map((row) => line(detector, row))));
  const table = element("table", { class: "figures" }, element("thead", {}, element("tr", {}, ...head)), ...groups);
  at("agreement").replaceChildren(
    element("p", {}, `How well estimates of “${called(state.definition)}” agree with the labels;` +
      " the higher, the better. Choose an estimator to rank by it." +
      (isRestricted() ? " These figures are of all labels and kinds of boxes, whatever is picked." : "")),
    wide(`Agreement with the labels on ${called(state.definition)}`, table));
}

export function buildAbout() {
  const section = (title, ...parts) => element("section", {}, element("h2", {}, title), ...parts);
  const list = (pairs) => element("dl", {},
    ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  const meanings = {
    [TP]: "detection that found an object",
    [FP]: "detection of no object, or of one found already",
    [FN]: "object that no detection found",
    [IGNORED]: "what the query leaves out: crowds and detections on them, other labels and areas, detections past" +
      " the most",
    [BELOW]: `detection of too low a score to take part; at most ${data.mostBelow} of an image are kept here, those` +
      " of highest score",
    [UNJUDGED]: "detection; without labels nothing tells whether it is right",
  };
  const there = [...at("kinds").querySelectorAll("label[data-kind]")].map((label) => Number(label.dataset.kind));
  const causes = there.flatMap((kind) => [...CAUSES.values()].filter((cause) => cause.kind === kind && data.labelled));
  const digest = (text) => element("code", {}, `sha256:${text}`);
  at("about").replaceChildren(
    section("Query", list(data.query), element("p", { class: "help" },
      "Hardness of an image: the sum of its errors, each weighted. Unweighted, an error counts 1; weighted by area," +
      " the share of the image that its box fills; by overlap, the share of the box that true positives cover, each" +
      " counted. Boxes are matched by COCO's protocol. Where labels or kinds of boxes are picked, hardness by labels" +
      " adds up the errors that are shown.")),
    ...(data.notes.length ? [section("Notes", ...data.notes.map((note) => element("p", {}, note)))] : []),
    ...(data.settings.length ? [section("Settings", list(data.settings))] : []),
    ...(data.inputs.length ? [section("Inputs", list(data.inputs.map(([name, hash]) => [name, digest(hash)])))] : []),
    section("Versions", list(data.versions)),
    section("Boxes", list(there.map((kind) => [KINDS[kind].many, meanings[kind]]))),
    ...(causes.length
      ? [section("Causes of errors, after TIDE", list(causes.map(({ name, means }) => [name, means])))] : []),
    section("Keys", list([["↑ ↓ Page Home End", "move in the table"], ["Enter", "show the image large"],
      ["Space", "pick the image, or not"], ["← →", "the image before or after it in the table"],
      ["+ − 0", "enlarge it, less, all of it"], ["Escape", "close"], ["/", "search"]])));
}

export function renderView() {
  for (const view of VIEWS) {
    const chosen = view === state.view;
    at(view).hidden = !chosen;
    at(`tab-${view}`).setAttribute("aria-selected", chosen);
    at(`tab-${view}`).tabIndex = chosen ? 0 : -1;
  }
  at("find").hidden = at("picks").hidden = state.view !== "images";
  at("filters-home").hidden = state.view !== "images" && state.view !== "plots";
  if (state.view === "agreement") renderAgreement();
  if (state.view === "plots") renderPlots();
}
