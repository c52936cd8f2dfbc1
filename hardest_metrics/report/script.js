"use strict";
// Everything that comes from files (names, labels, detectors) reaches the page as text or as a plain attribute, never
// as markup: see `element`. Images are numbered by their place in `data.ids`, which ascend.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const N = data.ids.length;
  const SCALE = 65535, SCORE_UNITS = 10000, NO_SCORE = 65535, COLUMNS = 7; // of a box, as report/boxes.py packs it
  const TP = 0, FP = 1, FN = 2, IGNORED = 3, BELOW = 4, UNJUDGED = 5;
  const KINDS = [
    { one: "True positive", many: "True positives", short: "found" },
    { one: "False positive", many: "False positives", short: "false" },
    { one: "Missed", many: "Missed objects", short: "missed" },
    { one: "Ignored", many: "Ignored by the query", short: "ignored" },
    { one: "Below threshold", many: `Score < ${data.threshold}`, short: "below" },
    { one: "Detection", many: "Detections", short: "detections" },
  ];
  const DRAWN_IN_ORDER = [IGNORED, BELOW, UNJUDGED, TP, FN, FP]; // errors on top
  const LISTED_IN_ORDER = [FP, FN, UNJUDGED, TP, BELOW, IGNORED]; // errors first
  const COUNTED = data.labelled ? [FP, FN, TP] : [UNJUDGED, BELOW];
  const TAIL = 16; // letters at the end of a file name that are always shown
  const OVERSCAN = 4; // rows kept above and below what is in sight
  const LABELS = "labels"; // the estimator that goes by labels

  // ---------------------------------------------------------------------------------------------- elements

  const at = (id) => document.getElementById(id);

  /** An element; strings among its children become text. */
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function svgElement(tag, attributes = {}, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  /** A line in the look of a kind of boxes, on a darker one that sets it off from any ground. */
  const lines = (kind, d) => [`halo kind${kind}`, `kind${kind}`].map((look) => svgElement("path", { class: look, d }));

  function swatch(kind) {
    const drawing = { class: "swatch", viewBox: "0 0 26 16", "aria-hidden": "true" };
    return svgElement("svg", drawing, ...lines(kind, "M4 3H22V13H4Z"));
  }

  const number = (value) => Number.isFinite(value) ? String(Number(value.toPrecision(5))) : "–";
  const spaced = (name) => name.replaceAll("_", " ").replaceAll("/", " ·\u00a0");
  const grouped = (count) => count.toLocaleString("en"); // in thousands
  const plural = (count, one, many = `${one}s`) => `${grouped(count)} ${count === 1 ? one : many}`;

  // ---------------------------------------------------------------------------------------------- data

  function decoded(base64) {
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes.buffer;
  }

  /** `make(key)`, made when it is first asked for. */
  function lazily(make) {
    const made = new Map();
    return (key) => {
      if (!made.has(key)) made.set(key, make(key));
      return made.get(key);
    };
  }

  /** Of a detector: where the boxes of each image begin, all boxes, and how many of each kind an image has. */
  const boxesOf = lazily((detector) => {
    const counts = new Uint32Array(decoded(data.detectors[detector].counts));
    const table = new Uint16Array(decoded(data.detectors[detector].boxes));
    const first = new Uint32Array(N + 1);
    const perKind = KINDS.map(() => new Uint32Array(N));
    const perLabel = new Uint32Array(data.labels.length);
    for (let image = 0; image < N; image++) {
      first[image + 1] = first[image] + counts[image];
      for (let box = first[image]; box < first[image + 1]; box++) {
        perKind[table[box * COLUMNS + 6]][image]++;
        perLabel[table[box * COLUMNS + 5]]++;
      }
    }
    return { first, table, perKind, perLabel, totals: perKind.map((counts) => counts.reduce((a, b) => a + b, 0)) };
  });

  const hardnessOf = lazily((ranking) => new Float32Array(decoded(data.rankings[ranking].hardness)));

  /** Ranks from 1, hardest first and ties by id; 0 for images that the ranking does not have. */
  const ranksOf = lazily((ranking) => {
    const hardness = hardnessOf(ranking);
    const order = Uint32Array.from(hardness.keys()).filter((image) => !Number.isNaN(hardness[image]));
    order.sort((a, b) => hardness[b] - hardness[a] || a - b);
    const ranks = new Uint32Array(N);
    order.forEach((image, place) => { ranks[image] = place + 1; });
    return ranks;
  });

  /** The rank of one image, without sorting all. */
  function rankOf(ranking, image) {
    const hardness = hardnessOf(ranking), own = hardness[image];
    if (Number.isNaN(own)) return 0;
    let rank = 1;
    for (let other = 0; other < N; other++) {
      if (hardness[other] > own || (hardness[other] === own && other < image)) rank++;
    }
    return rank;
  }

  const alphabet = new Intl.Collator("en", { numeric: true }).compare; // 2 before 10
  const byName = lazily(() => {
    const order = [...data.names.keys()].sort((a, b) => alphabet(data.names[a], data.names[b]) || a - b);
    const places = new Uint32Array(N);
    order.forEach((image, place) => { places[image] = place; });
    return places;
  });

  const searchable = data.names.map((name, image) => `${name}\n${data.ids[image]}`.toLowerCase());

  const unique = (values) => [...new Set(values)];
  const rankingsOf = (detector) => data.rankings.filter((ranking) => ranking.detector === detector);
  const definitionsOf = (detector) => unique(rankingsOf(detector).map((ranking) => ranking.definition));
  const estimatorsOf = (detector, definition) =>
    rankingsOf(detector).filter((ranking) => ranking.definition === definition).map((ranking) => ranking.estimator);
  const findRanking = (detector, definition, estimator) => data.rankings.findIndex((ranking) =>
    ranking.detector === detector && ranking.definition === definition && ranking.estimator === estimator);

  // ---------------------------------------------------------------------------------------------- state

  const VIEWS = ["images", "agreement", "plots", "about"];
  const state = {
    view: "images",
    detector: data.rankings[0].detector,
    definition: data.rankings[0].definition,
    estimator: data.rankings[0].estimator,
    sort: "rank",
    descending: false,
    search: "",
    kinds: new Set([TP, FP, FN, UNJUDGED]),
    hiddenLabels: new Set(),
    leastScore: 0,
    image: -1, // the one that the keyboard is on
    open: false, // whether it is shown in detail
  };
  const ranking = () => findRanking(state.detector, state.definition, state.estimator);
  const truth = () => state.estimator === LABELS ? -1 : findRanking(state.detector, state.definition, LABELS);

  /** Choose the nearest ranking there is: other detectors may lack a definition or an estimator. */
  function settle() {
    const nearest = (wanted, there) => there.includes(wanted) ? wanted : there[0];
    state.detector = nearest(state.detector, unique(data.rankings.map((ranking) => ranking.detector)));
    state.definition = nearest(state.definition, definitionsOf(state.detector));
    state.estimator = nearest(state.estimator, estimatorsOf(state.detector, state.definition));
    const sortable = columns().some((column) => column.key === state.sort);
    if (!sortable) Object.assign(state, { sort: "rank", descending: false });
  }

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const numbers = (text) => text.split(".").filter(Boolean).map(Number);
    if (given.has("view") && VIEWS.includes(given.get("view"))) state.view = given.get("view");
    const detector = data.detectors.findIndex((one) => one.name === given.get("detector"));
    if (detector >= 0) state.detector = detector;
    for (const name of ["definition", "estimator"]) if (given.has(name)) state[name] = given.get(name);
    if (given.has("sort")) {
      state.sort = given.get("sort").replace(/^-/, "");
      state.descending = given.get("sort").startsWith("-");
    }
    state.search = given.get("search") ?? "";
    if (given.has("boxes")) state.kinds = new Set(numbers(given.get("boxes")));
    if (given.has("without")) state.hiddenLabels = new Set(numbers(given.get("without")));
    const score = Number(given.get("score"));
    state.leastScore = score >= 0 && score <= 1 ? score : 0;
    state.image = given.has("image") ? data.ids.indexOf(given.get("image")) : -1;
    state.open = state.image >= 0 && given.has("open");
    settle();
  }

  let addressTimer = 0;
  function writeAddress() {
    clearTimeout(addressTimer); // browsers refuse many changes in a short time
    addressTimer = setTimeout(() => {
      const address = new URLSearchParams();
      if (state.view !== "images") address.set("view", state.view);
      address.set("detector", data.detectors[state.detector].name);
      address.set("definition", state.definition);
      address.set("estimator", state.estimator);
      if (state.sort !== "rank" || state.descending) address.set("sort", (state.descending ? "-" : "") + state.sort);
      if (state.search) address.set("search", state.search);
      address.set("boxes", [...state.kinds].sort().join("."));
      if (state.hiddenLabels.size) address.set("without", [...state.hiddenLabels].join("."));
      if (state.leastScore) address.set("score", state.leastScore);
      if (state.image >= 0) address.set("image", data.ids[state.image]);
      if (state.open) address.set("open", "1");
      history.replaceState(null, "", `#${address}`);
    }, 250);
  }

  function change(changes) {
    Object.assign(state, changes);
    settle();
    render();
    writeAddress();
  }

  // ---------------------------------------------------------------------------------------------- boxes

  const isShown = (table, box) => {
    const row = box * COLUMNS;
    return state.kinds.has(table[row + 6]) && !state.hiddenLabels.has(table[row + 5]) &&
      table[row + 4] >= state.leastScore * SCORE_UNITS; // objects, without score, have the highest number
  };

  const outline = (table, row) =>
    `M${table[row]} ${table[row + 1]}H${table[row + 2]}V${table[row + 3]}H${table[row]}Z`;

  /** A picture, or an empty canvas of its shape, under an empty drawing. */
  function newFrame(image) {
    const [width, height] = [data.sizes[2 * image], data.sizes[2 * image + 1]];
    const frame = element("div", { class: "frame" });
    frame.style.setProperty("--aspect", width / height);
    const address = data.pictures?.[image];
    if (address) {
      const picture = element("img", { alt: "", decoding: "async", loading: "lazy" });
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
  function drawThumbnail(svg, image) {
    const { first, table } = boxesOf(state.detector);
    const paths = KINDS.map(() => "");
    for (let box = first[image]; box < first[image + 1]; box++) {
      if (isShown(table, box)) paths[table[box * COLUMNS + 6]] += outline(table, box * COLUMNS);
    }
    const drawn = DRAWN_IN_ORDER.filter((kind) => paths[kind]);
    svg.replaceChildren(...drawn.flatMap((kind) => lines(kind, paths[kind])));
  }

  // ---------------------------------------------------------------------------------------------- table

  /** What the table shows; `values` to sort by, `cell` to fill in. */
  function columns() {
    const chosen = ranking(), byLabels = truth();
    const ranks = ranksOf(chosen), hardness = hardnessOf(chosen), boxes = boxesOf(state.detector);
    const most = hardness.reduce((most, value) => value > most ? value : most, 0);
    const meter = (image) => {
      const bar = element("span");
      bar.style.width = `${most > 0 ? 100 * Math.max(hardness[image], 0) / most : 0}%`;
      return element("span", { class: "meter", "aria-hidden": "true" }, bar);
    };
    const name = (image) => {
      const problem = data.problems[image];
      const letters = [...data.names[image]]; // where there is no room, the middle is left out
      const text = element("span", { class: "file", title: data.names[image] },
        element("span", { class: "head" }, letters.slice(0, -TAIL).join("")),
        element("span", {}, letters.slice(-TAIL).join("")));
      return problem ? [text, element("small", {}, `No picture: ${problem}`)] : [text];
    };
    return [
      { key: "rank", title: "Rank", style: "rank", values: ranks, cell: (image) => [ranks[image] || "–"] },
      { title: "Picture", style: "picture" },
      { key: "name", title: "File name", style: "name text", values: byName(), cell: name },
      { key: "id", title: "Image id", style: "id", values: null, cell: (image) => [data.ids[image]] },
      { key: "hardness", title: "Hardness", style: "hardness", values: hardness, falls: true,
        cell: (image) => [number(hardness[image]), meter(image)] },
      ...(byLabels < 0 ? [] : [{ key: "labels", title: "Rank by labels", short: "by labels", style: "labels",
        values: ranksOf(byLabels), cell: (image) => [ranksOf(byLabels)[image] || "–"] }]),
      ...COUNTED.map((kind) => [KINDS[kind], boxes.perKind[kind]]).map(([{ short, many }, values]) =>
        ({ key: short, title: many, short, style: "count", values, falls: true, cell: (image) => [values[image]] })),
    ];
  }

  let shownColumns = []; // of the present state
  let order = []; // images in the order of the table
  let places = new Map(); // of images in that order
  let orderKey = "";
  const live = new Map(); // image -> row, of those in the document
  const table = at("table"), rows = at("rows");
  const above = element("tr", { class: "space", "aria-hidden": "true" }, element("td"));
  const below = element("tr", { class: "space", "aria-hidden": "true" }, element("td"));
  rows.append(above, below);
  let present = [0, 0]; // places of the first row in the document and of the one after the last

  const rowHeight = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
  const top = () => rows.getBoundingClientRect().top; // of the first row, whether it is there or not

  function sortAndSearch() {
    const key = JSON.stringify([ranking(), state.sort, state.descending, state.search]);
    if (key === orderKey) return;
    orderKey = key;
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const ranks = ranksOf(ranking());
    const values = shownColumns.find((column) => column.key === state.sort).values ?? Uint32Array.from(data.ids.keys());
    const sign = state.descending ? -1 : 1;
    const last = (image) => Number(!ranks[image]); // images that the ranking does not have
    order = [];
    for (let image = 0; image < N; image++) {
      if (words.every((word) => searchable[image].includes(word))) order.push(image);
    }
    order.sort((a, b) => last(a) - last(b) || sign * (values[a] - values[b]) || ranks[a] - ranks[b] || a - b);
    places = new Map(order.map((image, place) => [image, place]));
  }

  function renderHead() {
    const focused = document.activeElement?.dataset?.sort;
    at("head").replaceChildren(...shownColumns.map(({ key, title, style }) => {
      const th = element("th", { role: "columnheader", scope: "col", class: style });
      if (key) {
        th.append(element("button", { type: "button", "data-sort": key }, title));
        if (key === state.sort) th.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      } else {
        th.append(element("span", { class: "hidden" }, title));
      }
      return th;
    }));
    if (focused) at("head").querySelector(`[data-sort="${focused}"]`)?.focus({ preventScroll: true });
    for (const space of [above, below]) space.firstChild.colSpan = shownColumns.length;
  }

  function newRow(image) {
    const frame = newFrame(image);
    return { frame, row: element("tr", { role: "row", id: `row-${image}`, "data-image": image }) };
  }

  function fillRow({ row, frame }, image) {
    row.replaceChildren(...shownColumns.map(({ key, title, short, style, cell }) => {
      const td = element("td", { role: "gridcell", class: style });
      if (key && key !== "name" && key !== "id") td.dataset.name = short ?? title.toLowerCase();
      if (key === "name") { // its parts would be read with a gap between them
        const problem = data.problems[image];
        td.setAttribute("aria-label", data.names[image] + (problem ? `, no picture: ${problem}` : ""));
      }
      td.append(...(cell ? cell(image).map((part) => typeof part === "number" ? String(part) : part) : [frame]));
      return td;
    }));
    drawThumbnail(frame.querySelector("svg"), image);
  }

  /** Put the rows in sight, and few more, into the document. All of them are filled anew if `anew`. */
  function renderRows(anew) {
    const height = rowHeight(), offset = top();
    const first = Math.max(0, Math.floor(-offset / height) - OVERSCAN);
    const end = Math.min(order.length, Math.ceil((innerHeight - offset) / height) + OVERSCAN);
    const from = Math.min(first, order.length), to = Math.max(end, from);
    if (!anew && from === present[0] && to === present[1]) return;
    present = [from, to];
    const wanted = order.slice(from, to);
    const gone = new Set(live.keys());
    const nodes = wanted.map((image, index) => {
      gone.delete(image);
      const isNew = !live.has(image);
      if (isNew) live.set(image, newRow(image));
      const one = live.get(image);
      if (isNew || anew) fillRow(one, image);
      one.row.setAttribute("aria-rowindex", from + index + 2);
      return one.row;
    });
    for (const image of gone) live.delete(image);
    above.firstChild.style.height = `${from * height}px`;
    below.firstChild.style.height = `${(order.length - to) * height}px`;
    above.hidden = from === 0;
    below.hidden = to === order.length;
    rows.replaceChildren(above, ...nodes, below);
    markActive();
  }

  function markActive() {
    for (const [image, { row }] of live) {
      row.classList.toggle("active", image === state.image);
      row.setAttribute("aria-selected", image === state.image);
    }
    if (live.has(state.image)) table.setAttribute("aria-activedescendant", `row-${state.image}`);
    else table.removeAttribute("aria-activedescendant");
  }

  /** Scroll as little as it takes to have an image between the head of the table and the end of the window. */
  function bringIntoSight(image) {
    const height = rowHeight(), y = top() + places.get(image) * height;
    const head = table.tHead.offsetHeight;
    if (y < head) scrollBy(0, y - head);
    else if (y + height > innerHeight) scrollBy(0, y + height - innerHeight);
    renderRows(false);
  }

  function moveTo(place) {
    if (!order.length) return;
    state.image = order[Math.min(Math.max(place, 0), order.length - 1)];
    bringIntoSight(state.image);
    markActive();
    writeAddress();
  }

  function renderTable() {
    // The image that the user is at stays where it is on the screen, whatever happens to the order
    const before = places.get(state.image), y = before === undefined ? 0 : top() + before * rowHeight();
    const wasInSight = before !== undefined && y > -rowHeight() && y < innerHeight;
    const searched = orderKey && JSON.parse(orderKey)[3] !== state.search;
    shownColumns = columns();
    sortAndSearch();
    renderHead();
    table.setAttribute("aria-rowcount", order.length + 1);
    at("nothing").hidden = order.length > 0;
    table.hidden = !order.length;
    at("found").textContent = (order.length === N ? "" : `${grouped(order.length)} of `) + plural(N, "image");
    renderRows(true);
    const after = places.get(state.image);
    if (wasInSight && after !== undefined) scrollBy(0, top() + after * rowHeight() - y);
    else if (searched && top() < 0) scrollBy(0, table.getBoundingClientRect().top);
    renderRows(false);
  }

  // ---------------------------------------------------------------------------------------------- side

  function fillSelect(select, names, chosen) {
    const texts = [...select.options].map((option) => option.textContent);
    if (texts.length !== names.length || texts.some((text, i) => text !== names[i])) {
      select.replaceChildren(...names.map((name, i) => element("option", { value: i }, name)));
    }
    select.value = names.indexOf(chosen);
    select.disabled = names.length < 2;
  }

  function renderSide() {
    fillSelect(at("detector"), data.detectors.map((detector) => detector.name), data.detectors[state.detector].name);
    fillSelect(at("definition"), definitionsOf(state.detector), state.definition);
    fillSelect(at("estimator"), estimatorsOf(state.detector, state.definition), state.estimator);
    if (at("search").value !== state.search) at("search").value = state.search;

    const { totals, perLabel } = boxesOf(state.detector);
    for (const label of at("kinds").querySelectorAll("label")) {
      const kind = Number(label.dataset.kind);
      label.querySelector("input").checked = state.kinds.has(kind);
      label.querySelector(".amount").textContent = grouped(totals[kind]);
    }
    for (const label of at("label-list").querySelectorAll("label")) {
      const index = Number(label.dataset.label);
      label.querySelector("input").checked = !state.hiddenLabels.has(index);
      label.querySelector(".amount").textContent = grouped(perLabel[index]);
    }
    const all = data.labels.length, shown = all - state.hiddenLabels.size;
    at("labels-shown").textContent = shown === all ? `(all ${all})` : `(${shown} of ${all})`;
    at("least-score").value = state.leastScore;
    at("least-score-shown").textContent = state.leastScore.toFixed(2);

    const hardness = hardnessOf(ranking()).filter((value) => !Number.isNaN(value));
    const mean = hardness.reduce((sum, value) => sum + value, 0) / hardness.length;
    const above = hardness.filter((value) => value > 0).length;
    at("summary").textContent = [
      plural(N, "image"),
      `mean hardness ${number(mean)}`,
      `${grouped(above)} (${(100 * above / hardness.length || 0).toFixed(0)} %) above 0`,
    ].join(" · ");
  }

  function newToggle(dataName, value, marks, text) {
    const box = element("input", { type: "checkbox" });
    return element("label", { [`data-${dataName}`]: value }, box, ...marks, element("span", {}, text),
      element("span", { class: "amount" }));
  }

  function buildSide() {
    const detected = (kind) => data.detectors.some((_, detector) => boxesOf(detector).totals[kind]);
    const kinds = LISTED_IN_ORDER.filter((kind) => COUNTED.includes(kind) || detected(kind));
    at("kinds").append(...kinds.map((kind) => newToggle("kind", kind, [swatch(kind)], KINDS[kind].many)));
    const alphabetical = [...data.labels.keys()].sort((a, b) => alphabet(data.labels[a], data.labels[b]));
    at("label-list").append(...alphabetical.map((index) => newToggle("label", index, [], data.labels[index])));
    at("filters").open = matchMedia("(min-width: 761px)").matches;
    const lacking = Object.keys(data.problems).length;
    if (lacking) {
      at("problems").hidden = false;
      at("problems").textContent = plural(lacking, "image has", "images have") +
        " no picture: the boxes are drawn on an empty canvas, and the table says why.";
    }
  }

  // ---------------------------------------------------------------------------------------------- one image

  const detail = at("detail");
  let tagsToPlace = () => {};
  new ResizeObserver(() => tagsToPlace()).observe(at("detail-picture"));

  function listed(image) {
    const { first, table } = boxesOf(state.detector);
    const all = Array.from({ length: first[image + 1] - first[image] }, (_, i) => first[image] + i);
    const place = (box) => LISTED_IN_ORDER.indexOf(table[box * COLUMNS + 6]);
    const shown = all.filter((box) => isShown(table, box));
    shown.sort((a, b) => place(a) - place(b) || table[b * COLUMNS + 4] - table[a * COLUMNS + 4]);
    return { table, all, shown };
  }

  function renderDetail() {
    const image = state.image, { table, all, shown } = listed(image);
    const [width, height] = [data.sizes[2 * image], data.sizes[2 * image + 1]];
    at("detail-name").textContent = data.names[image];
    at("detail-name").title = data.names[image];
    const place = places.get(image), hardness = hardnessOf(ranking())[image];
    at("detail-facts").textContent = [
      place === undefined ? "not among those found" : `${grouped(place + 1)} of ${grouped(order.length)}`,
      `id ${data.ids[image]}`,
      `${width} × ${height} px`,
      `hardness ${number(hardness)} (${state.definition}, ${state.estimator})`,
    ].join(" · ");
    // not `disabled`: a button that is loses the focus, and the dialog the keys
    at("previous").setAttribute("aria-disabled", place === undefined || place === 0);
    at("next").setAttribute("aria-disabled", place === undefined || place === order.length - 1);

    const same = at("detail-picture").firstChild?.dataset.image === String(image);
    const frame = same ? at("detail-picture").firstChild : newFrame(image);
    frame.dataset.image = image;
    frame.setAttribute("role", "img");
    frame.setAttribute("aria-label", `${data.names[image]} with ${plural(shown.length, "box", "boxes")}`);
    const drawing = frame.querySelector("svg");
    const linesOf = new Map();
    for (const kind of DRAWN_IN_ORDER) {
      for (const box of shown.filter((box) => table[box * COLUMNS + 6] === kind)) {
        linesOf.set(box, lines(kind, outline(table, box * COLUMNS)));
      }
    }
    drawing.replaceChildren(...[...linesOf.values()].flat());
    frame.querySelector(".tags")?.remove();
    const tags = element("div", { class: "tags", "aria-hidden": "true" });
    frame.append(tags);
    if (!same) at("detail-picture").replaceChildren(frame);

    const text = (box) => {
      const score = table[box * COLUMNS + 4];
      return data.labels[table[box * COLUMNS + 5]] + (score === NO_SCORE ? "" : ` ${(score / SCORE_UNITS).toFixed(2)}`);
    };
    let picked = -1;
    tagsToPlace = () => placeTags(tags, frame, table, unique(picked < 0 ? shown : [picked, ...shown]), text);
    const pick = (box, row) => {
      picked = box;
      for (const [other, paths] of linesOf) paths[1].classList.toggle("picked", other === box);
      if (box >= 0) drawing.append(...linesOf.get(box));
      for (const other of at("box-list").querySelectorAll("tbody tr")) other.classList.toggle("picked", other === row);
      tagsToPlace();
    };
    tagsToPlace();

    const some = shown.length < all.length;
    at("box-count").textContent = some ? `(${shown.length} of ${all.length} shown)` : `(${all.length})`;
    const head = ["Outcome", "Label", "Score", "Size, px"].map((title, i) =>
      element("th", { scope: "col", class: i > 1 ? "number" : "" }, title));
    const body = shown.map((box) => {
      const row = box * COLUMNS, kind = table[row + 6], score = table[row + 4];
      const extent = (low, high, length) => Math.round((table[row + high] - table[row + low]) / SCALE * length);
      const button = element("button", { type: "button" }, swatch(kind), KINDS[kind].one);
      const tr = element("tr", {}, element("td", {}, button), element("td", {}, data.labels[table[row + 5]]),
        element("td", { class: "number" }, score === NO_SCORE ? "–" : (score / SCORE_UNITS).toFixed(3)),
        element("td", { class: "number" }, `${extent(0, 2, width)}×${extent(1, 3, height)}`));
      tr.addEventListener("pointerenter", () => pick(box, tr));
      tr.addEventListener("pointerleave", () => pick(-1));
      button.addEventListener("focus", () => pick(box, tr));
      button.addEventListener("blur", () => pick(-1));
      return tr;
    });
    at("box-list").replaceChildren(shown.length
      ? element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body))
      : element("p", { class: "help" }, all.length ? "All are switched off." : "It has none."));
    renderRanks(image);
  }

  /** A tag above its box, in it at the top, at the bottom, or below, where it hides no other; errors come first. */
  function placeTags(tags, frame, table, boxes, text) {
    const [width, height] = [frame.clientWidth, frame.clientHeight];
    const nodes = boxes.map((box) => element("span", { class: `fill${table[box * COLUMNS + 6]}` }, text(box)));
    tags.replaceChildren(...nodes);
    const sizes = nodes.map((node) => [node.offsetWidth, node.offsetHeight]); // all at once: one layout
    const placed = [];
    boxes.forEach((box, i) => {
      const [w, h] = sizes[i];
      const corner = (side, length) => table[box * COLUMNS + side] / SCALE * length;
      const [x0, y0, y1] = [corner(0, width), corner(1, height), corner(3, height)];
      const left = Math.max(0, Math.min(x0, width - w));
      const free = [y0 - h, y0, y1 - h, y1].find((y) => y >= 0 && y + h <= height &&
        !placed.some(([l, t, r, b]) => left < r && l < left + w && y < b && t < y + h));
      if (free === undefined) return nodes[i].remove();
      placed.push([left, free, left + w, free + h]);
      nodes[i].style.left = `${left}px`;
      nodes[i].style.top = `${free}px`;
    });
  }

  function renderRanks(image) {
    at("ranks").hidden = data.rankings.length < 2;
    const focused = document.activeElement?.dataset?.ranking;
    at("rank-list").replaceChildren(...data.detectors.map(({ name }, detector) => {
      const estimators = unique(rankingsOf(detector).map((one) => one.estimator));
      const definitions = definitionsOf(detector);
      const cell = (definition, estimator) => {
        const index = findRanking(detector, definition, estimator);
        if (index < 0) return element("td");
        const hardness = number(hardnessOf(index)[image]);
        const title = `${definition} by ${estimator}: hardness ${hardness}. Rank by it.`;
        const rank = String(rankOf(index, image) || "–");
        const button = element("button", { type: "button", "data-ranking": index, title }, rank);
        if (index === ranking()) button.setAttribute("aria-current", "true");
        return element("td", {}, button);
      };
      const row = (estimator) => element("tr", {}, element("th", { scope: "row" }, estimator),
        ...definitions.map((definition) => cell(definition, estimator)));
      const head = element("tr", {}, element("th"),
        ...definitions.map((definition) => element("th", { scope: "col" }, spaced(definition))));
      return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": `Ranks by ${name}` },
        element("table", { class: "figures" }, element("caption", {}, name), element("thead", {}, head),
          element("tbody", {}, ...estimators.map(row))));
    }));
    if (focused) at("rank-list").querySelector(`[data-ranking="${focused}"]`)?.focus({ preventScroll: true });
  }

  function renderDialog() {
    if (state.open && state.image < 0) state.open = false;
    if (state.open && !detail.open) {
      at("filters-in-detail").append(at("filters"));
      detail.showModal();
      detail.focus(); // not a button, which Enter would press at once
    }
    if (!state.open && detail.open) detail.close();
    if (state.open) renderDetail();
  }

  function step(by) {
    const place = places.get(state.image);
    if (place === undefined || order[place + by] === undefined) return;
    change({ image: order[place + by] });
  }

  // ---------------------------------------------------------------------------------------------- other views

  function renderAgreement() {
    const { columns, rows } = data.agreement;
    const keys = ["detector", "definition", "estimator"].map((name) => columns.indexOf(name));
    const [inDetector, inDefinition, inEstimator] = keys;
    const measures = [...columns.keys()].filter((i) => !keys.includes(i));
    const own = rows.filter((row) => row[inDefinition] === state.definition);
    const words = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
    const titles = ["Estimator", ...measures.map((i) => words(columns[i]))];
    const head = titles.map((title) => element("th", { scope: "col" }, title));
    const line = (detector, row) => {
      const button = element("button", { type: "button" }, row[inEstimator]);
      button.addEventListener("click", () => change({ detector, estimator: row[inEstimator], view: "images" }));
      const tr = element("tr", {}, element("td", {}, button),
        ...measures.map((i) => element("td", {}, row[i] === null ? "–" : row[i].toFixed(3))));
      if (detector === state.detector && row[inEstimator] === state.estimator) tr.setAttribute("aria-current", "true");
      return tr;
    };
    const groups = data.detectors.map(({ name }, detector) => element("tbody", {},
      element("tr", {}, element("th", { scope: "rowgroup" }, name)),
      ...own.filter((row) => row[inDetector] === name).map((row) => line(detector, row))));
    const table = element("table", { class: "figures" }, element("thead", {}, element("tr", {}, ...head)), ...groups);
    const name = `Agreement with the labels on ${state.definition}`;
    at("agreement").replaceChildren(
      element("p", {}, `How well estimates of ${state.definition} agree with the labels; the higher, the better.` +
        " Choose an estimator to rank by it."),
      element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": name }, table));
  }

  function renderPlots() {
    const fits = (plot) => plot.detector === data.detectors[state.detector].name &&
      (plot.definition ?? state.definition) === state.definition &&
      (plot.estimator ?? state.estimator) === state.estimator;
    const shown = data.plots.filter(fits);
    if (!data.plots.length) at("plots").replaceChildren(element("p", {}, data.noPlots));
    else at("plots").replaceChildren(...shown.map((plot) => {
      const picture = element("img", { alt: plot.title, loading: "lazy" });
      picture.src = plot.src;
      return element("figure", { tabindex: "0" }, picture); // which may have to be scrolled
    }));
  }

  function buildAbout() {
    const section = (title, ...parts) => element("section", {}, element("h2", {}, title), ...parts);
    const list = (pairs) => element("dl", {},
      ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    const meanings = {
      [TP]: "detection that found an object",
      [FP]: "detection of no object, or of one found already",
      [FN]: "object that no detection found",
      [IGNORED]: "what the query leaves out: crowds and detections on them, other labels and areas, detections past" +
        " the most",
      [BELOW]: `detection of too low a score to take part; at most ${data.mostBelow} of an image are kept here, those` +
        " of highest score",
      [UNJUDGED]: "detection; without labels nothing tells whether it is right",
    };
    const there = [...at("kinds").querySelectorAll("label")].map((label) => Number(label.dataset.kind));
    const digest = (text) => element("code", {}, `sha256:${text}`);
    at("about").replaceChildren(
      section("Query", list(data.query), element("p", { class: "help" },
        "Hardness of an image: the sum of its errors, each weighted. A definition is named errors/weighting." +
        " Weightings: none, 1 each; pixel, the share of the image that the box fills; overlap, the share of the box" +
        " that true positives cover, each counted. Boxes are matched by COCO's protocol.")),
      ...(data.notes.length ? [section("Notes", ...data.notes.map((note) => element("p", {}, note)))] : []),
      ...(data.settings.length ? [section("Settings", list(data.settings))] : []),
      ...(data.inputs.length ? [section("Inputs", list(data.inputs.map(([name, hash]) => [name, digest(hash)])))] : []),
      section("Versions", list(data.versions)),
      section("Boxes", list(there.map((kind) => [KINDS[kind].many, meanings[kind]]))),
      section("Keys", list([["↑ ↓ Page Home End", "move in the table"], ["Enter", "show the image large"],
        ["← →", "the image before or after it in the table"], ["Escape", "close"], ["/", "search"]])));
  }

  function renderView() {
    for (const view of VIEWS) {
      const chosen = view === state.view;
      at(view).hidden = !chosen;
      at(`tab-${view}`).setAttribute("aria-selected", chosen);
      at(`tab-${view}`).tabIndex = chosen ? 0 : -1;
    }
    at("find").hidden = at("filters-home").hidden = state.view !== "images";
    if (state.view === "agreement") renderAgreement();
    if (state.view === "plots") renderPlots();
  }

  function render() {
    renderSide();
    renderView();
    if (state.view === "images") renderTable();
    renderDialog();
  }

  // ---------------------------------------------------------------------------------------------- theme

  const THEMES = ["auto", "light", "dark"];
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  function remembered() {
    try { return localStorage.getItem("theme"); } catch { return null; } // some browsers have none for files
  }
  let theme = THEMES.includes(remembered()) ? remembered() : "auto";
  function renderTheme() {
    const root = document.documentElement;
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    root.classList.toggle("dark", theme === "auto" ? systemDark.matches : theme === "dark");
    at("theme").textContent = `Theme: ${theme}`;
  }
  at("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("theme", theme); } catch { /* it holds until the page is closed */ }
    renderTheme();
  });
  systemDark.addEventListener("change", renderTheme);

  // ---------------------------------------------------------------------------------------------- events

  at("detector").addEventListener("change", (event) => change({ detector: Number(event.target.value) }));
  at("definition").addEventListener("change", (event) =>
    change({ definition: definitionsOf(state.detector)[event.target.value] }));
  at("estimator").addEventListener("change", (event) =>
    change({ estimator: estimatorsOf(state.detector, state.definition)[event.target.value] }));
  at("search").addEventListener("input", (event) => change({ search: event.target.value }));

  const toggled = (set, value, on) => {
    const result = new Set(set);
    if (on) result.add(value); else result.delete(value);
    return result;
  };
  at("kinds").addEventListener("change", ({ target }) => {
    const kind = Number(target.closest("label").dataset.kind);
    change({ kinds: toggled(state.kinds, kind, target.checked) });
  });
  at("label-list").addEventListener("change", ({ target }) => {
    const label = Number(target.closest("label").dataset.label);
    change({ hiddenLabels: toggled(state.hiddenLabels, label, !target.checked) });
  });
  at("all-labels").addEventListener("click", () => change({ hiddenLabels: new Set() }));
  at("no-labels").addEventListener("click", () => change({ hiddenLabels: new Set(data.labels.keys()) }));
  at("least-score").addEventListener("input", (event) => change({ leastScore: Number(event.target.value) }));

  at("head").addEventListener("click", (event) => {
    const key = event.target.closest("button")?.dataset.sort;
    if (!key) return;
    const falls = Boolean(shownColumns.find((column) => column.key === key).falls);
    change(key === state.sort ? { descending: !state.descending } : { sort: key, descending: falls });
  });
  rows.addEventListener("click", (event) => {
    const row = event.target.closest("[data-image]");
    if (row) change({ image: Number(row.dataset.image), open: true });
  });
  table.addEventListener("keydown", (event) => {
    if (event.target !== table || event.ctrlKey || event.metaKey || event.altKey) return;
    const inSight = Math.max(0, Math.ceil((table.tHead.offsetHeight - top()) / rowHeight()));
    const page = Math.max(1, Math.floor((innerHeight - table.tHead.offsetHeight) / rowHeight()) - 1);
    const place = places.get(state.image);
    const from = (by) => place === undefined ? inSight : place + by;
    const moves = {
      ArrowDown: from(1), ArrowUp: from(-1), PageDown: from(page), PageUp: from(-page), Home: 0, End: order.length - 1,
    };
    if (event.key in moves) moveTo(moves[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && place !== undefined) change({ open: true });
    else return;
    event.preventDefault();
  });

  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("close").addEventListener("click", () => detail.close());
  detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); }); // beside it
  detail.addEventListener("close", () => {
    at("filters-home").append(at("filters"));
    state.open = false;
    if (state.view === "images" && places.has(state.image)) bringIntoSight(state.image);
    markActive();
    table.focus({ preventScroll: true });
    writeAddress();
  });
  detail.addEventListener("keydown", (event) => {
    if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    step(by);
    event.preventDefault();
  });
  at("rank-list").addEventListener("click", (event) => {
    const index = event.target.closest("button")?.dataset.ranking;
    if (index === undefined) return;
    const { detector, definition, estimator } = data.rankings[index];
    change({ detector, definition, estimator });
  });

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
  const onScroll = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (state.view === "images") renderRows(false);
    });
  };
  addEventListener("scroll", onScroll, { passive: true });
  addEventListener("resize", onScroll, { passive: true });
  matchMedia("(max-width: 760px)").addEventListener("change", () => render());
  addEventListener("hashchange", () => {
    readAddress();
    render();
  });

  // ---------------------------------------------------------------------------------------------- begin

  at("tab-agreement").hidden = !data.agreement.rows.length;
  renderTheme();
  buildSide();
  buildAbout();
  readAddress();
  render();
  if (state.image >= 0 && places.has(state.image)) bringIntoSight(state.image);
})();
