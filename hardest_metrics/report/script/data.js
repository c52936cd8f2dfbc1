// What the page was made of: images, boxes and rankings. Images are numbered by their place in `data.ids`, which
// ascend.
import { at } from "./dom.js";

export const data = JSON.parse(at("data").textContent);
export const N = data.ids.length;
export const SCALE = 65535, SCORE_UNITS = 10000, NO_SCORE = 65535; // as report/boxes.py packs boxes, and their columns:
export const COLUMNS = 9, SCORE = 4, LABEL = 5, KIND = 6, CAUSE = 7, OBJECT = 8;
export const TP = 0, FP = 1, FN = 2, IGNORED = 3, BELOW = 4, UNJUDGED = 5;
export const KINDS = [
  { one: "True positive", many: "True positives", short: "found", field: "true_positives" },
  { one: "False positive", many: "False positives", short: "false", field: "false_positives" },
  { one: "Missed", many: "Missed objects", short: "missed", field: "false_negatives" },
  { one: "Ignored", many: "Ignored by the query", short: "ignored", field: "ignored" },
  { one: "Below threshold", many: `Score < ${data.threshold}`, short: "below", field: "below_threshold" },
  { one: "Detection", many: "Detections", short: "detections", field: "detections" },
];
// Why an error is one, by TIDE: by number, the kind of error it is of
export const CAUSES = new Map([
  [1, { kind: FP, name: "Localisation", means: "on an object of its label, but not well enough" }],
  [2, { kind: FP, name: "Classification", means: "on an object of another label" }],
  [3, { kind: FP, name: "Duplicate", means: "on an object that was found already" }],
  [4, { kind: FP, name: "Background", means: "on no object" }],
  [5, { kind: FP, name: "Both", means: "somewhat on an object of another label" }],
  [6, { kind: FN, name: "Not seen", means: "no detection is near it" }],
  [7, { kind: FN, name: "Seen wrongly", means: "a wrong place or label, counted among false positives, means it" }],
]);
export const LISTED_IN_ORDER = [FP, FN, UNJUDGED, TP, BELOW, IGNORED]; // errors first
export const COUNTED = data.labelled ? [FP, FN, TP] : [UNJUDGED, BELOW];
export const LABELS = "labels"; // the estimator that goes by labels

function decoded(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}

/** `make(key)`, made when it is first asked for. */
export function lazily(make) {
  const made = new Map();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}

/** Of a detector: where the boxes of each image begin, all boxes, and the boxes that are errors. */
export const boxesOf = lazily((detector) => {
  const given = data.detectors[detector];
  const counts = new Uint32Array(decoded(given.counts)), table = new Uint16Array(decoded(given.boxes));
  given.counts = given.boxes = null; // held twice, they would take twice the memory
  const first = new Uint32Array(N + 1);
  for (let image = 0; image < N; image++) first[image + 1] = first[image] + counts[image];
  const weights = Object.fromEntries(Object.entries(given.weights).map(
    ([weighting, values]) => [weighting, new Float32Array(decoded(values))]));
  const there = new Set();
  for (let row = KIND; row < table.length; row += COLUMNS) there.add(table[row]);
  return { first, table, weights, there };
});

/** Hardness by a ranking of all boxes, NaN of images that it does not have. */
export const wholeHardness = lazily((ranking) => new Float32Array(decoded(data.rankings[ranking].hardness)));

export const alphabet = new Intl.Collator("en", { numeric: true }).compare; // 2 before 10
export const byName = lazily(() => {
  const order = [...data.names.keys()].sort((a, b) => alphabet(data.names[a], data.names[b]) || a - b);
  const places = new Uint32Array(N);
  order.forEach((image, place) => { places[image] = place; });
  return places;
});

export const unique = (values) => [...new Set(values)];
export const rankingsOf = (detector) => data.rankings.filter((ranking) => ranking.detector === detector);
export const definitionsOf = (detector) => unique(rankingsOf(detector).map((ranking) => ranking.definition));
export const estimatorsOf = (detector, definition) =>
  rankingsOf(detector).filter((ranking) => ranking.definition === definition).map((ranking) => ranking.estimator);
export const findRanking = (detector, definition, estimator) => data.rankings.findIndex((ranking) =>
  ranking.detector === detector && ranking.definition === definition && ranking.estimator === estimator);

/** What definitions, estimators and measures are called where people read. */
export const called = (name) => data.words[name] ?? name;
export const nameOf = (detector) => data.detectors[detector].name;
