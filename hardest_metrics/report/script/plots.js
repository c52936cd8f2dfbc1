// Plots of whole rankings: of the definition and the estimator chosen, and of what is picked.
import { called, data, findRanking, nameOf, rankingsOf, unique, LABELS } from "./data.js";
import { at, element, number, wide } from "./dom.js";
import { chart } from "./chart.js";
import { rankedBy } from "./columns.js";
import { order } from "./order.js";
import { hardnessOf } from "./shown.js";
import { sides, state } from "./state.js";

const BINS = 30;
const LOOKS = ["first", "second"];
const whose = (name) => sides().map(nameOf).join(" and ") + ": " + name;
const rankedOf = (detector) => findRanking(detector, state.definition, state.estimator);

/** Values of the images in the table, without those that have none. */
const valuesOf = (index) => {
  const hardness = hardnessOf(index);
  return Float64Array.from(order.filter((image) => !Number.isNaN(hardness[image])), (image) => hardness[image]);
};

function distribution() {
  const values = sides().map((detector) => valuesOf(rankedOf(detector)));
  const most = values.reduce((most, some) => some.reduce((a, b) => Math.max(a, b), most), 0);
  const counted = most < 50 && values.every((some) => some.every((value) => value >= 0 && Number.isInteger(value)));
  const bin = counted ? 1 : (most || 1) / BINS, bins = counted ? most + 1 : BINS;
  const series = values.map((some, i) => {
    const heights = new Float64Array(bins);
    for (const value of some) heights[Math.min(Math.floor(Math.max(value, 0) / bin), bins - 1)]++;
    const mean = some.reduce((a, b) => a + b, 0) / some.length;
    const points = [...heights].map((height, j) => [counted ? j : bin * (j + 0.5), height]);
    return { name: `${nameOf(sides()[i])}, mean ${number(mean)}`, look: LOOKS[i], points,
      bars: bin * (values.length > 1 && i ? 0.5 : 0.94) };
  });
  const mostY = Math.max(1, ...series.flatMap(({ points }) => points.map(([, height]) => height)));
  const title = whose(`hardness of ${order.length === 1 ? "1 image" : `${order.length} images`}`);
  return chart({ title, x: `Hardness: ${rankedBy()}`, y: "Images", leastX: counted ? -0.5 : 0,
    mostX: counted ? most + 0.5 : bin * bins, mostY: mostY * 1.05, series });
}

/** What is met of true hardness from the estimated hardest image down, those of equal estimate in no order. */
function met(estimated, true_) {
  const images = [...estimated.keys()].sort((a, b) => estimated[b] - estimated[a]);
  const total = true_.reduce((a, b) => a + b, 0), points = [[0, 0]];
  let sum = 0;
  for (let from = 0; from < images.length;) {
    let to = from;
    while (to < images.length && estimated[images[to]] === estimated[images[from]]) sum += true_[images[to++]];
    points.push([100 * to / images.length, 100 * sum / total]);
    from = to;
  }
  return thinned(points);
}

const thinned = (points) => {
  const every = Math.ceil(points.length / 500);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
};

function budget() {
  const series = [];
  for (const [i, detector] of sides().entries()) {
    const index = rankedOf(detector), truth = findRanking(detector, state.definition, LABELS);
    if (truth < 0) return [];
    const [estimated, true_] = [hardnessOf(index), hardnessOf(truth)];
    const images = order.filter((image) => !Number.isNaN(estimated[image]) && !Number.isNaN(true_[image]));
    const [a, b] = [estimated, true_].map((of) => Float64Array.from(images, (image) => of[image]));
    if (!b.some((value) => value > 0)) return [];
    const whoseLine = sides().length > 1 ? `${nameOf(detector)}: ` : "";
    const name = whoseLine + called(state.estimator);
    if (state.estimator !== LABELS) series.push({ name, look: LOOKS[i], points: met(a, b) });
    series.push({ name: `${whoseLine}perfect, going by the labels`, look: `${LOOKS[i]} perfect`, points: met(b, b) });
  }
  series.push({ name: "at random", look: "chance", points: [[0, 0], [100, 100]] });
  return [chart({ title: whose("hardness met with a labelling budget"), x: "Share of images labelled, %",
    y: "Share of hardness met, %", mostX: 100, mostY: 100, series, help: `Hardness: ${called(state.definition)}.` })];
}

