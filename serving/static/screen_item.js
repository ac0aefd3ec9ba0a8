"use strict";
/* One item: what was, what may come, when stock runs out, what was said before, and why. */

async function screenItem(page) {
  const list = await page.source.items();
  const place = list.ids.indexOf(page.state.item);
  const picker = itemPicker(page, list);
  if (place < 0) {
    return [picker, el("p", { class: "status", role: "status" }, page.state.item
      ? [say("item.unknown"), " ", idText(page.state.item)] : say("item.choose"))];
  }
  const item = await page.source.item(place);
  item.id = list.ids[place];
  const at = (name) => (name in item.facts ? item.facts[name] : list.column(name)[place]);
  return [
    picker,
    el("h2", {}, idText(item.id)),
    el("p", { class: "lead" }, actionCell(at), " ", quantityTold(at), reasonOf(at)),
    facts(at),
    item.brief ? el("p", { class: "note" }, say("item.brief")) : null,
    historyChart(item, at),
    at("kind") === "price" ? null : cumulativeChart(item, at),
    serviceChart(item, at),
    pastOf(item, at),
    changeOf(at),
    modelsOf(item, at),
    notesOf(at),
  ];
}

function itemPicker(page, list) {
  const input = el("input", { type: "search", id: "pick", list: "pick-list", autocomplete: "off" });
  const options = el("datalist", { id: "pick-list" });
  input.addEventListener("input", () => {
    const query = input.value.toLowerCase();
    if (list.ids.includes(input.value)) return page.go({ screen: "item", item: input.value });
    const found = query ? list.ids.filter((id) => id.toLowerCase().includes(query)).slice(0, 20) : [];
    options.replaceChildren(...found.map((id) => el("option", { value: id })));
  });
  return el("div", { class: "find" }, el("label", { for: "pick" }, say("item.pick")), input, options);
}

function quantityTold(at) {
  const [quantityOf, value] = [at("order_qty"), at("order_value")];
  if (!quantityOf) return "";
  return `${say("item.order", { order_qty: quantityOf, value: money(value, at("currency")) })} `;
}

/** Names and numbers in pairs; what is not known is left out. */
function facts(at) {
  const amount = (name) => money(at(name), at("currency"));
  const shownFacts = [
    ["on_hand", quantity(at("on_hand"))], ["on_order", quantity(at("on_order"))],
    ["inventory_position", quantity(at("inventory_position"))], ["reorder_point", quantity(at("reorder_point"))],
    ["order_up_to", quantity(at("order_up_to"))], ["stockout_date_p50", day(at("stockout_date_p50"))],
    ["p_stockout_no_order", percent(at("p_stockout_no_order"), 1)], ["p_stockout_with_order", percent(at("p_stockout_with_order"), 1)],
    ["expected_receipt_date", day(at("expected_receipt_date"))], ["order_by_date", day(at("order_by_date"))],
    ["lead_time_days_mean", days(at("lead_time_days_mean"))], ["protection_days", days(at("protection_days"))],
    ["ltd_mean", quantity(at("ltd_mean"))], ["service_target", percent(at("service_target"), 1)],
    ["excess_qty", at("excess_qty") ? `${quantity(at("excess_qty"))} (${amount("excess_value")})` : "–"],
    ["inventory_snapshot_at", day(at("inventory_snapshot_at"))], ["supplier", at("supplier") ?? "–"],
    ["criticality", at("criticality") ?? "–"], ["demand_class", at("demand_class") ? say(`class.${at("demand_class")}`) : "–"],
    ["confidence", at("confidence") ? say(`confidence.${at("confidence")}`) : "–"],
  ].filter(([, text]) => text !== "–");
  return el("dl", { class: "facts" }, shownFacts.map(([name, text]) =>
    el("div", {}, el("dt", {}, say(`fact.${name}`)), el("dd", {}, text))));
}

const days = (value) => (isMissing(value) ? "–" : say("days", { count: value }));

