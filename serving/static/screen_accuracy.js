"use strict";
/* Were earlier forecasts right: what nights have shown since, beside what the backtest promised. */

const BEST = 12; // models that are listed

async function screenAccuracy(page) {
  const [scores, metrics, simulation] = await Promise.all(["scores", "metrics", "simulation"].map((name) => page.source.rows(name)));
  return [
    el("h2", {}, say("accuracy.title")),
    ...inLife(scores),
    el("h3", {}, say("accuracy.backtest")),
    ...panelsOf(metrics).flatMap((panel) => ofPanel(metrics, panel)),
    promised(simulation),
  ];
}

/** What came true of published forecasts; the newest rows of each span and lag. */
function inLife(scores) {
  const head = el("h3", {}, say("accuracy.life"));
  const whole = scores.filter((row) => isMissing(row.demand_class) && isMissing(row.ds) && row.n_obs > 0);
  if (!whole.length) return [head, el("p", {}, say("past.none"))];
  const newest = new Map();
  for (const row of whole) {
    const key = `${row.kind} ${row.frequency} ${row.span} ${row.lag}`;
    if (!(newest.get(key)?.known_at > row.known_at)) newest.set(key, row);
  }
  const rows = [...newest.values()].map((row) => [
    isMissing(row.lag) ? say("span.protection") : say("span.period", { count: row.lag }), say(`kind.${row.kind}`), num(row.n_obs, 0),
    percent(row.coverage_80_interval, 1), percent(row.coverage_80, 1), percent(row.coverage_90, 1), percent(row.coverage_95, 1),
    percent(row.bias, 1), isMissing(row.service_achieved) ? "–" : `${percent(row.service_achieved, 1)} (${percent(row.service_target, 1)})`, percent(row.value_added, 1)]);
  const best = [...newest.values()].sort((a, b) => b.n_obs - a.n_obs)[0];
  return [head,
    el("p", { class: "lead" }, say("accuracy.life.told", { count: best.n_obs, percent: best.coverage_80_interval, share: best.bias })),
    tableBox(say("accuracy.life"), ["ahead", "kind", "obs", "inside80", "below80", "below90", "below95", "bias", "service", "added"].map((name) => say(`head.${name}`)), rows, [2, 3, 4, 5, 6, 7, 8, 9]),
    byPeriod(scores, best)];
}

/** Month by month, what share stayed inside the range. */
function byPeriod(scores, best) {
  const rows = scores.filter((row) => !isMissing(row.ds) && isMissing(row.demand_class) && row.lag === best.lag && row.span === best.span && row.kind === best.kind && row.frequency === best.frequency && row.n_obs > 0)
    .sort((a, b) => a.ds - b.ds || a.known_at - b.known_at);
  const last = [...new Map(rows.map((row) => [row.ds, row])).values()];
  if (last.length < 2) return null;
  const inside = last.map((row) => row.coverage_80_interval);
  return chart({
    title: say("accuracy.periods"), sentence: say("accuracy.periods.told", { percent: inside.at(-1), count: last.length }),
    labels: last.map((row) => period(row.ds, row.frequency)), short: axisDays(last.map((row) => row.ds), last[0].frequency), floor: 0,
    layers: [{ type: "line", values: inside, style: "line-median", name: say("head.inside80") }, { type: "level", value: 0.8, style: "level-point", name: say("accuracy.wanted") }],
    share: true, tell: (i) => say("tell.coverage", { day: period(last[i].ds, last[i].frequency), percent: inside[i], count: last[i].n_obs }),
    heads: ["period", "obs", "inside80", "bias"].map((name) => say(`head.${name}`)),
    rows: () => last.map((row) => [period(row.ds, row.frequency), num(row.n_obs, 0), percent(row.coverage_80_interval, 1), percent(row.bias, 1)]),
  });
}

const panelsOf = (metrics) => [...new Set(metrics.map((row) => row.panel))].filter(Boolean).sort();

/** Means over the origins, weighted by the actuals behind them. */
function meansOf(metrics, panel) {
  const models = new Map();
  for (const row of metrics) {
    if (row.panel !== panel || row.demand_class !== null || isMissing(row.value) || row.model.includes(":")) continue;
    const own = models.get(row.model) ?? models.set(row.model, {}).get(row.model);
    const pair = own[row.metric] ?? (own[row.metric] = [0, 0]);
    pair[0] += row.value * (row.n_obs || 1);
    pair[1] += row.n_obs || 1;
  }
  return new Map([...models].map(([model, own]) => [model, Object.fromEntries(Object.entries(own).map(([name, [total, count]]) => [name, total / count]))]));
}

function ofPanel(metrics, panel) {
  const models = meansOf(metrics, panel);
  const own = models.get("ensemble");
  if (!own) return [];
  const judged = own.cum_tail_pinball === undefined ? "scaled_crps" : "cum_tail_pinball";
  const rows = [...models].filter(([, one]) => one[judged] !== undefined).sort((a, b) => a[1][judged] - b[1][judged])
    .filter(([model], i) => i < BEST || model === "ensemble")
    .map(([model, one]) => [model, num(one[judged], 3), percent(one.coverage_80_interval, 1), percent(one.cum_coverage_95, 1), percent(one.bias, 1), percent(one.weight, 1)]);
  const skill = own.stock_skill ?? own.skill;
  const ends = own.stock_skill === undefined ? [own.skill_low, own.skill_high] : [own.stock_skill_low, own.stock_skill_high];
  return [
    el("h4", {}, panel),
    isMissing(skill) ? null : el("p", {}, say(skill < 0 ? "accuracy.skill.worse" : "accuracy.skill", { percent: Math.abs(skill) }),
      ` ${isMissing(ends[0]) ? say("accuracy.skill.one") : say("accuracy.skill.ends", { low_share: ends[0], high_share: ends[1] })}`),
    el("p", {}, say("accuracy.kept", { percent: own.coverage_80_interval ?? null })),
    tableBox(say("accuracy.models", { panel }), ["model", "loss", "inside80", "cum95", "bias", "weight"].map((name) => say(`head.${name}`)), rows, [1, 2, 3, 4, 5]),
  ];
}

/** Service promised and achieved by simulation, level by level. */
function promised(simulation) {
  const rows = simulation.filter((row) => row.method === "ensemble" && row.demand_class === "*").sort((a, b) => a.level - b.level);
  if (!rows.length) return null;
  return chart({
    title: say("accuracy.promise"), sentence: say("accuracy.promise.told", { count: rows.length, percent: Math.max(...rows.map((row) => Math.abs(row.promised_service - row.cycle_service))) }),
    labels: rows.map((row) => percent(row.level, 1)), ticks: rows.map((_, i) => i),
    layers: [
      { type: "band", low: rows.map((row) => row.cycle_service_low), high: rows.map((row) => row.cycle_service_high), style: "band-inner", name: say("chart.interval95") },
      { type: "line", values: rows.map((row) => row.cycle_service), style: "line-median", name: say("chart.achieved") },
      { type: "line", values: rows.map((row) => row.promised_service), style: "line-mean", name: say("chart.promised") },
    ],
    share: true,
    tell: (i) => say("tell.promise", { service_target: rows[i].level, share: rows[i].promised_service, percent: rows[i].cycle_service }),
    heads: ["target", "promised", "achieved", "fill"].map((name) => say(`head.${name}`)),
    rows: () => rows.map((row) => [percent(row.level, 1), percent(row.promised_service, 1), percent(row.cycle_service, 1), percent(row.unit_fill, 1)]),
  });
}