function meanRanks(values) {
  const places = [...values.keys()].sort((a, b) => values[a] - values[b]), ranks = new Float64Array(values.length);
  for (let from = 0; from < places.length;) {
    let to = from;
    while (to < places.length && values[places[to]] === values[places[from]]) to++;
    for (let i = from; i < to; i++) ranks[places[i]] = (from + to - 1) / 2;
    from = to;
  }
  return ranks;
}

function pearson(a, b) {
  const n = a.length, mean = (of) => of.reduce((x, y) => x + y, 0) / n, [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Which definitions rank the images alike, by the estimator chosen. */
function correlation(detector) {
  const own = rankingsOf(detector).filter(({ estimator }) => estimator === state.estimator);
  const definitions = unique(own.map(({ definition }) => definition));
  if (definitions.length < 2) return [];
  const ranks = definitions.map((definition) =>
    meanRanks(valuesOf(findRanking(detector, definition, state.estimator))));
  const title = `${nameOf(detector)}: definitions that rank the images alike, ${called(state.estimator)}`;
  const cell = (i, j) => {
    const value = ranks[i].length === ranks[j].length ? pearson(ranks[i], ranks[j]) : NaN;
    const td = element("td", {}, Number.isFinite(value) ? value.toFixed(2) : "–");
    td.style.setProperty("--share", `${Math.round(60 * Math.max(value || 0, 0))}%`);
    return td;
  };
  const heading = (name, scope) => element("th", { scope }, called(name));
  const head = element("tr", {}, element("th"), ...definitions.map((name) => heading(name, "col")));
  const rows = definitions.map((name, i) => {
    const tr = element("tr", {}, heading(name, "row"), ...definitions.map((_, j) => cell(i, j)));
    if (name === state.definition) tr.setAttribute("aria-current", "true");
    return tr;
  });
  return [element("figure", { class: "correlation" }, element("figcaption", {}, title),
    wide(title, element("table", { class: "figures" }, element("thead", {}, head), element("tbody", {}, ...rows))),
    element("p", { class: "help" }, "Spearman's correlation of hardness, from −1 to 1."))];
}

/** How often detections are right, by score: as it is, and calibrated as the chosen estimator calibrates it. */
function reliability(detector) {
  const method = state.estimator.split("+")[1] ?? "";
  const own = data.reliability.filter((one) => one.detector === detector && ["", method].includes(one.method));
  if (!own.length) return [];
  const series = own.map(({ method, bins, error }, i) => ({
    name: `${method ? `calibrated: ${method}` : "scores"}, expected calibration error ${number(error)}`,
    look: LOOKS[i], points: bins.map(([stated, right]) => [stated, right]),
    whiskers: bins.map(([stated, , low, high]) => [stated, low, high]),
  }));
  series.push({ name: "as stated", look: "chance", points: [[0, 0], [1, 1]] });
  return [chart({ title: `${nameOf(detector)}: scores as probabilities`, y: "Share that is right",
    x: "Stated probability of a detection to be right", mostX: 1, mostY: 1, series,
    help: "Of all detections and labels, whatever is picked. Bars are 95 % confidence intervals." })];
}

export function renderPlots() {
  at("plots").replaceChildren(...(order.length ? [distribution(), ...budget(), ...sides().flatMap(correlation)]
    : [element("p", {}, "No image is left to plot: pick more labels or kinds of boxes.")]),
    ...sides().flatMap(reliability));
}
