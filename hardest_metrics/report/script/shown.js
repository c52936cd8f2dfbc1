// What is left of boxes, images and hardness under what one has picked.
import {
  boxesOf, data, lazily, N, unique, wholeHardness, CAUSE, CAUSES, COLUMNS, FN, FP, KIND, KINDS, LABEL,
  LABELS, OBJECT, SCORE, SCORE_UNITS,
} from "./data.js";
import { AT_FIRST, rankedDetectors, sides, state } from "./state.js";

const ERRORS = { false_positives: [FP], false_negatives: [FN], total_false: [FP, FN] };

/** `make(key)`, made once for every choice of boxes. */
function perChoice(make) {
  let choice = "", made = new Map();
  return (key) => {
    const present = choiceOfBoxes();
    if (present !== choice) [choice, made] = [present, new Map()];
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}

const choiceOfBoxes = () => [
  [...state.kinds].sort(), [...state.hiddenCauses].sort(), [...state.hiddenLabels].sort(), [state.leastScore],
].join("/");

const isThere = lazily(() => new Set(rankedDetectors().flatMap((detector) => [...boxesOf(detector).there])));

/** Whether some of the boxes that are shown at first are picked out. More kinds, such as ignored ones, are no less. */
export const isRestricted = () => AT_FIRST.some((kind) => isThere().has(kind) && !state.kinds.has(kind)) ||
  state.hiddenCauses.size > 0 || state.hiddenLabels.size > 0 || state.leastScore > 0;

/** What is picked, in a form that asks fast. */
const chosen = perChoice(() => ({
  kinds: Uint8Array.from(KINDS, (_, kind) => state.kinds.has(kind)),
  causes: Uint8Array.from({ length: CAUSES.size + 1 }, (_, cause) => !state.hiddenCauses.has(cause)),
  labels: Uint8Array.from(data.labels, (_, label) => !state.hiddenLabels.has(label)),
  least: state.leastScore * SCORE_UNITS,
}));

/** A function that tells whether a box of a table is shown: for a loop, which should not ask anew each time. */
export function showing() {
  const { kinds, causes, labels, least } = chosen();
  return (table, box) => {
    const row = box * COLUMNS;
    return kinds[table[row + KIND]] && causes[table[row + CAUSE]] && labels[table[row + LABEL]] &&
      table[row + SCORE] >= least; // objects, without score, have the highest number
  };
}

/** How many boxes of each kind are shown of every image by a detector, and whether any is. */
export const shownOf = perChoice((detector) => {
  const { first, table } = boxesOf(detector), isShown = showing();
  const perKind = KINDS.map(() => new Uint32Array(N)), any = new Uint8Array(N);
  for (let image = 0; image < N; image++) {
    for (let box = first[image]; box < first[image + 1]; box++) {
      if (!isShown(table, box)) continue;
      perKind[table[box * COLUMNS + KIND]][image]++;
      any[image] = 1;
    }
  }
  return { perKind, any };
});

/** A function that tells whether an image has something of what is picked, by any detector in view. */
export function anyShown() {
  const any = sides().map((detector) => shownOf(detector).any);
  return (image) => any.some((of) => of[image]);
}

/** Whether hardness by a ranking follows from boxes that the page has: an estimate may be of whole images only. */
export function followsFromBoxes({ detector, definition, estimator }) {
  const [kind, weighting] = definition.split("/");
  return estimator === LABELS && data.labelled && kind in ERRORS &&
    (weighting === "none" || weighting in boxesOf(detector).weights);
}

/** Hardness by a ranking, of the boxes that are shown where it follows from boxes. */
export const hardnessOf = perChoice((index) => {
  const ranking = data.rankings[index], whole = wholeHardness(index);
  if (!isRestricted() || !followsFromBoxes(ranking)) return whole;
  const [definition, weighting] = ranking.definition.split("/");
  const { first, table, weights } = boxesOf(ranking.detector);
  const own = weights[weighting], counts = ERRORS[definition], isShown = showing();
  const hardness = new Float32Array(N);
  let error = 0; // its place among all errors
  for (let image = 0; image < N; image++) {
    let sum = 0;
    for (let box = first[image]; box < first[image + 1]; box++) {
      const kind = table[box * COLUMNS + KIND];
      if (kind !== FP && kind !== FN) continue;
      if (counts.includes(kind) && isShown(table, box)) sum += own ? own[error] : 1;
      error++;
    }
    hardness[image] = Number.isNaN(whole[image]) ? NaN : sum;
  }
  return hardness;
});

/** Whether an image is ranked: it has hardness, and something of what is picked by that detector or one in view. */
function isRanked(index) {
  const hardness = hardnessOf(index), detectors = unique([data.rankings[index].detector, ...sides()]);
  const restricted = isRestricted(), any = detectors.map((detector) => shownOf(detector).any);
  return (image) => !Number.isNaN(hardness[image]) && (!restricted || any.some((of) => of[image]));
}

const ranksWith = perChoice((key) => {
  const index = Number(key.split(" ")[0]), hardness = hardnessOf(index);
  const order = Uint32Array.from(hardness.keys()).filter(isRanked(index));
  order.sort((a, b) => hardness[b] - hardness[a] || a - b);
  const ranks = new Uint32Array(N);
  order.forEach((image, place) => { ranks[image] = place + 1; });
  return ranks;
});
/** Ranks from 1 among the images that have something shown, hardest first and ties by id; 0 for all others. */
export const ranksOf = (index) => ranksWith([index, ...sides()].join(" "));

/** The rank of one image, without sorting all. */
export function rankOf(index, image) {
  const hardness = hardnessOf(index), own = hardness[image], counts = isRanked(index);
  if (!counts(image)) return 0;
  let rank = 1;
  for (let other = 0; other < N; other++) {
    if ((hardness[other] > own || (hardness[other] === own && other < image)) && counts(other)) rank++;
  }
  return rank;
}

/** The objects of an image that a detector missed, by their number; of all of them the box. */
export function missedIn(detector, image) {
  const { first, table } = boxesOf(detector), missed = new Map();
  for (let box = first[image]; box < first[image + 1]; box++) {
    if (table[box * COLUMNS + KIND] === FN) missed.set(table[box * COLUMNS + OBJECT], box);
  }
  return missed;
}

const onlyWith = perChoice((key) => {
  const [detector, other] = key.split(" ").map(Number), only = new Uint32Array(N), { table } = boxesOf(other);
  const { labels } = chosen();
  for (let image = 0; image < N; image++) {
    const own = missedIn(detector, image);
    for (const [object, box] of missedIn(other, image)) {
      if (!own.has(object) && labels[table[box * COLUMNS + LABEL]]) only[image]++;
    }
  }
  return only;
});
/** How many objects of each image, of the labels picked, a detector found that another one missed. */
export const foundOnlyBy = (detector, other) => onlyWith(`${detector} ${other}`);

const searchable = lazily(() => data.names.map((name, image) => `${name}\n${data.ids[image]}`.toLowerCase()));

/** Images that the search finds, among those picked by hand where one asks for these only. */
export function found() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const images = [];
  for (let image = 0; image < N; image++) {
    if (state.onlyPicked && !state.picked.has(image)) continue;
    if (!words.length || words.every((word) => searchable()[image].includes(word))) images.push(image);
  }
  return images;
}

/** Of some images, how many boxes of each kind, cause and label are shown, or would be if it were picked too. */
export function amounts(detector, images) {
  const { first, table } = boxesOf(detector), { kinds, causes, labels, least } = chosen();
  const of = { kinds: KINDS.map(() => 0), causes: Array(CAUSES.size + 1).fill(0), labels: data.labels.map(() => 0) };
  for (const image of images) {
    for (let row = first[image] * COLUMNS; row < first[image + 1] * COLUMNS; row += COLUMNS) {
      if (table[row + SCORE] < least) continue;
      const kind = table[row + KIND], cause = table[row + CAUSE], label = table[row + LABEL];
      if (labels[label] && causes[cause]) of.kinds[kind]++;
      if (labels[label]) of.causes[cause]++;
      if (kinds[kind] && causes[cause]) of.labels[label]++;
    }
  }
  return of;
}
