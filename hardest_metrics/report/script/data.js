// What the page was made of: images, boxes and rankings. Images are numbered by their place in `data.ids`, which
// ascend.
import { at } from "./dom.js";

export const data = JSON.parse(at("data").textContent);
export const N = data.ids.length;
export const SCALE = 65535, SCORE_UNITS = 10000, NO_SCORE = 65535; // as report/boxes.py packs boxes
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

export const THINGS = {
  segm: { one: "mask", many: "masks" }, keypoints: { one: "skeleton", many: "skeletons" },
}[data.shapes] ?? { one: "box", many: "boxes" };
export const titleOfThings = THINGS.many[0].toUpperCase() + THINGS.many.slice(1);

const BOX = ["left", "top", "right", "bottom", "score", "label", "kind", "cause", "object"];

/**
 * Of a detector: a column for each property of its boxes, image by image; `first` of each image; `errors`, which boxes
 * are, with `firstError` of each image and `weights` of each; `there`, the kinds that occur.
 */
export const boxesOf = lazily((detector) => {
  const given = data.detectors[detector];
  const counts = new Uint32Array(decoded(given.counts)), all = new Uint16Array(decoded(given.boxes));
  const n = all.length / BOX.length, first = new Uint32Array(N + 1), firstError = new Uint32Array(N + 1);
  const boxes = Object.fromEntries(BOX.map((name, i) => [name, all.subarray(i * n, (i + 1) * n)]));
  const weights = Object.fromEntries(Object.entries(given.weights).map(
    ([weighting, values]) => [weighting, new Float32Array(decoded(values))]));
  const drawn = given.lines && linesOf(given.lines);
  given.counts = given.boxes = given.weights = given.lines = null; // held twice, they would take twice the memory
  const errors = new Uint32Array(n), there = new Set();
  let error = 0;
  for (let image = 0; image < N; image++) {
    first[image + 1] = first[image] + counts[image];
    for (let box = first[image]; box < first[image + 1]; box++) {
      const kind = boxes.kind[box];
      if (kind === FP || kind === FN) errors[error++] = box;
      there.add(kind);
    }
    firstError[image + 1] = error;
  }
  return { ...boxes, first, errors: errors.slice(0, error), firstError, weights, there, drawn };
});

const POINT_SCALE = 8192, NOT_LABELLED = -32768; // as report/lines.py packs them
const starts = (counts) => {
  const first = new Uint32Array(counts.length + 1);
  counts.forEach((count, i) => { first[i + 1] = first[i] + count; });
  return first;
};

/** Of masks or keypoints: `points`, `firstPoint` of each polygon or object, `firstPart` of each box. */
function linesOf(given) {
  const counts = (name) => new Uint16Array(decoded(given[name]));
  return {
    points: new Int16Array(decoded(given.points)), firstPoint: starts(counts("lengths")),
    firstPart: starts(counts("counts")),
  };
}

/** Polygons of a mask, or one list of keypoints, as [x, y] in the coordinates of boxes; null where one is not there. */
export function pointsOf({ drawn }, box) {
  const { points, firstPoint, firstPart } = drawn, parts = [];
  const inBoxes = (i) => Math.round(points[i] * SCALE / POINT_SCALE);
  for (let part = firstPart[box]; part < firstPart[box + 1]; part++) {
    const those = [];
    for (let i = 2 * firstPoint[part]; i < 2 * firstPoint[part + 1]; i += 2) {
      those.push(points[i] === NOT_LABELLED ? null : [inBoxes(i), inBoxes(i + 1)]);
    }
    parts.push(those);
  }
  return parts;
}

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
