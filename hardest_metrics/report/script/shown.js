// What is left of boxes, images and hardness under what one has picked.
import { boxesOf, data, lazily, N, unique, wholeHardness, CAUSES, FN, FP, KINDS, LABELS, SCORE_UNITS } from "./data.js";
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

export const choiceOfBoxes = () => [
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

/** Whether each box of a detector is shown, 1 or 0. */
export const shownBoxes = perChoice((detector) => {
  const { kind, cause, label, score } = boxesOf(detector), { kinds, causes, labels, least } = chosen();
  const shown = new Uint8Array(kind.length);
  for (let box = 0; box < shown.length; box++) {
    shown[box] = kinds[kind[box]] & causes[cause[box]] & labels[label[box]] &
      score[box] >= least; // objects, without score, have the highest number
  }
  return shown;
});

/** How many boxes of each kind are shown of every image by a detector, and whether any is. */
export const shownOf = perChoice((detector) => {
  const { first, kind } = boxesOf(detector), shown = shownBoxes(detector);
  const numbers = new Uint32Array(KINDS.length * N), any = new Uint8Array(N);
  for (let image = 0; image < N; image++) {
    for (let box = first[image]; box < first[image + 1]; box++) {
      numbers[kind[box] * N + image] += shown[box];
      any[image] |= shown[box];
    }
  }
  return { perKind: KINDS.map((_, kind) => numbers.subarray(kind * N, (kind + 1) * N)), any };
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
  const { kind, errors, firstError, weights } = boxesOf(ranking.detector), shown = shownBoxes(ranking.detector);
  const own = weights[weighting], counts = KINDS.map((_, kind) => ERRORS[definition].includes(kind));
  const hardness = new Float32Array(N);
  for (let image = 0; image < N; image++) {
    let sum = 0;
    for (let error = firstError[image]; error < firstError[image + 1]; error++) {
      const box = errors[error];
      if (shown[box] && counts[kind[box]]) sum += own ? own[error] : 1;
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

const withSides = (index) => [index, ...sides()].join(" ");
const bestWith = perChoice((key) => {
  const index = Number(key.split(" ")[0]), hardness = hardnessOf(index);
  const order = Uint32Array.from(hardness.keys()).filter(isRanked(index));
  return order.sort((a, b) => hardness[b] - hardness[a] || a - b);
});
/** Images that have something shown, hardest first and ties by id. */
export const imagesByRank = (index) => bestWith(withSides(index));

const ranksWith = perChoice((key) => {
  const ranks = new Uint32Array(N);
  bestWith(key).forEach((image, place) => { ranks[image] = place + 1; });
  return ranks;
});
/** Ranks from 1 among these images; 0 for all others. */
export const ranksOf = (index) => ranksWith(withSides(index));

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

/** Of each image the boxes of objects that a detector missed, in the order of these objects. */
const missedOf = lazily((detector) => {
  const { kind, errors } = boxesOf(detector);
  return errors.filter((box) => kind[box] === FN);
});

/** The objects of an image that a detector missed. */
export function missedIn(detector, image) {
  const { first, object, kind } = boxesOf(detector), missed = new Set();
  for (let box = first[image]; box < first[image + 1]; box++) if (kind[box] === FN) missed.add(object[box]);
  return missed;
}

const onlyWith = perChoice((key) => {
  const [own, other] = key.split(" ").map(Number), [a, b] = [boxesOf(own), boxesOf(other)];
  const [missed, missedByOther] = [missedOf(own), missedOf(other)], { labels } = chosen();
  const only = new Uint32Array(N);
  for (let image = 0, i = 0, j = 0; image < N; image++) { // both are in the order of images, and of objects in these
    const end = a.first[image + 1];
    for (; j < missedByOther.length && missedByOther[j] < b.first[image + 1]; j++) {
      const object = b.object[missedByOther[j]];
      while (i < missed.length && missed[i] < end && a.object[missed[i]] < object) i++;
      const missedByBoth = i < missed.length && missed[i] < end && a.object[missed[i]] === object;
      if (!missedByBoth && labels[b.label[missedByOther[j]]]) only[image]++;
    }
    while (i < missed.length && missed[i] < end) i++;
  }
  return only;
});
/** How many objects of each image, of the labels picked, a detector found that another one missed. */
export const foundOnlyBy = (detector, other) => onlyWith(`${detector} ${other}`);

const searchable = lazily(() => data.names.map((name, image) => `${name}\n${data.ids[image]}`.toLowerCase()));

/** Images that the search finds, among those picked by hand where one asks for these only. */
function found() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const images = [];
  for (let image = 0; image < N; image++) {
    if (state.onlyPicked && !state.picked.has(image)) continue;
    if (!words.length || words.every((word) => searchable()[image].includes(word))) images.push(image);
  }
  return images;
}

const notedFound = { key: "", images: [] };

/** As `found`, the same list as long as the same is asked for. */
export function foundNow() {
  const key = JSON.stringify([state.search, state.onlyPicked && [...state.picked]]);
  if (key !== notedFound.key) Object.assign(notedFound, { key, images: found() });
  return notedFound.images;
}

/** How many boxes of these images there are of every label, kind and cause, of a score that is high enough. */
function tallied(detector, images, least) {
  const { first, kind, cause, label, score } = boxesOf(detector), n = CAUSES.size + 1;
  const tally = new Uint32Array(data.labels.length * KINDS.length * n);
  for (const image of images) {
    for (let box = first[image]; box < first[image + 1]; box++) {
      tally[(label[box] * KINDS.length + kind[box]) * n + cause[box]] += score[box] >= least;
    }
  }
  return tally;
}
const tallyOfAll = lazily((detector) => tallied(detector, Array(N).keys(), 0));

/** Of some images, how many boxes of each kind, cause and label are shown, or would be if it were picked too. */
function counted(detector, images) {
  const { kinds, causes, labels, least } = chosen();
  const tally = images.length === N && !least ? tallyOfAll(detector) : tallied(detector, images, least);
  const of = { kinds: KINDS.map(() => 0), causes: Array(causes.length).fill(0), labels: data.labels.map(() => 0) };
  let place = 0;
  for (let label = 0; label < labels.length; label++) {
    for (let kind = 0; kind < kinds.length; kind++) {
      for (let cause = 0; cause < causes.length; cause++, place++) {
        if (labels[label] && causes[cause]) of.kinds[kind] += tally[place];
        if (labels[label]) of.causes[cause] += tally[place];
        if (causes[cause] && kinds[kind]) of.labels[label] += tally[place];
      }
    }
  }
  return of;
}
const countedLately = perChoice(() => new Map());

/** The same, known already where it was asked for lately. */
export function amounts(detector, images) {
  const lately = countedLately();
  if (lately.get(detector)?.images !== images) lately.set(detector, { images, of: counted(detector, images) });
  return lately.get(detector).of;
}
