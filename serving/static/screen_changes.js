"use strict";
/* What changed since the version before, and what made it change. */

const CAUSES = ["forecast", "stock", "lead_time", "parameters"];

async function screenChanges(page) {
  const list = await page.source.items();
  const of = (name) => list.column(name);
  const drivers = of("changed_driver");
  const compared = drivers.map((driver, i) => i).filter((i) => drivers[i] !== null);
  const head = el("h2", {}, say("changes.title"));
  if (!compared.length) return [head, el("p", { class: "lead" }, say("changes.none"))];
  const before = (i) => of("changed_order_qty_before")[i];
  const now = (i) => of("order_qty")[i];
  const moved = compared.filter((i) => drivers[i] !== "none");
  const started = compared.filter((i) => now(i) > 0 && !(before(i) > 0));
  const ended = compared.filter((i) => before(i) > 0 && !(now(i) > 0));
  const [difference, base] = [sum(compared.map((i) => Math.abs((now(i) ?? 0) - (before(i) ?? 0)))), sum(compared.map(before))];
  const reader = (i) => (name) => of(name)[i];
  const columns = [
    { name: "item_id", head: say("column.item"), key: true, cell: (i) => page.itemLink(i, list.ids[i]), value: (i) => list.ids[i] },
    { name: "before", head: say("column.before"), numeric: true, cell: (i) => quantityCell(before(i)), value: before },
    { name: "now", head: say("column.now"), numeric: true, cell: (i) => quantityCell(now(i)), value: now },
    { name: "difference", head: say("column.difference"), numeric: true, cell: (i) => signed((now(i) ?? 0) - (before(i) ?? 0)), value: (i) => Math.abs((now(i) ?? 0) - (before(i) ?? 0)) },
    { name: "driver", head: say("column.cause"), cell: (i) => say(`driver.${drivers[i]}`), value: (i) => drivers[i] },
    { name: "told", head: say("column.why"), wide: true, cell: (i) => changeSentence(reader(i)) },
  ];
  const state = { sort: "difference", down: true };
  const table = grid(say("changes.table"), columns, state, () => update());
  const update = () => table.show(sorted(moved, columns.find((one) => one.name === state.sort).value, state.down));
  queueMicrotask(update);
  const byDriver = Object.entries(Object.groupBy ? Object.groupBy(moved, (i) => drivers[i]) : grouped(moved, (i) => drivers[i]));
  return [
    head,
    el("p", { class: "lead" }, say("changes.told", { version: of("changed_before_version")[compared[0]] ?? "", count: moved.length, of: compared.length, started_n: started.length, ended_n: ended.length })),
    base > 0 ? el("p", {}, say("changes.stability", { percent: difference / base })) : null,
    byDriver.length ? tableBox(say("changes.causes"), [say("column.cause"), say("head.items")], byDriver.map(([driver, own]) => [say(`driver.${driver}`), num(own.length, 0)]), [1]) : null,
    el("div", { class: "find" }, el("button", { type: "button", onclick: () => download("previsor_changes.csv", table.csv(), "text/csv") }, say("csv"))),
    table.element,
  ];
}

function grouped(places, key) {
  const found = {};
  for (const place of places) (found[key(place)] ??= []).push(place);
  return found;
}

const signed = (value) => (value > 0 ? `+${quantity(value)}` : quantity(value));

/** What moved an order, out of the parts that inputs had in it. */
function changeSentence(at) {
  const driver = at("changed_driver");
  const values = { before: at("changed_order_qty_before"), now: at("order_qty") };
  if (driver === "none") return say("change.none", values);
  if (driver === "new" || driver === "gone") return say(`change.${driver}`, values);
  const parts = CAUSES.map((cause) => [cause, at(`changed_order_from_${cause}`)])
    .filter(([, value]) => value)
    .map(([cause, value]) => say("change.part", { cause: say(`driver.${cause}`), value: signed(value) }));
  const why = driver === "forecast" && at("changed_forecast_changed") ? ` ${say(`forecast_changed.${at("changed_forecast_changed")}`)}` : "";
  const told = parts.length ? ` ${say("change.parts", { parts: parts.join("; ") })}` : "";
  return `${say("change.moved", { ...values, driver: say(`driver.${driver}`) })}${told}${why}`;
}
