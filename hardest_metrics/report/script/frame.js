// Pictures with boxes on them.
import {
  boxesOf, data, pointsOf, BELOW, CAUSES, FN, FP, IGNORED, KINDS, NO_SCORE, SCALE, SCORE_UNITS, TP, UNJUDGED,
} from "./data.js";
import { element, lines, svgElement } from "./dom.js";
import { missedIn, shownBoxes } from "./shown.js";
import { sides } from "./state.js";

export const DRAWN_IN_ORDER = [IGNORED, BELOW, UNJUDGED, TP, FN, FP]; // errors on top

const rectangle = ({ left, top, right, bottom }, box) =>
  `M${left[box]} ${top[box]}H${right[box]}V${bottom[box]}H${left[box]}Z`;
const move = (point) => `M${point.join(" ")}`;

/** Limbs whose ends are there, and dots, which are lines of no length. */
function skeleton(points, limbs) {
  const joined = limbs.map((ends) => ends.map((end) => points[end])).filter((ends) => ends.every(Boolean));
  return [...joined.map(([from, to]) => `${move(from)}L${to.join(" ")}`), ...points.filter(Boolean).map((point) =>
    `${move(point)}h0`)].join("");
}

/** What is drawn of a box: the mask or the skeleton in it where there is one, else itself. */
export function outline(boxes, box) {
  const parts = boxes.drawn ? pointsOf(boxes, box) : [];
  const drawn = data.shapes === "keypoints" ? parts.map((points) => skeleton(points, data.limbs)) :
    parts.map((points) => `M${points.join("L")}Z`);
  return drawn.join("") || rectangle(boxes, box);
}

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
    class: `boxes ${data.shapes ?? ""} ${data.limbs.length ? "" : "dots"}`, viewBox: `0 0 ${SCALE} ${SCALE}`, preserveAspectRatio: "none", "aria-hidden": "true",
  }));
  return frame;
}

/** One path a kind: a thumbnail may have hundreds of boxes. */
export function drawThumbnail(svg, image, detector) {
  const boxes = boxesOf(detector), shown = shownBoxes(detector);
  const paths = KINDS.map(() => "");
  for (let box = boxes.first[image]; box < boxes.first[image + 1]; box++) {
    if (shown[box]) paths[boxes.kind[box]] += outline(boxes, box);
  }
  const drawn = DRAWN_IN_ORDER.filter((kind) => paths[kind]);
  svg.replaceChildren(...drawn.flatMap((kind) => lines(kind, paths[kind])));
}

/** A function that tells what the other detector in view made of the object of a box; nothing where there is none. */
export function verdictOfOther(detector, image) {
  const other = sides().find((one) => one !== detector), { kind, object } = boxesOf(detector);
  if (other === undefined || !data.labelled) return () => "";
  const missed = missedIn(other, image);
  return (box) => {
    if (kind[box] === TP && missed.has(object[box])) return "only here";
    return kind[box] === FN && !missed.has(object[box]) ? "found by the other" : "";
  };
}

/** What is said of a box: its kind, and why an error is one. */
export function outcomeOf(boxes, box) {
  const cause = CAUSES.get(boxes.cause[box]);
  return KINDS[boxes.kind[box]].one + (cause ? `: ${cause.name.toLowerCase()}` : "");
}

export function labelAndScore(boxes, box) {
  const score = boxes.score[box];
  return data.labels[boxes.label[box]] + (score === NO_SCORE ? "" : ` ${(score / SCORE_UNITS).toFixed(2)}`);
}
