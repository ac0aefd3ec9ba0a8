"use strict";
/* One small module of charts: bands, lines, bars and marks over a row of places. Each has a sentence
   that says it, a cursor that arrow keys move, and its numbers as a table. */

const BOX = { width: 960, height: 280, left: 56, right: 14, top: 12, bottom: 30 };

/** Round numbers that divide a range. */
function ticksOf(low, high, count = 5) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) ticks.push(tick);
  return ticks;
}

/**
 * A chart over places 0 … n-1.
 * spec: title, sentence, labels (one a place), heads and rows of the table, tell(place) for the
 * cursor, and layers: {type: band|line|bars|marks|level, low/high/values/value, name, style}.
 * Optional: x (position of each place, else even), ticks (places with a label), short (labels of
 * the axis), floor (lowest number shown), start (where the cursor begins), share (numbers are shares).
 */
function chart(spec) {
  const { labels, layers } = spec;
  const count = labels.length;
  const numbers = layers.flatMap((layer) => [layer.values, layer.low, layer.high].flatMap((list) => list ?? []))
    .concat(layers.map((layer) => layer.value)).filter((value) => !isMissing(value));
  let low = Math.min(spec.floor ?? Infinity, ...minMax(numbers));
  let high = Math.max(...minMax(numbers));
  if (!(high > low)) [low, high] = [Math.min(low, 0), Math.max(high, low + 1)];
  const xs = spec.x ?? labels.map((_, i) => i);
  const [first, last] = [xs[0], xs[count - 1]];
  const inner = { width: BOX.width - BOX.left - BOX.right, height: BOX.height - BOX.top - BOX.bottom };
  const pad = spec.x ? 0 : inner.width / count / 2;
  const px = (i) => BOX.left + pad + (count > 1 ? (xs[i] - first) / (last - first || 1) : 0.5) * (inner.width - 2 * pad);
  const py = (value) => BOX.top + inner.height * (1 - (value - low) / (high - low));
  const drawing = svg("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, "aria-hidden": "true", class: "drawing" });
  const ticks = ticksOf(low, high);
  for (const tick of ticks) {
    drawing.append(svg("line", { class: "grid", x1: BOX.left, x2: BOX.width - BOX.right, y1: py(tick), y2: py(tick) }),
      svg("text", { class: "tick", x: BOX.left - 6, y: py(tick) + 4, "text-anchor": "end" }, spec.share ? percent(tick, ticks[1] - ticks[0] < 0.01 ? 1 : 0) : num(tick, 3)));
  }
  const every = spec.ticks ?? evenly(count, 8);
  for (const i of every) {
    const anchor = px(i) > BOX.width - 45 ? "end" : "middle";
    drawing.append(svg("text", { class: "tick", x: px(i), y: BOX.height - 9, "text-anchor": anchor }, (spec.short ?? labels)[i]));
  }
  const draw = { band, line, bars, marks, level };
  for (const layer of layers) draw[layer.type](drawing, layer, px, py, Math.max(1.5, inner.width / count * 0.7), low);
  return figure(spec, drawing, count, px);
}

function minMax(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of numbers) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return numbers.length ? [low, high] : [0, 1];
}

function evenly(count, most) {
  const step = Math.max(1, Math.ceil(count / most));
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
}

/** Places of a list in runs without a gap. */
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (isMissing(value)) return;
    if (i === 0 || isMissing(values[i - 1])) found.push([]);
    found.at(-1).push(i);
  });
  return found;
}

function band(drawing, layer, px, py) {
  for (const run of runs(layer.low)) {
    const up = run.map((i) => `${px(i)},${py(layer.high[i])}`);
    const down = run.map((i) => `${px(i)},${py(layer.low[i])}`).reverse();
    drawing.append(svg("polygon", { class: layer.style, points: [...up, ...down].join(" ") }));
  }
}

function line(drawing, layer, px, py) {
  for (const run of runs(layer.values)) {
    drawing.append(svg("polyline", { class: layer.style, points: run.map((i) => `${px(i)},${py(layer.values[i])}`).join(" ") }));
    if (run.length === 1) drawing.append(svg("circle", { class: `${layer.style} dot`, cx: px(run[0]), cy: py(layer.values[run[0]]), r: 3 }));
  }
}

function bars(drawing, layer, px, py, width, low) {
  const zero = py(Math.max(0, low));
  layer.values.forEach((value, i) => {
    if (isMissing(value) || value === 0) return;
    const top = py(value);
    drawing.append(svg("rect", { class: layer.style, x: px(i) - width / 2, width,
      y: Math.min(top, zero), height: Math.max(0.5, Math.abs(zero - top)) }));
  });
}

function marks(drawing, layer, px, py) {
  layer.values.forEach((value, i) => {
    if (isMissing(value)) return;
    const [x, y] = [px(i), py(value)];
    drawing.append(svg("path", { class: layer.style, d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` }));
  });
}

function level(drawing, layer, px, py) {
  if (isMissing(layer.value)) return;
  const y = py(layer.value);
  drawing.append(svg("line", { class: layer.style, x1: BOX.left, x2: BOX.width - BOX.right, y1: y, y2: y }));
}

/** Drawing, legend, sentence, cursor and table together. */
function figure(spec, drawing, count, px) {
  const cursor = svg("line", { class: "cursor", visibility: "hidden", y1: BOX.top, y2: BOX.height - BOX.bottom });
  drawing.append(cursor);
  const told = el("p", { class: "told" }, say("chart.keys"));
  const slider = el("div", { class: "chart", role: "slider", tabindex: "0", "aria-label": spec.title,
    "aria-valuemin": 0, "aria-valuemax": count - 1, "aria-valuenow": spec.start ?? 0,
    "aria-valuetext": spec.sentence }, drawing);
  let place = spec.start ?? 0;
  const go = (to) => {
    place = Math.max(0, Math.min(count - 1, to));
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", px(place));
    cursor.setAttribute("x2", px(place));
    told.textContent = spec.tell(place);
    slider.setAttribute("aria-valuenow", place);
    slider.setAttribute("aria-valuetext", told.textContent);
  };
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
  slider.addEventListener("keydown", (event) => {
    const to = event.key === "Home" ? 0 : event.key === "End" ? count - 1 : place + (steps[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    go(to);
  });
  slider.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * BOX.width;
    let best = 0;
    for (let i = 1; i < count; i++) if (Math.abs(px(i) - x) < Math.abs(px(best) - x)) best = i;
    go(best);
  });
  const legend = el("ul", { class: "legend" }, spec.layers.filter((layer) => layer.name).map((layer) =>
    el("li", {}, svg("svg", { width: 22, height: 12, viewBox: "0 0 22 12", "aria-hidden": "true" }, sample(layer)), layer.name)));
  return el("figure", {}, el("figcaption", {}, el("h3", {}, spec.title), el("p", {}, spec.sentence)),
    slider, legend, told,
    more(say("chart.table"), () => tableBox(spec.title, spec.heads, spec.rows(), spec.heads.map((_, i) => i).slice(1))));
}

function sample(layer) {
  if (layer.type === "band" || layer.type === "bars") return svg("rect", { class: layer.style, x: 1, y: 1, width: 20, height: 10 });
  if (layer.type === "marks") return svg("path", { class: layer.style, d: "M7 2l8 8m0 -8l-8 8" });
  return svg("line", { class: layer.style, x1: 0, x2: 22, y1: 6, y2: 6 });
}
