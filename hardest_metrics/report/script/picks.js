// Images picked by hand, and files of these, or of all that the table shows.
import { data, lazily } from "./data.js";
import { at, element, grouped, plural } from "./dom.js";
import { order, shownColumns } from "./order.js";
import { change, state, toggled } from "./state.js";

// As data/spreadsheet.py: where a cell begins, and spreadsheets of some countries split at semicolons
const FORMULA = /(^|[;,\t\r\n|])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n])/g;
const inert = (text) => text.replace(FORMULA, "$1'");

export const isPicked = () => state.picked.has(state.image);
export const togglePick = (image) =>
  change({ image, picked: toggled(state.picked, image, !state.picked.has(image)) });

/** What is exported: what is picked where something is, in the order of the table; those that it hides come last. */
function exported() {
  if (!state.picked.size) return order;
  const inTable = order.filter((image) => state.picked.has(image)), shown = new Set(inTable);
  return [...inTable, ...[...state.picked].filter((image) => !shown.has(image)).sort((a, b) => a - b)];
}

/** The fewest digits that stand for a single-precision number and for no other. */
function exact(value) {
  if (!Number.isFinite(value)) return "";
  for (let digits = 6; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === Math.fround(value)) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

/** Comma-separated values as RFC 4180 has them. */
export function csv(images, forSpreadsheets) {
  const fields = shownColumns.filter(({ field }) => field);
  const quoted = (text) => /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
  const cell = (value) => {
    if (typeof value === "number") return exact(value);
    return quoted(forSpreadsheets ? inert(String(value)) : String(value));
  };
  const line = (values) => values.map(cell).join(",");
  const value = ({ text, values }, image) => text ? text(image) : values[image];
  return [
    line(fields.map(({ field }) => field)),
    ...images.map((image) => line(fields.map((field) => value(field, image)))),
  ].map((row) => `${row}\r\n`).join("");
}

function save(text, type, name) {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const isLine = (name) => !/[\r\n]/.test(name); // a list of lines cannot hold others

/** Images whose names or ids need a word of warning, looked for once: most sets have none. */
const awkward = lazily(() => {
  const those = (test) => new Set([...data.names.keys()].filter(test));
  const isFormula = (text) => inert(text) !== text;
  return {
    broken: those((image) => !isLine(data.names[image])),
    lossy: those((image) => !(data.names[image].isWellFormed?.() ?? true)),
    formulas: those((image) => isFormula(data.names[image]) || isFormula(data.ids[image])),
  };
});

/** What to know of the names that are exported. */
function warnings(images) {
  const of = (kind) => awkward()[kind].size ? images.filter((image) => awkward()[kind].has(image)).length : 0;
  const [broken, lossy, formulas] = ["broken", "lossy", "formulas"].map(of);
  return [
    broken && `${plural(broken, "name holds a line break, and is", "names hold line breaks, and are")} left out of` +
      " the list of file names: take the CSV.",
    lossy && `${plural(lossy, "name is", "names are")} no text that a file can hold: go by the image id.`,
    formulas && !at("for-spreadsheets").checked &&
      `${plural(formulas, "image has", "images have")} a name or id that a spreadsheet would run as a formula.`,
  ].filter(Boolean);
}

export function renderPicks() {
  const images = exported(), picked = state.picked.size;
  at("picked-count").textContent = picked ? `${grouped(picked)} picked` : "None picked";
  at("export-what").textContent = picked ? `Save the ${plural(picked, "image")} picked` :
    `Save the ${plural(images.length, "image")} in the table`;
  at("only-picked").checked = state.onlyPicked;
  for (const id of ["only-picked", "drop-picks"]) at(id).disabled = !picked;
  for (const id of ["pick-all", "save-csv", "save-names"]) at(id).disabled = !images.length;
  const notes = warnings(images);
  at("export-notes").replaceChildren(...notes.map((note) => element("p", {}, note)));
  at("export-notes").hidden = !notes.length;
}

export function buildPicks() {
  at("picks").open = matchMedia("(min-width: 1241px)").matches;
  at("pick-all").addEventListener("click", () => change({ picked: new Set([...state.picked, ...order]) }));
  at("drop-picks").addEventListener("click", () => change({ picked: new Set() }));
  at("only-picked").addEventListener("change", ({ target }) => change({ onlyPicked: target.checked }));
  at("for-spreadsheets").addEventListener("change", renderPicks);
  at("save-csv").addEventListener("click", () =>
    save(csv(exported(), at("for-spreadsheets").checked), "text/csv", "images.csv"));
  at("save-names").addEventListener("click", () => {
    const names = exported().map((image) => data.names[image]).filter(isLine);
    save(names.map((name) => `${name}\n`).join(""), "text/plain", "images.txt");
  });
}
