"use strict";
/* The first screen: may these numbers be trusted tonight, and what has to be done. */

const URGENT = ["order_now", "expedite"];

/** Which items each chip of the table shows. */
const CHIPS = {
  order: (at) => URGENT.includes(at("action")),
  soon: (at) => at("action") === "order_soon",
  risk: (at) => ["critical", "high"].includes(at("alert_level")),
  excess: (at) => at("excess_qty") > 0,
  reduce: (at) => ["reduce_or_cancel_po", "review_excess"].includes(at("action")),
  review: (at) => ["review", "set_parameters"].includes(at("action")),
  refused: (at) => at("refusal") !== null,
  fallback: (at) => at("is_fallback") === 1,
  prices: (at) => at("kind") === "price",
  all: () => true,
};

async function screenToday(page) {
  const { source } = page;
  const [list, moves, joint] = await Promise.all([source.items(), source.rows("transfers"), source.rows("joint_orders")]);
  return [
    trust(page, list),
    el("h2", { id: "todo" }, say("today.todo")),
    ...exceptions(page, list),
    ...movesBetween(page, list, moves),
    ...jointOrders(list, joint),
  ];
}

/** Whether the numbers are real, how old they are, whether the gate let them pass. */
function trust(page, list) {
  const { summary } = page;
  const values = ordersByCurrency(list);
  const card = (name, value, note, tone) => el("li", { class: `card ${tone ?? ""}` },
    el("span", { class: "card-name" }, say(`card.${name}`)), el("strong", {}, value), el("span", { class: "note" }, note));
  const gate = gateOf(summary);
  const closed = (summary.gate?.rules ?? []).filter((rule) => ["closed", "accepted"].includes(rule.verdict));
  const share = summary.items ? summary.fallbacks / summary.items : 0;
  return el("section", { "aria-labelledby": "trust-head" },
    el("h2", { id: "trust-head" }, say("today.trust")),
    el("p", { class: summary.synthetic ? "banner made-up" : "banner real" },
      say(summary.synthetic ? "source.synthetic" : "source.real")),
    el("ul", { class: "cards" },
      card("run", summary.generated_at ? ago(Date.parse(summary.generated_at), page.now()) : "–",
        summary.generated_at ? say("card.run.note", { day: daysOf(summary.generated_at) }) : "", page.isOld() ? "warn" : "good"),
      card("data", ago(dataEnd(summary), page.now()), say("card.data.note", { day: lastDay(summary) })),
      card("gate", say(`gate.${gate}`), say(`gate.${gate}.note`, { count: closed.length }), gate === "open" ? "good" : "warn"),
      card("orders", num(summary.orders, 0), values.map(([currency, value]) => money(value, currency)).join(" + ") || say("card.orders.none")),
      card("fallbacks", percent(share, 1), say("card.fallbacks.note", { count: summary.fallbacks, of: summary.items }), share > 0.25 ? "warn" : "good"),
      card("refusals", num(summary.refusals, 0), say("card.refusals.note"), summary.refusals ? "warn" : "good")),
    closed.length ? el("ul", { class: "closed" }, closed.map((rule) => el("li", {},
      el("strong", {}, say(`rule.${rule.name}`)), ` – ${say(`verdict.${rule.verdict}`)} `,
      say("rule.numbers", { value: rule.value, limit: rule.limit })))) : null);
}

const gateOf = (summary) => (summary.gate === null ? "unknown" : summary.gate.open ? "open" : "closed");

/** The newest last day of the data of all panels; the instant at which it ended. */
function lastDay(summary) {
  return Math.max(daysOf(summary.as_of), ...Object.values(summary.data_end).map(daysOf));
}
const dataEnd = (summary) => (lastDay(summary) + 1) * DAY;

/** What all orders of today come to, by currency. */
function ordersByCurrency(list) {
  const sums = new Map();
  const [actions, values, currencies] = ["action", "order_value", "currency"].map((name) => list.column(name));
  actions.forEach((action, i) => {
    if (URGENT.includes(action) && !isMissing(values[i])) {
      const name = currencies[i] ?? "";
      sums.set(name, (sums.get(name) ?? 0) + values[i]);
    }
  });
  return [...sums];
}

/** Why an item is what it is, as a sentence out of its code and numbers. */
function reasonOf(at) {
  if (at("refusal") !== null) return say("refused.sentence", { reason: at("refusal") });
  const code = at("reason_code");
  if (code === null) return say(at("kind") === "price" ? "reason.of_price" : "reason.of_forecast");
  const names = ["inventory_position", "reorder_point", "order_qty", "p_stockout_no_order", "excess_qty", "ltd_mean", "on_hand"];
  const values = Object.fromEntries(names.map((name) => [name, at(name)]));
  return say(`reason.${code}`, { ...values, excess_money: money(at("excess_value"), at("currency")) });
}

