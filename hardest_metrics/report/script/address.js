// The address holds what one has chosen, so that it can be kept, and sent to others.
import { CAUSES, data, KINDS, nameOf } from "./data.js";
import { settle, sortedAtFirst, state, VIEWS } from "./state.js";

const imageOf = new Map(data.ids.map((id, image) => [id, image]));

export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const numbers = (name, there) => { // of those that there are
    const wanted = (given.get(name) ?? "").split(".");
    return new Set(there.filter((number) => wanted.includes(String(number))));
  };
  const detector = (name) => data.detectors.findIndex((one) => given.has(name) && one.name === given.get(name));
  if (VIEWS.includes(given.get("view"))) state.view = given.get("view");
  if (detector("detector") >= 0) state.detector = detector("detector");
  state.beside = detector("beside");
  for (const name of ["definition", "estimator"]) if (given.has(name)) state[name] = given.get(name);
  state.search = given.get("search") ?? "";
  const kinds = numbers("boxes", [...KINDS.keys()]);
  if (kinds.size || given.get("boxes") === "") state.kinds = kinds;
  state.hiddenCauses = numbers("causeless", [...CAUSES.keys()]);
  state.hiddenLabels = numbers("without", [...data.labels.keys()]);
  const score = Number(given.get("score"));
  state.leastScore = score >= 0 && score <= 1 ? score : 0;
  state.picked = new Set(given.getAll("pick").map((id) => imageOf.get(id)).filter((image) => image !== undefined));
  state.onlyPicked = given.has("picked");
  state.image = imageOf.get(given.get("image")) ?? -1;
  state.open = state.image >= 0 && given.has("open");
  settle();
  Object.assign(state, sortedAtFirst());
  if (given.has("sort")) {
    state.sort = given.get("sort").replace(/^-/, "");
    state.descending = given.get("sort").startsWith("-");
  }
}

let timer = 0;
export function writeAddress() {
  clearTimeout(timer); // browsers refuse many changes in a short time
  timer = setTimeout(() => {
    const address = new URLSearchParams();
    const first = sortedAtFirst();
    if (state.view !== "images") address.set("view", state.view);
    address.set("detector", nameOf(state.detector));
    if (state.beside >= 0) address.set("beside", nameOf(state.beside));
    address.set("definition", state.definition);
    address.set("estimator", state.estimator);
    if (state.sort !== first.sort || state.descending !== first.descending) {
      address.set("sort", (state.descending ? "-" : "") + state.sort);
    }
    if (state.search) address.set("search", state.search);
    address.set("boxes", [...state.kinds].sort().join("."));
    if (state.hiddenCauses.size) address.set("causeless", [...state.hiddenCauses].join("."));
    if (state.hiddenLabels.size) address.set("without", [...state.hiddenLabels].join("."));
    if (state.leastScore) address.set("score", state.leastScore);
    if (state.onlyPicked) address.set("picked", "1");
    if (state.image >= 0) address.set("image", data.ids[state.image]);
    if (state.open) address.set("open", "1");
    for (const image of state.picked) address.append("pick", data.ids[image]);
    history.replaceState(null, "", `#${address}`);
  }, 250);
}
