"use strict";
/* What the numbers are made from: data, models, rules, files. */

async function screenData(page) {
  const { summary } = page;
  const [outlook, totals] = await Promise.all([page.source.rows("price_outlook"), page.source.rows("totals")]);
  const pairs = [
    ["version", summary.version_id], ["as_of", day(daysOf(summary.as_of))],
    ["generated", summary.generated_at ? day(daysOf(summary.generated_at)) : "–"], ["dataset", summary.dataset_id ?? "–"],
    ["model_version", summary.model_version ?? "–"], ["code", summary.code_version ?? "–"], ["seed", summary.seed ?? "–"],
    ["sources", Object.entries(summary.sources).map(([kind, source]) => `${say(`kind.${kind}`)}: ${say(`origin.${source}`)}`).join("; ")],
    ["panels", Object.entries(summary.panels).map(([name, steps]) => say("data.panel", { name, count: steps })).join("; ")],
    ["cutoff", Object.entries(summary.data_end).map(([name, last]) => `${name}: ${day(daysOf(last))}`).join("; ")],
  ];
  const rules = summary.gate?.rules ?? [];
  return [
    el("h2", {}, say("data.title")),
    el("dl", { class: "facts" }, pairs.map(([name, text]) => el("div", {}, el("dt", {}, say(`data.${name}`)), el("dd", {}, String(text))))),
    summary.quality_flags.length ? el("section", {}, el("h3", {}, say("data.flags")), el("p", { class: "note" }, say("data.flags.note")),
      el("ul", { lang: "en" }, summary.quality_flags.map((flag) => el("li", {}, flag)))) : null,
    totalsChart(totals),
    ...pricesOf(outlook),
    ...Object.entries(summary.weights).map(([panel, weights]) => weightsOf(panel, weights)),
    rules.length ? tableBox(say("data.gate"), ["rule", "verdict", "measured", "limit"].map((name) => say(`head.${name}`)),
      rules.map((rule) => [say(`rule.${rule.name}`), say(`verdict.${rule.verdict}`), num(rule.value, 3), num(rule.limit, 3)]), [2, 3]) : null,
    summary.files.length ? tableBox(say("data.files"), ["table", "rows", "kb", "hash"].map((name) => say(`head.${name}`)),
      summary.files.map((file) => [file.dataset, num(file.rows, 0), isMissing(file.bytes) ? "–" : num(file.bytes / 1000, 0), el("code", {}, (file.content_sha256 ?? "").slice(0, 12))]), [1, 2]) : null,
  ];
}

/** What all items together will ask for. */
function totalsChart(rows) {
  const own = rows.filter((row) => row.grouping === "all" && row.measure === "quantity").sort((a, b) => a.ds - b.ds);
  const units = [...new Set(own.map((row) => row.unit))];
  const shownRows = own.filter((row) => row.unit === units[0]);
  if (shownRows.length < 2) return null;
  const label = (row) => period(row.ds, row.frequency);
  return chart({
    title: say("data.totals"), floor: 0,
    sentence: say("data.totals.told", { count: shownRows[0].n_items, total: sum(shownRows.map((row) => row.forecast)), day: label(shownRows.at(-1)) }),
    labels: shownRows.map(label), short: axisDays(shownRows.map((row) => row.ds), shownRows[0].frequency),
    layers: [
      { type: "band", low: shownRows.map((row) => row.q10), high: shownRows.map((row) => row.q90), style: "band-inner", name: say("chart.range80") },
      { type: "line", values: shownRows.map((row) => row.q50), style: "line-median", name: say("chart.median") },
      { type: "line", values: shownRows.map((row) => row.forecast), style: "line-mean", name: say("chart.mean") },
    ],
    tell: (i) => say("tell.forecast", { day: label(shownRows[i]), q50: shownRows[i].q50, q10: shownRows[i].q10, q90: shownRows[i].q90 }),
    heads: ["period", "mean", "q10", "q50", "q90"].map((name) => say(`head.${name}`)),
    rows: () => shownRows.map((row) => [label(row), ...["forecast", "q10", "q50", "q90"].map((name) => quantity(row[name]))]),
  });
}

/** What prices may do until the last period of the forecast; no advice. */
function pricesOf(rows) {
  const last = new Map(rows.map((row) => [row.item_id, row]));
  if (!last.size) return [];
  return [el("h3", {}, say("data.prices")), el("p", { class: "note" }, say("data.prices.note")),
    tableBox(say("data.prices"), ["series", "until", "reference", "expected", "above", "at_risk", "support"].map((name) => say(`head.${name}`)),
      [...last.values()].map((row) => [idText(row.item_id), day(row.ds), num(row.reference_price, 4), num(row.expected_price, 4), percent(row.p_above_reference), num(row.price_at_risk_95, 4), say(`support.${row.decision_support}`)]), [2, 3, 4, 5])];
}

/** Weights of the models of a panel, by class of demand. */
function weightsOf(panel, weights) {
  const classes = Object.keys(weights);
  const models = [...new Set(classes.flatMap((name) => Object.keys(weights[name] ?? {})))].sort();
  if (!models.length) return null;
  return tableBox(say("data.weights", { panel }), [say("head.model"), ...classes.map((name) => say(`class.${name}`))],
    models.map((model) => [model, ...classes.map((name) => percent(weights[name][model] || null, 1))]), classes.map((_, i) => i + 1));
}