/** History as bars or a line, and the range of the forecast after it. */
function historyChart(item, at) {
  const { forecast, history } = item;
  if (!forecast && !history) return null;
  const past = history ?? { days: [], y: [], is_stockout: [], frequency: forecast.frequency };
  const start = past.y.findIndex((value) => value !== null);
  const shownPast = start < 0 ? [] : past.days.slice(start);
  const next = forecast?.days ?? [];
  const all = [...shownPast, ...next];
  const gap = shownPast.map(() => null);
  const tail = next.map(() => null);
  const y = [...past.y.slice(past.y.length - shownPast.length), ...tail];
  const out = past.is_stockout?.slice(past.y.length - shownPast.length) ?? [];
  const of = (name) => [...gap, ...(forecast?.[name] ?? tail)];
  const price = at("kind") === "price";
  const layers = [
    forecast?.q05 ? { type: "band", low: of("q05"), high: of("q95"), style: "band-outer", name: say("chart.range90") } : null,
    forecast ? { type: "band", low: of("q10"), high: of("q90"), style: "band-inner", name: say("chart.range80") } : null,
    shownPast.length ? { type: price ? "line" : "bars", values: y, style: price ? "line-past" : "bar-past", name: say("chart.seen") } : null,
    forecast ? { type: "line", values: of("q50"), style: "line-median", name: say("chart.median") } : null,
    forecast ? { type: "line", values: of("forecast"), style: "line-mean", name: say("chart.mean") } : null,
    out.some((one) => one === 1) ? { type: "marks", values: all.map((_, i) => (out[i] === 1 ? y[i] ?? 0 : null)), style: "mark-out", name: say("chart.stockout") } : null,
  ].filter(Boolean);
  const frequency = past.frequency ?? forecast.frequency;
  const row = (i) => [period(all[i], frequency), quantity(y[i]), out[i] === 1 ? say("yes") : "–",
    quantity(of("forecast")[i]), quantity(of("q10")[i]), quantity(of("q50")[i]), quantity(of("q90")[i])];
  const [total, seen] = [forecast?.cum_mean?.at(-1) ?? sum(forecast?.forecast ?? []), sum(y.slice(Math.max(0, shownPast.length - next.length), shownPast.length))];
  const sentence = !forecast ? say("item.history.alone")
    : price ? say("item.history.price", { last: y[shownPast.length - 1], q10: forecast.q10.at(-1), q90: forecast.q90.at(-1), day: next.at(-1) })
      : say("item.history.demand", { count: next.length, total, seen, day: next.at(-1) });
  return chart({
    title: say("item.history"), sentence, labels: all.map((one) => period(one, frequency)), short: axisDays(all, frequency), layers, floor: price ? undefined : 0,
    start: shownPast.length,
    tell: (i) => i < shownPast.length
      ? say(out[i] === 1 ? "tell.seen.out" : "tell.seen", { day: period(all[i], frequency), y: y[i] })
      : say("tell.forecast", { day: period(all[i], frequency), q50: of("q50")[i], q10: of("q10")[i], q90: of("q90")[i] }),
    heads: ["period", "y", "stockout", "mean", "q10", "q50", "q90"].map((name) => say(`head.${name}`)),
    rows: () => all.map((_, i) => row(i)),
  });
}

const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

/** Demand added up over the periods to come, beside what there is and when to order. */
function cumulativeChart(item, at) {
  const { forecast } = item;
  if (!forecast?.cum_q50) return null;
  const [position, point] = [at("inventory_position"), at("reorder_point")];
  const short = forecast.cum_q50.findIndex((value) => !isMissing(position) && asShown(value) > asShown(position));
  const high = forecast.cum_q95 ?? forecast.cum_q90;
  const layers = [
    { type: "band", low: forecast.cum_q50, high: forecast.cum_q99, style: "band-outer", name: say("chart.cum99") },
    { type: "band", low: forecast.cum_q50, high, style: "band-inner", name: say("chart.cum95") },
    { type: "line", values: forecast.cum_q50, style: "line-median", name: say("chart.median") },
    isMissing(position) ? null : { type: "level", value: position, style: "level-position", name: say("fact.inventory_position") },
    isMissing(point) ? null : { type: "level", value: point, style: "level-point", name: say("fact.reorder_point") },
  ].filter(Boolean);
  const label = (i) => period(forecast.days[i], forecast.frequency);
  const sentence = isMissing(position) ? say("item.cumulative.nostock")
    : short < 0 ? say("item.cumulative.enough", { position, day: label(forecast.days.length - 1) })
      : say("item.cumulative.short", { position, day: label(short) });
  return chart({
    title: say("item.cumulative"), sentence, labels: forecast.days.map((_, i) => label(i)), short: axisDays(forecast.days, forecast.frequency), layers, floor: 0,
    tell: (i) => say("tell.cumulative", { day: label(i), q50: forecast.cum_q50[i], q95: high[i] }),
    heads: ["until", "q50", "q80", "q95", "q99"].map((name) => say(`head.${name}`)),
    rows: () => forecast.days.map((_, i) => [label(i), ...["cum_q50", "cum_q80", "cum_q95", "cum_q99"].map((name) => quantity(forecast[name][i]))]),
  });
}

