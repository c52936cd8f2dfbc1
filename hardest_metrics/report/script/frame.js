// Pictures with boxes on them.
import {
  boxesOf, data, CAUSE, CAUSES, COLUMNS, FN, FP, IGNORED, KIND, KINDS, LABEL, NO_SCORE, OBJECT, SCALE, SCORE,
  SCORE_UNITS, BELOW, TP, UNJUDGED,
} from "./data.js";
import { element, lines, svgElement } from "./dom.js";
import { missedIn, showing } from "./shown.js";
import { sides } from "./state.js";

export const DRAWN_IN_ORDER = [IGNORED, BELOW, UNJUDGED, TP, FN, FP]; // errors on top

export const outline = (table, row) =>
  `M${table[row]} ${table[row + 1]}H${table[row + 2]}V${table[row + 3]}H${table[row]}Z`;

/** A picture, or an empty canvas of its shape, under an empty drawing. */
export function newFrame(image) {
  const [width, height] = [data.sizes[2 * image], data.sizes[2 * image + 1]];
  const frame = element("div", { class: "frame" });
  frame.style.setProperty("--aspect", width / height);
  const address = data.pictures?.[image];
  if (address) {
    const picture = element("img", { alt: "", decoding: "async", loading: "lazy", draggable: "false" });
    picture.src = address;
    frame.append(picture);
  } else if (data.problems[image]) {
    frame.append(element("span", { class: "lack" }, `No picture: ${data.problems[image]}`));
  }
  frame.append(svgElement("svg", {
    class: "boxes", viewBox: `0 0 ${SCALE} ${SCALE}`, preserveAspectRatio: "none", "aria-hidden": "true",
  }));
  return frame;
}

/** One path a kind: a thumbnail may have hundreds of boxes. */
export function drawThumbnail(svg, image, detector) {
  const { first, table } = boxesOf(detector), isShown = showing();
  const paths = KINDS.map(() => "");
  for (let box = first[image]; box < first[image + 1]; box++) {
    if (isShown(table, box)) paths[table[box * COLUMNS + KIND]] += outline(table, box * COLUMNS);
  }
  const drawn = DRAWN_IN_ORDER.filter((kind) => paths[kind]);
  svg.replaceChildren(...drawn.flatMap((kind) => lines(kind, paths[kind])));
}

/** A function that tells what the other detector in view made of the object of a box; nothing where there is none. */
export function verdictOfOther(detector, image) {
  const other = sides().find((one) => one !== detector), { table } = boxesOf(detector);
  if (other === undefined || !data.labelled) return () => "";
  const missed = missedIn(other, image);
  return (box) => {
    const row = box * COLUMNS, kind = table[row + KIND];
    if (kind === TP && missed.has(table[row + OBJECT])) return "only here";
    return kind === FN && !missed.has(table[row + OBJECT]) ? "found by the other" : "";
  };
}

/** What is said of a box: its kind, and why an error is one. */
export function outcomeOf(table, box) {
  const row = box * COLUMNS, cause = CAUSES.get(table[row + CAUSE]);
  return KINDS[table[row + KIND]].one + (cause ? `: ${cause.name.toLowerCase()}` : "");
}

export function labelAndScore(table, box) {
  const row = box * COLUMNS, score = table[row + SCORE];
  return data.labels[table[row + LABEL]] + (score === NO_SCORE ? "" : ` ${(score / SCORE_UNITS).toFixed(2)}`);
}
