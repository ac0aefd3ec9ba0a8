"use strict";
/* What service costs: the curve of all items, what one target for all would take, and a budget. */

const TARGETS_OFFERED = [0.9, 0.95, 0.98, 0.99];

async function screenService(page) {
  const list = await page.source.items();
  const [curve, simulated] = await Promise.all([page.source.rows("portfolio_curves"), page.source.rows("simulation")]);
  const priced = await pricedItems(list, page.source);
  return [
    el("h2", {}, say("service.title")),
    previewOf(page, priced),
    portfolioChart(simulated),
    savings(curve),
  ];
}

/** Stock values of items whose cost is known in the most common currency, by target. */
async function pricedItems(list, source) {
  const curves = await source.serviceCurves();
  const currencies = list.column("currency");
  const counts = {};
  for (const item of curves?.items ?? []) if (currencies[item]) counts[currencies[item]] = (counts[currencies[item]] ?? 0) + 1;
  const currency = Object.entries(counts).sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
  const found = { currency, targets: curves?.targets ?? [], values: [], fills: [], weights: [], left: 0 };
  (curves?.items ?? []).forEach((item, i) => {
    const values = curves.values[i];
    if (currencies[item] !== currency || values.some(isMissing)) {
      found.left++;
      return;
    }
    found.values.push(values);
    found.fills.push(curves.fills[i]);
    found.weights.push(list.column("ltd_mean")[item] ?? 0);
  });
  return found;
}

/** Stock and fill where every item has the same target; between two targets in proportion. */
function atTarget(priced, target) {
  const { targets } = priced;
  const high = Math.max(1, targets.findIndex((one) => one >= target) < 0 ? targets.length - 1 : targets.findIndex((one) => one >= target));
  const share = Math.max(0, Math.min(1, (target - targets[high - 1]) / (targets[high] - targets[high - 1])));
  const mix = (values) => values[high - 1] + share * (values[high] - values[high - 1]);
  const value = sum(priced.values.map(mix));
  const asked = sum(priced.weights);
  const fill = asked ? sum(priced.fills.map((fills, i) => priced.weights[i] * (isMissing(fills[high]) ? 1 : mix(fills)))) / asked : null;
  return { value, fill };
}

/** The most units at once that a budget of stock buys: each item at the target that a price of
    units makes best for it, and that price such that the budget is just kept. */
function atBudget(priced, budget) {
  const choose = (price) => {
    let [value, served] = [0, 0];
    for (let i = 0; i < priced.values.length; i++) {
      const [values, fills, weight] = [priced.values[i], priced.fills[i], priced.weights[i]];
      let best = 0;
      for (let t = 1; t < values.length; t++) {
        if (price * weight * ((fills[t] ?? 1) - (fills[best] ?? 1)) > values[t] - values[best]) best = t;
      }
      value += values[best];
      served += weight * (fills[best] ?? 1);
    }
    return { value, served };
  };
  let [low, high] = [0, 1];
  while (choose(high).value < budget && high < 1e12) high *= 4;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (choose(middle).value > budget) high = middle;
    else low = middle;
  }
  const found = choose(low);
  const asked = sum(priced.weights);
  return { value: found.value, fill: asked ? found.served / asked : null };
}

function previewOf(page, priced) {
  if (!priced.values.length) return el("p", {}, say("service.none"));
  const [least, most] = [atTarget(priced, priced.targets[0]).value, atTarget(priced, priced.targets.at(-1)).value];
  const base = atTarget(priced, 0.95);
  const about = (value) => money(Number(value.toPrecision(3)), priced.currency); // a preview knows no more
  const told = el("p", { class: "answer", role: "status" });
  const slider = el("input", { type: "range", id: "target", min: 50, max: 99.5, step: 0.5, value: 95 });
  const budget = el("input", { type: "range", id: "budget", min: 0, max: 1000, step: 1 });
  const budgetTold = el("p", { class: "answer", role: "status" });
  const amount = () => least + (most - least) * (Number(budget.value) / 1000) ** 2; // finer where it is small
  function ofTarget(target) {
    slider.value = target * 100;
    const found = atTarget(priced, target);
    slider.setAttribute("aria-valuetext", percent(target, 1));
    told.textContent = say("service.target.told", { percent: target, value: about(found.value),
      fill: found.fill, base: about(base.value), change: `${found.value >= base.value ? "+" : ""}${percent(found.value / base.value - 1)}` });
    page.state.target = target;
    page.remember();
  }
  function ofBudget() {
    const found = atBudget(priced, amount());
    budget.setAttribute("aria-valuetext", about(amount()));
    budgetTold.textContent = say("service.budget.told", { budget: about(amount()), value: about(found.value), fill: found.fill });
  }
  slider.addEventListener("input", () => ofTarget(Number(slider.value) / 100));
  budget.addEventListener("input", ofBudget);
  budget.value = Math.round(1000 * Math.sqrt(Math.max(0, (base.value - least) / (most - least || 1))));
  const buttons = TARGETS_OFFERED.map((target) => el("button", { type: "button", class: "chip", "data-target": target, onclick: () => ofTarget(target) }, percent(target)));
  ofTarget(Number(page.state.target) || 0.95);
  ofBudget();
  return el("section", { class: "preview" },
    el("p", { class: "note" }, say("service.preview", { count: priced.values.length, left: priced.left })),
    el("div", { class: "slider" }, el("label", { for: "target" }, say("service.target")), slider, el("div", { class: "chips" }, buttons)), told,
    el("div", { class: "slider" }, el("label", { for: "budget" }, say("service.budget")), budget), budgetTold);
}

