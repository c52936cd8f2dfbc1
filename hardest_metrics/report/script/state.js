// What one has chosen, and who is told when that changes.
import {
  data, definitionsOf, estimatorsOf, findRanking, rankingsOf, unique, FN, FP, LABELS, TP, UNJUDGED,
} from "./data.js";

export const VIEWS = ["images", "agreement", "plots", "about"];
export const AT_FIRST = [TP, FP, FN, UNJUDGED]; // kinds of boxes that are shown before one picks
export const state = {
  view: "images",
  detector: data.rankings[0].detector,
  beside: -1, // the detector shown beside it
  definition: data.rankings[0].definition,
  estimator: data.rankings[0].estimator,
  sort: "rank",
  descending: false,
  search: "",
  kinds: new Set(AT_FIRST),
  hiddenCauses: new Set(),
  hiddenLabels: new Set(),
  leastScore: 0,
  picked: new Set(), // images, by hand
  onlyPicked: false,
  image: -1, // the one that the keyboard is on
  open: false, // whether it is shown in detail
};

export const ranking = () => findRanking(state.detector, state.definition, state.estimator);
export const rankingBeside = () => findRanking(state.beside, state.definition, state.estimator);
export const truth = () => state.estimator === LABELS ? -1 : findRanking(state.detector, state.definition, LABELS);

/** Detectors that can be shown beside the chosen one: ranked in the same way. */
export const othersOf = () => data.detectors.map((_, detector) => detector).filter((detector) =>
  detector !== state.detector && findRanking(detector, state.definition, state.estimator) >= 0);
/** The detectors in view: one or two. */
export const sides = () => state.beside < 0 ? [state.detector] : [state.detector, state.beside];

/** How a table is sorted before one sorts it. */
export const sortedAtFirst = (beside = state.beside) =>
  beside < 0 ? { sort: "rank", descending: false } : { sort: "difference", descending: true };

/** Choose the nearest ranking there is: other detectors may lack a definition or an estimator. */
export function settle() {
  const nearest = (wanted, there) => there.includes(wanted) ? wanted : there[0];
  state.detector = nearest(state.detector, unique(data.rankings.map((one) => one.detector)));
  state.definition = nearest(state.definition, definitionsOf(state.detector));
  state.estimator = nearest(state.estimator, estimatorsOf(state.detector, state.definition));
  if (!othersOf().includes(state.beside)) state.beside = -1;
  if (!state.picked.size) state.onlyPicked = false;
  if (state.image < 0) state.open = false;
}

const listeners = [];
/** Have a function called after every change, in the order in which they are named. */
export const onChange = (listener) => listeners.push(listener);

export function change(changes) {
  Object.assign(state, changes);
  settle();
  for (const listener of listeners) listener();
}

export const toggled = (set, value, on) => {
  const result = new Set(set);
  if (on) result.add(value); else result.delete(value);
  return result;
};

export const rankedDetectors = () => data.detectors.map((_, detector) => detector)
  .filter((detector) => rankingsOf(detector).length);
