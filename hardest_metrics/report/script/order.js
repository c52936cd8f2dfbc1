// Which images the table shows, and in what order.
import { N } from "./data.js";
import { columns } from "./columns.js";
import { anyShown, foundNow, isRestricted, imagesByRank } from "./shown.js";
import { ranking, sortedAtFirst, state } from "./state.js";

export let shownColumns = []; // of the present choice
export let order = []; // images in the order of the table
export let searched = []; // images that the search finds, whatever boxes are picked
const NOWHERE = -1;
const placeIn = new Int32Array(N).fill(NOWHERE); // of images in that order

/** Where an image is in the order of the table; undefined where it is not. */
export const placeOf = (image) => image < 0 || placeIn[image] === NOWHERE ? undefined : placeIn[image];

/** Bring columns and order up to what is chosen. */
export function arrange() {
  shownColumns = columns();
  if (!shownColumns.some(({ key }) => key === state.sort)) Object.assign(state, sortedAtFirst());
  searched = foundNow();
  const hasSome = isRestricted() ? anyShown() : () => true, wanted = new Uint8Array(N);
  for (const image of searched) wanted[image] = Number(hasSome(image));
  const { key, values } = shownColumns.find(({ key }) => key === state.sort);
  const sorted = [], last = []; // images that the ranking does not have come last
  for (const image of imagesByRank(ranking())) {
    if (wanted[image]) (Number.isNaN(values?.[image]) ? last : sorted).push(image);
    wanted[image] = 0;
  }
  for (const image of searched) if (wanted[image]) last.push(image);
  // sorting keeps the order of ranks where values are equal
  if (key === "rank") order = state.descending ? sorted.reverse() : sorted;
  else order = sorted.sort(comparing(values, state.descending ? -1 : 1));
  order = order.concat(last);
  placeIn.fill(NOWHERE);
  order.forEach((image, place) => { placeIn[image] = place; });
}

const comparing = (values, sign) => values ? (a, b) => sign * (values[a] - values[b]) : (a, b) => sign * (a - b);
