// Brings the parts together: what happens after a change, keys and clicks, and how it begins.
import { readAddress, writeAddress } from "./address.js";
import { data } from "./data.js";
import { at } from "./dom.js";
import { buildDetail, detail, renderDialog, step } from "./detail.js";
import { arrange, order, placeOf, shownColumns } from "./order.js";
import { buildPicks, renderPicks, togglePick } from "./picks.js";
import { buildSide, renderChoice, renderFilters, renderSummary } from "./side.js";
import { change, onChange, state, VIEWS } from "./state.js";
import {
  bringIntoSight, markRows, noteWhereOneIs, renderRows, renderTable, rowHeight, rows, table, top,
} from "./table.js";
import { buildTheme } from "./theme.js";
import { buildAbout, renderView } from "./views.js";
import { buildZoom, zoomAnew, zoomIn, zoomOut } from "./zoom.js";

function render() {
  noteWhereOneIs();
  arrange();
  renderChoice();
  renderFilters();
  renderSummary();
  renderPicks();
  renderView();
  if (state.view === "images") renderTable();
  renderDialog();
}

const withModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;

// The table

function moveTo(place) {
  if (!order.length) return;
  state.image = order[Math.min(Math.max(place, 0), order.length - 1)];
  bringIntoSight(state.image);
  markRows();
  writeAddress();
}

at("head").addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.sort;
  if (!key) return;
  const falls = Boolean(shownColumns.find((column) => column.key === key).falls);
  change(key === state.sort ? { descending: !state.descending } : { sort: key, descending: falls });
});
rows.addEventListener("click", (event) => {
  const row = event.target.closest("[data-image]");
  if (row && !event.target.closest(".pick")) change({ image: Number(row.dataset.image), open: true });
});
rows.addEventListener("change", (event) => togglePick(Number(event.target.closest("[data-image]").dataset.image)));
table.addEventListener("keydown", (event) => {
  if (event.target !== table || withModifier(event)) return;
  const inSight = Math.max(0, Math.ceil((table.tHead.offsetHeight - top()) / rowHeight()));
  const page = Math.max(1, Math.floor((innerHeight - table.tHead.offsetHeight) / rowHeight()) - 1);
  const place = placeOf(state.image);
  const from = (by) => place === undefined ? inSight : place + by;
  const moves = {
    ArrowDown: from(1), ArrowUp: from(-1), PageDown: from(page), PageUp: from(-page), Home: 0, End: order.length - 1,
  };
  if (event.key in moves) moveTo(moves[event.key]);
  else if (event.key === "Enter" && place !== undefined) change({ open: true });
  else if (event.key === " " && place !== undefined) togglePick(state.image);
  else return;
  event.preventDefault();
});

// One image

at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
at("close").addEventListener("click", () => detail.close());
at("pick-this").addEventListener("change", () => togglePick(state.image));
detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); }); // beside it
detail.addEventListener("close", () => {
  at("filters-home").append(at("filters"));
  state.open = false;
  renderFilters();
  if (state.view === "images" && placeOf(state.image) !== undefined) bringIntoSight(state.image);
  markRows();
  table.focus({ preventScroll: true });
  writeAddress();
});
detail.addEventListener("keydown", (event) => {
  if (event.target.matches("input, .view") || withModifier(event)) return;
  const actions = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": zoomIn, "-": zoomOut, 0: zoomAnew,
  };
  if (event.key === " " && !event.target.closest("button, a, summary")) togglePick(state.image);
  else if (event.key in actions) actions[event.key]();
  else return;
  event.preventDefault();
});

// The page

at("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) change({ view: tab.id.slice("tab-".length) });
});
at("tabs").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const there = VIEWS.filter((view) => !at(`tab-${view}`).hidden);
  if (!by) return;
  change({ view: there[(there.indexOf(state.view) + by + there.length) % there.length] });
  at(`tab-${state.view}`).focus();
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || state.open || event.target.matches("input[type=search]")) return;
  change({ view: "images" });
  at("search").focus();
  event.preventDefault();
});

let waiting = false;
function onScroll() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (state.view === "images") renderRows(false);
  });
}
addEventListener("scroll", onScroll, { passive: true });
addEventListener("resize", onScroll, { passive: true });
matchMedia("(max-width: 760px)").addEventListener("change", () => render());
addEventListener("hashchange", () => {
  readAddress();
  render();
});

at("tab-agreement").hidden = !data.agreement.rows.length;
onChange(render);
onChange(writeAddress);
buildTheme();
buildSide();
buildPicks();
buildDetail();
buildZoom();
buildAbout();
readAddress();
render();
if (state.image >= 0 && placeOf(state.image) !== undefined) bringIntoSight(state.image);
