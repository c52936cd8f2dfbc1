// What the table shows of images, and what is exported: a heading, values to sort by, a cell to fill in.
import { byName, called, data, nameOf, COUNTED, KINDS } from "./data.js";
import { element, number, signed } from "./dom.js";
import { foundOnlyBy, hardnessOf, ranksOf, shownOf } from "./shown.js";
import { ranking, rankingBeside, state, truth } from "./state.js";

const TAIL = 16; // letters at the end of a file name that are always shown

function meterOf(hardness, most) {
  return (image) => {
    const bar = element("span");
    bar.style.width = `${most > 0 ? 100 * Math.max(hardness[image] || 0, 0) / most : 0}%`;
    return element("span", { class: "meter", "aria-hidden": "true" }, bar);
  };
}

/** A file name; where there is no room, the middle is left out. */
function nameCell(image) {
  const problem = data.problems[image], letters = [...data.names[image]];
  const text = element("span", { class: "file", title: data.names[image] },
    element("span", { class: "head" }, letters.slice(0, -TAIL).join("")),
    element("span", {}, letters.slice(-TAIL).join("")));
  return problem ? [text, element("small", {}, `No picture: ${problem}`)] : [text];
}

function pickCell(image) {
  const box = element("input", { type: "checkbox", tabindex: "-1", "aria-label": `Pick ${data.names[image]}` });
  box.checked = state.picked.has(image);
  return [element("label", { class: "pick-mark" }, box)];
}

const largest = (values) => values.reduce((most, value) => value > most ? value : most, 0);

/**
 * Columns of the present choice. `values` are what they sort by, null for the order of ids; `falls`, whether the
 * largest come first; `field`, what a column is called in a file; `text`, what stands there, where it is no value.
 */
export function columns() {
  const chosen = ranking(), ranks = ranksOf(chosen);
  const rank = { key: "rank", title: "Rank", style: "rank", values: ranks, field: "rank",
    text: (image) => ranks[image] || "", cell: (image) => [ranks[image] || "–"] };
  const id = { key: "id", title: "Image id", style: "id", values: null, field: "image_id",
    text: (image) => data.ids[image], cell: (image) => [data.ids[image]] };
  const name = { key: "name", title: "File name", style: "name text", get values() { return byName(); },
    field: "file_name", text: (image) => data.names[image], cell: nameCell };
  const pick = { title: "Picked", style: "pick", cell: pickCell };
  const picture = (detector, title) => ({ title, style: "picture", detector });
  if (state.beside >= 0) {
    return [pick, rank, picture(state.detector, nameOf(state.detector)), picture(state.beside, nameOf(state.beside)),
      name, id, ...sideBySide(chosen, rankingBeside())];
  }
  return [pick, rank, picture(state.detector, "Picture"), name, id, ...ofOne(chosen)];
}

function hardnessColumn(key, title, hardness, most, field) {
  const meter = meterOf(hardness, most);
  return { key, title, short: title === "Hardness" ? "hardness" : title, style: "hardness", values: hardness, falls: true,
    field, cell: (image) => [number(hardness[image]), meter(image)] };
}

function ofOne(chosen) {
  const hardness = hardnessOf(chosen), byLabels = truth(), { perKind } = shownOf(state.detector);
  const found = [hardnessColumn("hardness", "Hardness", hardness, largest(hardness), "hardness")];
  if (byLabels >= 0) {
    const ranks = ranksOf(byLabels);
    found.push({ key: "labels", title: "Rank by labels", short: "by labels", style: "labels", values: ranks,
      field: "rank_by_labels", text: (image) => ranks[image] || "", cell: (image) => [ranks[image] || "–"] });
  }
  return [...found, ...COUNTED.map((kind) => {
    const { short, many, field } = KINDS[kind], values = perKind[kind];
    return { key: short, title: many, short, style: "count", values, falls: true, field,
      cell: (image) => [values[image]] };
  })];
}

function sideBySide(chosen, other) {
  const [a, b] = [hardnessOf(chosen), hardnessOf(other)], most = Math.max(largest(a), largest(b));
  const names = [nameOf(state.detector), nameOf(state.beside)];
  const difference = a.map((value, image) => value - b[image]);
  const columns = [
    hardnessColumn("hardness", names[0], a, most, `hardness ${names[0]}`),
    hardnessColumn("beside", names[1], b, most, `hardness ${names[1]}`),
    { key: "difference", title: "Difference", short: "difference", style: "difference", values: difference, falls: true,
      field: "difference", cell: (image) => [signed(difference[image])] },
  ];
  if (!data.labelled) return columns;
  const pairs = [[state.detector, state.beside], [state.beside, state.detector]];
  return [...columns, ...pairs.map(([own, another], i) => {
    const only = foundOnlyBy(own, another);
    return { key: `only${i}`, title: `Only ${names[i]} found`, short: `only ${names[i]}`, style: "only", values: only,
      falls: true, field: `found only by ${names[i]}`, cell: (image) => [only[image]] };
  })];
}

/** What the ranking is called, for people. */
export const rankedBy = () => `${called(state.definition)}; ${called(state.estimator)}`;
