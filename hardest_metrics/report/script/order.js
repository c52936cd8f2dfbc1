// Which images the table shows, and in what order.
import { columns } from "./columns.js";
import { anyShown, found, isRestricted, ranksOf } from "./shown.js";
import { ranking, sortedAtFirst, state } from "./state.js";

export let shownColumns = []; // of the present choice
export let order = []; // images in the order of the table
export let places = new Map(); // of images in that order
export let searched = []; // images that the search finds, whatever boxes are picked

/** Bring columns and order up to what is chosen. */
export function arrange() {
  shownColumns = columns();
  if (!shownColumns.some(({ key }) => key === state.sort)) Object.assign(state, sortedAtFirst());
  searched = found();
  const hasSome = anyShown();
  order = isRestricted() ? searched.filter(hasSome) : [...searched];
  const { values } = shownColumns.find(({ key }) => key === state.sort);
  const ranks = ranksOf(ranking()), sign = state.descending ? -1 : 1;
  // images that the ranking does not have come last
  const last = Uint8Array.from(ranks, (rank, image) => !rank || Number.isNaN(values?.[image]));
  order.sort((a, b) => last[a] - last[b] || sign * ((values ? values[a] - values[b] : a - b) || 0) ||
    ranks[a] - ranks[b] || a - b);
  places = new Map(order.map((image, place) => [image, place]));
}