/** Stock against units served at once in the backtest: the ensemble, and a rule beside it. */
function portfolioChart(rows) {
  const of = (method) => rows.filter((row) => row.demand_class === "*" && row.method === method && !isMissing(row.stock_value)).sort((a, b) => a.stock_value - b.stock_value);
  const [own, rule] = [of("ensemble"), of("mean_sigma")];
  if (own.length < 2) return el("p", {}, say("service.nocurve"));
  const all = [...own.map((row) => ({ row, own: true })), ...rule.map((row) => ({ row, own: false }))].sort((a, b) => a.row.stock_value - b.row.stock_value);
  const unit = own[0].value_unit === "units" ? "" : own[0].value_unit;
  const line = (ours) => interpolated(all.map((one) => (one.own === ours ? one.row.unit_fill : null)));
  return chart({
    title: say("service.curve"),
    sentence: say("service.curve.told", { fill: own.at(-1).unit_fill, value: money(own.at(-1).stock_value, unit) }),
    labels: all.map((one) => money(one.row.stock_value, unit)), x: all.map((one) => one.row.stock_value),
    layers: [
      { type: "line", values: line(true), style: "line-median", name: say("chart.ours") },
      { type: "line", values: line(false), style: "line-mean", name: say("chart.rule") },
    ],
    share: true, ticks: spread(all.map((one) => one.row.stock_value)),
    tell: (i) => say("tell.curve", { method: say(`method.${all[i].own ? "ensemble" : "mean_sigma"}`), value: money(all[i].row.stock_value, unit), fill: all[i].row.unit_fill, service_target: all[i].row.level }),
    heads: ["method", "target", "value", "fill", "cycles"].map((name) => say(`head.${name}`)),
    rows: () => all.map(({ row }) => [say(`method.${row.method}`), percent(row.level, 1), money(row.stock_value, unit), percent(row.unit_fill, 1), percent(row.cycle_service, 1)]),
  });
}

/** Values between known ones in proportion to their places; nothing beyond the ends. */
function interpolated(values) {
  const known = values.map((value, i) => [i, value]).filter(([, value]) => value !== null);
  return values.map((value, i) => {
    if (value !== null) return value;
    const after = known.find(([place]) => place > i);
    const before = known.findLast(([place]) => place < i);
    if (!after || !before) return null;
    return before[1] + (after[1] - before[1]) * (i - before[0]) / (after[0] - before[0]);
  });
}

/** Places whose labels do not run into each other. */
function spread(xs) {
  const [first, last] = [xs[0], xs.at(-1)];
  let free = -Infinity;
  return xs.map((x, i) => [x, i]).filter(([x]) => {
    const at = (x - first) / (last - first || 1);
    if (at < free) return false;
    free = at + 0.16;
    return true;
  }).map(([, i]) => i);
}

/** How much less stock the same service takes than by the rule. */
function savings(rows) {
  const shownRows = rows.filter((row) => row.method === "ensemble" && row.measure === "unit_fill" && row.anchor.startsWith("rule_") && !isMissing(row.ratio));
  if (!shownRows.length) return null;
  const different = [...new Map(shownRows.map((row) => [`${row.service} ${row.stock_value}`, row])).values()];
  return tableBox(say("service.savings"), ["fill", "value", "rule_value", "ratio"].map((name) => say(`head.${name}`)),
    different.map((row) => [percent(row.service, 1), money(row.stock_value, row.value_unit), money(row.rule_stock_value, row.value_unit),
      `${percent(row.ratio)} (${percent(row.ratio_low)} – ${percent(row.ratio_high)})`]), [0, 1, 2, 3]);
}
