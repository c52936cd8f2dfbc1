// Pictures enlarged: each scrolls in its own view, two of them together. When there is more to see, the file itself is
// shown in place of the small picture that the page keeps.
import { data } from "./data.js";
import { at } from "./dom.js";
import { state } from "./state.js";

const STEP = 1.5, MOST = 32;
let zoom = 1;
const home = at("detail-picture");
const views = () => [...home.querySelectorAll(".view")];

/** Where the file of an image is, as seen from the page. */
export const fileOf = (image) => data.files?.[image] ?? null;

/** Show the file itself, if the browser can and it is of the size that boxes refer to. */
function showFile(frame) {
  const picture = frame.querySelector("img"), image = state.image, address = fileOf(image);
  if (!picture || !address || frame.dataset.file || data.turned.includes(image)) return;
  frame.dataset.file = "asked for";
  const whole = new Image();
  whole.addEventListener("load", () => {
    const fits = whole.naturalWidth === data.sizes[2 * image] && whole.naturalHeight === data.sizes[2 * image + 1];
    frame.dataset.file = fits ? "shown" : "of another size";
    if (fits) picture.src = address;
  });
  whole.addEventListener("error", () => { frame.dataset.file = "cannot be shown"; });
  whole.src = address;
}

/** Enlarge so much, 1 for all of it; the point at (x, y) of a view, from 0 to 1, stays where it is. */
export function zoomTo(factor, x = 0.5, y = 0.5) {
  const before = zoom;
  zoom = Math.min(Math.max(factor, 1), MOST);
  for (const view of views()) {
    const frame = view.firstChild, [left, upper] = [view.scrollLeft + x * view.clientWidth,
      view.scrollTop + y * view.clientHeight];
    frame.style.setProperty("--zoom", zoom);
    view.scrollTo({
      left: left * zoom / before - x * view.clientWidth, top: upper * zoom / before - y * view.clientHeight,
      behavior: "instant",
    });
    if (frame.clientWidth * devicePixelRatio > 600) showFile(frame);
  }
  home.classList.toggle("zoomed", zoom > 1);
  at("zoom").textContent = `${Math.round(100 * scale())} %`;
  at("zoom-out").setAttribute("aria-disabled", zoom <= 1);
}

/** How many pixels of the screen a pixel of the image takes. */
function scale() {
  const frame = home.querySelector(".frame");
  return frame ? frame.clientWidth * devicePixelRatio / data.sizes[2 * state.image] : 1;
}

/** A pixel of the image for each of the screen. */
export function fullSize() {
  zoomTo(zoom / scale());
  for (const view of views()) showFile(view.firstChild);
}

export const zoomIn = () => zoomTo(zoom * STEP);
export const zoomOut = () => zoomTo(zoom / STEP);
export const zoomAnew = () => zoomTo(1);

const within = (view, event) => {
  const { left, top, width, height } = view.getBoundingClientRect();
  return [(event.clientX - left) / width, (event.clientY - top) / height];
};

export function buildZoom() {
  at("zoom-in").addEventListener("click", zoomIn);
  at("zoom-out").addEventListener("click", zoomOut);
  at("zoom-fit").addEventListener("click", zoomAnew);
  at("zoom-full").addEventListener("click", fullSize);
  home.addEventListener("dblclick", (event) => {
    const view = event.target.closest(".view");
    if (view) zoomTo(zoom > 1 ? 1 : 3, ...within(view, event));
  });
  home.addEventListener("wheel", (event) => {
    const view = event.target.closest(".view");
    if (!view || !event.ctrlKey) return; // without it, it scrolls
    event.preventDefault();
    zoomTo(zoom * Math.exp(-event.deltaY / 200), ...within(view, event));
  }, { passive: false });
  let held = null;
  home.addEventListener("pointerdown", (event) => {
    const view = event.target.closest(".view");
    if (!view || event.pointerType !== "mouse" || event.button) return; // fingers scroll by themselves
    held = { view, x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
  });
  addEventListener("pointermove", (event) => {
    if (held) held.view.scrollTo({ left: held.x - event.clientX, top: held.y - event.clientY, behavior: "instant" });
  });
  addEventListener("pointerup", () => { held = null; });
  home.addEventListener("scroll", ({ target }) => {
    for (const view of views()) {
      if (view !== target) view.scrollTo({ left: target.scrollLeft, top: target.scrollTop, behavior: "instant" });
    }
  }, { capture: true, passive: true });
  new ResizeObserver(() => { if (state.open) zoomTo(zoom); }).observe(home);
}