function exceptions(page, list) {
  const { state } = page;
  const of = (name) => list.column(name);
  const reader = (place) => (name) => of(name)[place];
  const columns = [
    { name: "priority_rank", head: say("column.rank"), numeric: true, cell: (i) => num(of("priority_rank")[i], 0), value: (i) => of("priority_rank")[i] },
    { name: "item_id", head: say("column.item"), key: true, cell: (i) => page.itemLink(i, list.ids[i]), value: (i) => list.ids[i] },
    { name: "action", head: say("column.action"), cell: (i) => actionCell(reader(i)), value: (i) => of("action")[i] },
    { name: "order_qty", head: say("column.order"), numeric: true, cell: (i) => quantityCell(of("order_qty")[i]), value: (i) => of("order_qty")[i] },
    { name: "order_value", head: say("column.value"), numeric: true, cell: (i) => money(of("order_value")[i] || null, of("currency")[i]), value: (i) => of("order_value")[i] },
    { name: "p_stockout_no_order", head: say("column.risk"), numeric: true, cell: (i) => percent(of("p_stockout_no_order")[i]), value: (i) => of("p_stockout_no_order")[i] },
    { name: "stockout_date_p50", head: say("column.out"), numeric: true, cell: (i) => shortDay(of("stockout_date_p50")[i]), value: (i) => of("stockout_date_p50")[i], plain: (i) => isoDay(of("stockout_date_p50")[i]) },
    { name: "excess_value", head: say("column.excess"), numeric: true, cell: (i) => money(of("excess_value")[i] || null, of("currency")[i]), value: (i) => of("excess_value")[i] },
    { name: "reason", head: say("column.why"), wide: true, cell: (i) => reasonOf(reader(i)) },
  ];
  const every = list.ids.map((_, i) => i);
  let here = 0; // one reader for all items: a hundred thousand of their own would cost more than the tests
  const at = (name) => of(name)[here];
  const chosen = (chip) => every.filter((i) => ((here = i), CHIPS[chip](at)));
  const counts = Object.fromEntries(Object.keys(CHIPS).map((name) => [name, name === "all" ? every.length : chosen(name).length]));
  if (!(state.filter in CHIPS)) state.filter = counts.order ? "order" : "all";
  const table = grid(say("today.table"), columns, state, () => update());
  const status = el("p", { class: "status", role: "status" });
  const chips = Object.keys(CHIPS).filter((name) => counts[name] || ["order", "refused", "excess", "all"].includes(name)).map((name) =>
    el("button", { type: "button", class: "chip", "data-chip": name, onclick: () => { state.filter = name; update(); } },
      `${say(`chip.${name}`)} `, el("span", { class: "count" }, num(counts[name], 0))));
  const search = el("input", { type: "search", id: "search", placeholder: say("search.hint"), autocomplete: "off",
    oninput: () => { state.query = search.value; update(); } });
  search.value = state.query ?? "";

  function update() {
    const query = (state.query ?? "").trim().toLowerCase();
    const places = chosen(state.filter).filter((i) => !query || list.ids[i].toLowerCase().includes(query));
    const column = columns.find((one) => one.name === (state.sort ?? "priority_rank")) ?? columns[0];
    table.show(sorted(places, column.value ?? ((i) => i), state.sort ? state.down : false));
    chips.forEach((chip) => chip.setAttribute("aria-pressed", chip.dataset.chip === state.filter));
    status.textContent = say("search.found", { count: places.length, of: list.ids.length });
    page.remember();
  }
  const save = el("button", { type: "button", onclick: () => download(`previsor_${state.filter}.csv`, table.csv(), "text/csv") }, say("csv"));
  const tools = el("div", { class: "tools" },
    el("div", { class: "chips", role: "group", "aria-label": say("chip.group") }, chips),
    el("div", { class: "find" }, el("label", { for: "search" }, say("search")), search, save));
  queueMicrotask(update);
  return [tools, status, table.element];
}

const isoDay = (value) => (isMissing(value) ? null : new Date(value * DAY).toISOString().slice(0, 10));
const quantityCell = (value) => (value ? quantity(value) : "–");

/** What to do, with how urgent it is in a word and a shape, not in a colour alone. */
function actionCell(at) {
  const action = at("refusal") !== null ? "refused" : at("action") ?? "none";
  return el("span", { class: `act act-${action}` }, say(`action.${action}`));
}
