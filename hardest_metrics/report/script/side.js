// What one chooses and filters by, with counts of what is shown.
import {
  alphabet, called, CAUSES, COUNTED, data, boxesOf, definitionsOf, estimatorsOf, KINDS, LISTED_IN_ORDER, N, nameOf,
  titleOfThings,
} from "./data.js";
import { at, element, grouped, number, plural, setText, swatch } from "./dom.js";
import { order, searched } from "./order.js";
import { amounts, followsFromBoxes, hardnessOf, isRestricted } from "./shown.js";
import { change, othersOf, ranking, rankingBeside, sides, sortedAtFirst, state, toggled, AT_FIRST } from "./state.js";

function fillSelect(select, names, chosen) {
  const texts = [...select.options].map((option) => option.textContent);
  if (texts.length !== names.length || texts.some((text, i) => text !== names[i])) {
    select.replaceChildren(...names.map((name, i) => element("option", { value: i }, name)));
  }
  select.value = chosen;
  select.disabled = names.length < 2;
}

export function renderChoice() {
  const definitions = definitionsOf(state.detector), estimators = estimatorsOf(state.detector, state.definition);
  fillSelect(at("detector"), data.detectors.map(({ name }) => name), state.detector);
  fillSelect(at("definition"), definitions.map(called), definitions.indexOf(state.definition));
  fillSelect(at("estimator"), estimators.map(called), estimators.indexOf(state.estimator));
  const others = othersOf();
  at("beside-home").hidden = !others.length;
  fillSelect(at("beside"), ["none", ...others.map(nameOf)], others.indexOf(state.beside) + 1);
  if (at("search").value !== state.search) at("search").value = state.search;
}

/** Amounts of all detectors in view, of one image where it is shown in detail. */
export function renderFilters() {
  const images = state.open ? [state.image] : searched;
  const of = sides().map((detector) => amounts(detector, images));
  const fill = (home, name, part, isOn) => {
    for (const label of at(home).querySelectorAll(`label[data-${name}]`)) {
      const key = Number(label.dataset[name]);
      label.firstChild.checked = isOn(key);
      setText(label.lastChild, of.map((one) => grouped(one[part][key])).join(" | "));
    }
  };
  fill("kinds", "kind", "kinds", (kind) => state.kinds.has(kind));
  fill("kinds", "cause", "causes", (cause) => !state.hiddenCauses.has(cause));
  fill("label-list", "label", "labels", (label) => !state.hiddenLabels.has(label));
  for (const label of at("kinds").querySelectorAll("label[data-cause]")) {
    label.querySelector("input").disabled = !state.kinds.has(CAUSES.get(Number(label.dataset.cause)).kind);
  }
  at("filters-of").textContent = state.open ? "of this image" : sides().map(nameOf).join(" | ");
  const all = data.labels.length, shown = all - state.hiddenLabels.size;
  at("labels-shown").textContent = shown === all ? `(all ${all})` : `(${shown} of ${all})`;
  at("least-score").value = state.leastScore;
  at("least-score-shown").textContent = state.leastScore.toFixed(2);
  at("reset").hidden = !isRestricted();
  at("estimate-note").hidden = !isRestricted() || followsFromBoxes(data.rankings[ranking()]);
}

export function renderSummary() {
  const some = order.length < N;
  at("found").textContent = (some ? `${grouped(order.length)} of ` : "") + plural(N, "image");
  const facts = (index) => {
    const hardness = hardnessOf(index), ranked = order.filter((image) => !Number.isNaN(hardness[image]));
    const mean = ranked.reduce((sum, image) => sum + hardness[image], 0) / ranked.length;
    const above = ranked.filter((image) => hardness[image] > 0).length;
    return `mean hardness ${number(mean)} · ${grouped(above)} (${(100 * above / ranked.length || 0).toFixed(0)} %)` +
      " above 0";
  };
  const named = (index, detector) => `${nameOf(detector)}: ${facts(index)}`;
  at("summary").textContent = [
    some ? `${grouped(order.length)} of ${plural(N, "image")}` : plural(N, "image"),
    ...(state.beside < 0 ? [facts(ranking())]
      : [named(ranking(), state.detector), named(rankingBeside(), state.beside)]),
  ].join(" · ");
}

function newToggle(dataName, value, marks, text, title = "") {
  const box = element("input", { type: "checkbox" });
  return element("label", { [`data-${dataName}`]: value, title }, box, ...marks, element("span", {}, text),
    element("span", { class: "amount" }));
}

function buildFilters() {
  at("filters").querySelector("h2").textContent = titleOfThings;
  const there = new Set(data.detectors.flatMap((_, detector) => [...boxesOf(detector).there]));
  for (const kind of LISTED_IN_ORDER.filter((kind) => COUNTED.includes(kind) || there.has(kind))) {
    at("kinds").append(newToggle("kind", kind, [swatch(kind)], KINDS[kind].many));
    const causes = [...CAUSES].filter(([, cause]) => data.labelled && cause.kind === kind);
    if (!causes.length) continue;
    at("kinds").append(element("details", { class: "causes" }, element("summary", {}, "by cause"),
      ...causes.map(([number, { name, means }]) => newToggle("cause", number, [], name, means))));
  }
  const alphabetical = [...data.labels.keys()].sort((a, b) => alphabet(data.labels[a], data.labels[b]));
  at("label-list").append(...alphabetical.map((index) => newToggle("label", index, [], data.labels[index])));
  at("filters").open = matchMedia("(min-width: 1241px)").matches;
  const lacking = Object.keys(data.problems).length;
  if (lacking) {
    at("problems").hidden = false;
    at("problems").textContent = plural(lacking, "image has", "images have") +
      " no picture: the boxes are drawn on an empty canvas, and the table says why.";
  }
}

export function buildSide() {
  buildFilters();
  at("detector").addEventListener("change", ({ target }) => {
    const detector = Number(target.value); // the one beside it takes its place, rather than being alone
    change({ detector, beside: detector === state.beside ? state.detector : state.beside });
  });
  at("beside").addEventListener("change", ({ target }) => {
    const beside = [-1, ...othersOf()][target.value];
    change({ beside, ...((state.beside < 0) === (beside < 0) ? {} : sortedAtFirst(beside)) });
  });
  at("definition").addEventListener("change", ({ target }) =>
    change({ definition: definitionsOf(state.detector)[target.value] }));
  at("estimator").addEventListener("change", ({ target }) =>
    change({ estimator: estimatorsOf(state.detector, state.definition)[target.value] }));
  at("search").addEventListener("input", ({ target }) => change({ search: target.value }));
  at("kinds").addEventListener("change", ({ target }) => {
    const { kind, cause } = target.closest("label").dataset;
    if (kind !== undefined) change({ kinds: toggled(state.kinds, Number(kind), target.checked) });
    else change({ hiddenCauses: toggled(state.hiddenCauses, Number(cause), !target.checked) });
  });
  at("label-list").addEventListener("change", ({ target }) => {
    const label = Number(target.closest("label").dataset.label);
    change({ hiddenLabels: toggled(state.hiddenLabels, label, !target.checked) });
  });
  at("all-labels").addEventListener("click", () => change({ hiddenLabels: new Set() }));
  at("no-labels").addEventListener("click", () => change({ hiddenLabels: new Set(data.labels.keys()) }));
  at("reset").addEventListener("click", () =>
    change({ kinds: new Set(AT_FIRST), hiddenCauses: new Set(), hiddenLabels: new Set(), leastScore: 0 }));
  at("least-score").addEventListener("input", ({ target }) => change({ leastScore: Number(target.value) }));
}