/** What each target of service takes in stock, of this item. */
function serviceChart(item, at) {
  const own = item.service?.find((one) => one.factor === 1);
  if (!own || own.points.every((point) => isMissing(point.reorder_point))) return null;
  const others = item.service.filter((one) => one.factor !== 1);
  const other = others.find((one) => one.factor === 1.5);
  const { points } = own;
  const layers = [
    { type: "line", values: points.map((point) => point.reorder_point), style: "line-median", name: say("chart.level") },
    other ? { type: "line", values: other.points.map((point) => point.reorder_point), style: "line-mean", name: say("chart.level.late") } : null,
    { type: "level", value: at("inventory_position"), style: "level-position", name: say("fact.inventory_position") },
  ].filter((layer) => layer && !(layer.type === "level" && isMissing(layer.value)));
  const near = points.find((point) => point.target >= (at("service_target") ?? 0.95)) ?? points.at(-1);
  return chart({
    title: say("item.service"),
    sentence: say("item.service.told", { service_target: near.target, reorder_point: near.reorder_point, value: money(near.stock_value, at("currency")) }),
    labels: points.map((point) => percent(point.target, 1)), layers, floor: 0, ticks: points.map((_, i) => i),
    tell: (i) => say("tell.service", { service_target: points[i].target, reorder_point: points[i].reorder_point, value: money(points[i].stock_value, at("currency")) }),
    heads: [...["target", "reorder_point", "value", "fill"].map((name) => say(`head.${name}`)), ...others.map(({ factor }) => say("head.level_at", { factor }))],
    rows: () => points.map((point, t) => [percent(point.target, 1), quantity(point.reorder_point), money(point.stock_value, at("currency")), percent(point.fill_rate, 1),
      ...others.map((one) => quantity(one.points[t].reorder_point))]),
  });
}

/** What was said of this item before, and what came true. */
function pastOf(item, at) {
  const rows = (item.past ?? []).filter((row) => row.span === "period" && row.y !== null);
  if (!rows.length) return el("section", {}, el("h3", {}, say("item.past")), el("p", {}, say("past.none")));
  const newest = new Map(rows.map((row) => [`${row.lag} ${row.ds}`, row])); // the last known_at of each
  const lags = [...new Set(rows.map((row) => row.lag))].sort((a, b) => a - b);
  const make = (lag) => {
    const own = [...newest.values()].filter((row) => row.lag === lag).sort((a, b) => a.ds - b.ds);
    const inside = own.filter((row) => row.y >= row.q10 && row.y <= row.q90).length;
    const frequency = at("frequency");
    return chart({
      title: say("item.past.lag", { count: lag }),
      sentence: say("item.past.told", { count: own.length, inside }),
      labels: own.map((row) => period(row.ds, frequency)), short: axisDays(own.map((row) => row.ds), frequency),
      layers: [
        { type: "band", low: own.map((row) => row.q10), high: own.map((row) => row.q90), style: "band-inner", name: say("chart.range80") },
        { type: "line", values: own.map((row) => row.q50), style: "line-median", name: say("chart.median") },
        { type: "marks", values: own.map((row) => row.y), style: "mark-true", name: say("chart.true") },
      ],
      floor: at("kind") === "price" ? undefined : 0,
      tell: (i) => say("tell.past", { day: period(own[i].ds, frequency), said: day(own[i].as_of), q50: own[i].q50, q10: own[i].q10, q90: own[i].q90, y: own[i].y }),
      heads: ["period", "said", "q10", "q50", "q90", "y"].map((name) => say(`head.${name}`)),
      rows: () => own.map((row) => [period(row.ds, frequency), day(row.as_of), quantity(row.q10), quantity(row.q50), quantity(row.q90), quantity(row.y)]),
    });
  };
  const place = el("div", {}, make(lags[0]));
  const choose = el("select", { id: "lag", onchange: () => place.replaceChildren(make(Number(choose.value))) },
    lags.map((lag) => el("option", { value: lag }, num(lag, 0))));
  return el("section", {}, el("div", { class: "find" }, el("label", { for: "lag" }, say("item.past.choose")), choose), place);
}

function changeOf(at) {
  if (isMissing(at("changed_driver"))) return null;
  return el("section", {}, el("h3", {}, say("item.change")), el("p", {}, changeSentence(at)));
}

/** The models that a forecast is mixed of, with their weights. */
function modelsOf(item, at) {
  if (at("model_used") === null) return null;
  const rows = (item.models ?? []).sort((a, b) => b.weight - a.weight).map((row) =>
    [row.model, percent(row.weight, 1), quantity(row.forecast)]);
  return el("section", {}, el("h3", {}, say("item.models")),
    el("p", {}, say("item.models.told", { model: at("model_used"), count: at("n_train") ?? null }),
      at("is_fallback") === 1 ? ` ${say("item.models.fallback", { reason: at("fallback_reason") ?? "" })}` : ""),
    rows.length ? tableBox(say("item.models"), ["model", "weight", "first"].map((name) => say(`head.${name}`)), rows, [1, 2]) : null);
}

/** What somebody should know before taking the row as it is. */
function notesOf(at) {
  const flags = (at("quality_flags") ?? "").split(";").filter(Boolean);
  if (!flags.length) return null;
  return el("section", {}, el("h3", {}, say("item.flags")), el("ul", {}, flags.map((flag) => el("li", {}, say(`flag.${flag}`)))));
}
