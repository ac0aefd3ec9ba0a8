"use strict";
/* Below today's list, where there are any: what to move between locations, and what suppliers with
   a smallest order or a fixed cost of one are ordered together. */

/** Units from a location with more than it needs to one that would have to order. */
function movesBetween(page, list, rows) {
  const places = new Map(rows.length ? list.ids.map((id, i) => [id, i]) : []);
  const of = (name) => (i) => rows[i][name];
  const units = (name) => ({ name, numeric: true, cell: (i) => quantity(rows[i][name]), value: of(name) });
  const chance = (name) => ({ name, numeric: true, cell: (i) => percent(rows[i][name], 1), value: of(name) });
  const place = (name) => ({ name, cell: (i) => idText(rows[i][name]), value: of(name) });
  const review = (i) => (rows[i].needs_review ? el("span", { class: "act act-review" }, say("action.review")) : "–");
  const item = (i) => (places.has(rows[i].item_id) ? page.itemLink(places.get(rows[i].item_id), rows[i].item_id) : idText(rows[i].item_id));
  return listing("moves", rows, [
    { name: "item_id", head: say("column.item"), key: true, cell: item, value: of("item_id") },
    { ...place("from_location"), head: say("column.from") },
    { ...place("to_location"), head: say("column.to") },
    { ...units("quantity"), head: say("column.order") },
    { ...units("spare_qty"), head: say("column.spare") },
    { ...units("need_qty"), head: say("column.need") },
    { name: "purchase_avoided", head: say("column.avoided"), numeric: true, cell: (i) => money(rows[i].purchase_avoided, rows[i].currency), value: of("purchase_avoided") },
    { ...chance("p_stockout_before"), head: say("column.risk_alone") },
    { ...chance("p_stockout_after"), head: say("column.risk_moved") },
    { name: "needs_review", head: say("column.review"), cell: review, value: of("needs_review") },
  ], ["item_id", "from_location", "to_location"], "purchase_avoided");
}

/** Orders of a supplier as a whole, and with what they were filled up. */
function jointOrders(list, rows) {
  const today = rows.length ? list.column("decision_day").find((one) => !isMissing(one)) : null;
  const of = (name) => (i) => rows[i][name];
  const when = (i) => (rows[i].lines ? today : null);
  const amount = (name) => ({ name, numeric: true, cell: (i) => money(rows[i][name], rows[i].currency), value: of(name) });
  return listing("joint", rows, [
    { name: "supplier", head: say("column.supplier"), key: true, cell: (i) => idText(rows[i].supplier), value: of("supplier") },
    { name: "lines", head: say("column.lines"), numeric: true, cell: (i) => num(rows[i].lines, 0), value: of("lines") },
    { ...amount("order_value"), head: say("column.value") },
    { ...amount("min_order_value"), head: say("column.minimum") },
    { ...amount("order_value_alone"), head: say("column.alone") },
    { name: "order_date", head: say("column.order_on"), numeric: true, cell: (i) => shortDay(when(i)), value: when, plain: (i) => isoDay(when(i)) },
    { name: "reason", head: say("column.why"), wide: true, cell: (i) => jointSentence(rows[i]) },
    { name: "first_added", head: say("column.added"), wide: true, cell: (i) => addedItems(rows[i]), value: of("first_added") },
  ], ["supplier", "first_added"], "order_value");
}

/** The first items of which more is ordered than they need, and how many others there are. */
function addedItems(row) {
  if (!row.items_added) return "–";
  const ids = (row.first_added ?? "").split(";");
  const others = row.items_added - ids.length;
  return [...ids.flatMap((id, i) => [i ? ", " : null, idText(id)]), others > 0 ? ` ${say("joint.others", { count: others })}` : null];
}

function jointSentence(row) {
  if (!row.lines) return say(row.order_value_alone > 0 ? "joint.dropped" : "joint.none");
  const short = row.order_value_alone < row.min_order_value;
  const cause = short && row.order_cost ? "both" : short ? "minimum" : "cost";
  const told = [
    row.items_added ? say(`joint.${cause}`, { cost: money(row.order_cost, row.currency), share: row.expected_use }) : null,
    row.order_value < row.order_value_alone ? say("joint.cut") : null,
    row.is_below_minimum ? say("joint.below") : null,
  ].filter(Boolean);
  return told.join(" ") || say("joint.enough");
}

/** A table of rows with a search and a CSV of its own, by value at first; nothing of no rows. */
function listing(name, rows, columns, searched, first) {
  if (!rows.length) return [];
  const state = { sort: first, down: true };
  const texts = rows.map((row) => searched.map((column) => row[column] ?? "").join("\n").toLowerCase());
  const table = grid(say(`${name}.title`), columns, state, () => update());
  const status = el("p", { class: "status", role: "status" });
  const search = el("input", { type: "search", id: `search-${name}`, autocomplete: "off", oninput: () => update() });
  function update() {
    const query = search.value.trim().toLowerCase();
    const found = rows.map((_, i) => i).filter((i) => texts[i].includes(query));
    table.show(sorted(found, columns.find((one) => one.name === state.sort).value, state.down));
    status.textContent = say("search.rows", { count: found.length, of: rows.length });
  }
  queueMicrotask(update);
  return [
    el("h2", {}, say(`${name}.title`)),
    el("p", { class: "note" }, say(`${name}.note`)),
    el("div", { class: "find" }, el("label", { for: search.id }, say(`${name}.search`)), search,
      el("button", { type: "button", onclick: () => download(`previsor_${name}.csv`, table.csv(), "text/csv") }, say("csv"))),
    status,
    table.element,
  ];
}
