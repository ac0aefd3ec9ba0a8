"use strict";
/* The page's data from the tier that serves: the same answers as source_embedded.js gives. */

const API = "api/v1";
const DAYS = /^(ds|as_of|cutoff|known_at|train_end|due_at|needed_until|decision_day|data_cutoff|inventory_snapshot_at|order_by_before)$|_date(_|$)/;
const ROWS = 1000; // the most that an answer holds
const OF_LIST = ["item_id", "kind", "frequency", "unit", "model_used", "is_fallback", "fallback_reason", "n_train", "train_end", "as_of"];
const CURVE_COLUMNS = ["reorder_point", "stock_value", "fill_rate"];

/** All that the page asks for, of one version: the newest when the page was opened. */
function fetchingSource() {
  const once = new Map();
  const keep = (key, make) => once.get(key) ?? once.set(key, make()).get(key);
  let base = API;
  let held = new Set();

  async function get(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.json();
  }

  /** All rows of a table, page after page; none where the version lacks it. */
  async function table(name, filters = {}) {
    if (!held.has(name)) return [];
    const rows = [];
    let next = `${base}/${name.replaceAll("_", "-")}?${new URLSearchParams({ limit: ROWS, ...filters })}`;
    while (next) {
      const answer = await get(next);
      rows.push(...answer.data.map(plain));
      next = answer.next;
    }
    return rows;
  }

  const source = {
    texts: () => keep("texts", () => get("texts.json")),
    summary: () => keep("summary", async () => {
      const summary = await get(`${API}/documents/summary`);
      base = `${API}/versions/${encodeURIComponent(summary.version_id)}`;
      held = new Set(summary.files.filter((file) => file.rows).map((file) => file.dataset));
      return summary;
    }),
    items: () => keep("items", async () => {
      await source.summary();
      const [forecasts, refusals, recommended, changes] = await Promise.all([
        table("forecasts", { horizon_step: 1, columns: OF_LIST.join() }), table("refusals"),
        table("recommendations", { location_id: "ALL" }), table("changes", { location_id: "ALL" })]);
      return listOf(forecasts, refusals, recommended, changes);
    }),
    async item(place) {
      const list = await source.items();
      const answer = await get(`${base}/items/${encodeURIComponent(list.ids[place])}`);
      return fetchedItem(list, place, answer.data);
    },
    serviceCurves: () => keep("curves", async () => {
      const list = await source.items();
      const rows = await table("service_curves", { lead_time_factor: 1, location_id: "ALL" });
      return curvesOf(list, rows);
    }),
    rows: (name) => keep(name, async () => {
      await source.summary();
      const rows = await table(name);
      return name === "metrics" || name === "scores" ? rows.filter((row) => row.item_id === null && isMissing(row.horizon_step)) : rows;
    }),
  };
  return source;
}

/** A row of the API as the page takes it: days since 1970, and 1 and 0 for yes and no. */
function plain(row) {
  const made = {};
  for (const [name, value] of Object.entries(row)) {
    made[name] = typeof value === "boolean" ? Number(value) : typeof value === "string" && DAYS.test(name) ? daysOf(`${value.slice(0, 10)}T00:00:00Z`) : value;
  }
  return made;
}

/** The list of items with their columns, as the report holds it. */
function listOf(forecasts, refusals, recommended, changes) {
  const rows = new Map();
  const add = (found, prefix = "") => {
    for (const row of found) {
      const own = rows.get(row.item_id) ?? rows.set(row.item_id, { refusal: null }).get(row.item_id);
      for (const [name, value] of Object.entries(row)) if (!(`${prefix}${name}` in own)) own[`${prefix}${name}`] = value;
    }
  };
  add(recommended);
  add(forecasts);
  add(changes, "changed_");
  for (const row of refusals) {
    add([{ item_id: row.item_id, kind: row.kind }]);
    rows.get(row.item_id).refusal = row.reason;
  }
  const ids = [...rows.keys()].sort((a, b) => (a < b ? -1 : 1));
  const columns = new Map();
  return {
    ids,
    facts: (place) => rows.get(ids[place]),
    column(name) {
      if (!columns.has(name)) columns.set(name, ids.map((id) => rows.get(id)[name] ?? null));
      return columns.get(name);
    },
  };
}

function fetchedItem(list, place, data) {
  const of = (name) => (data[name] ?? data[name.replaceAll("_", "-")] ?? []).map(plain);
  const whole = (name) => of(name).filter((row) => row.location_id === "ALL");
  const columnsOf = (rows) => (rows.length === 0 ? null : {
    days: rows.map((row) => row.ds), frequency: rows[0].frequency, kind: rows[0].kind,
    ...Object.fromEntries(Object.keys(rows[0]).filter((name) => typeof rows.find((row) => row[name] !== null)?.[name] === "number" && name !== "ds")
      .map((name) => [name, rows.map((row) => row[name])])),
  });
  const curves = whole("service_curves");
  const factors = [...new Set(curves.map((row) => row.lead_time_factor))].sort((a, b) => a - b);
  return {
    facts: list.facts(place), brief: false, forecast: columnsOf(of("forecasts")), history: historyOf(columnsOf(of("history"))),
    service: factors.length ? factors.map((factor) => ({ factor, points: curves.filter((row) => row.lead_time_factor === factor)
      .map((row) => ({ target: row.service_target, ...Object.fromEntries(CURVE_COLUMNS.map((name) => [name, row[name]])) })) })) : null,
    models: of("forecast_models").filter((row) => row.horizon_step === 1 && row.weight > 0),
    past: of("past_forecasts"),
  };
}

/** A history in which nothing was ever observed still has its columns. */
function historyOf(history) {
  if (history === null) return null;
  const empty = history.days.map(() => null);
  return { y: empty, is_stockout: empty, ...history };
}

function curvesOf(list, rows) {
  const places = new Map(list.ids.map((id, i) => [id, i]));
  const targets = [...new Set(rows.map((row) => row.service_target))].sort((a, b) => a - b);
  const found = new Map();
  for (const row of rows) {
    const place = places.get(row.item_id);
    const own = found.get(place) ?? found.set(place, { values: [], fills: [] }).get(place);
    own.values[targets.indexOf(row.service_target)] = row.stock_value;
    own.fills[targets.indexOf(row.service_target)] = row.fill_rate;
  }
  const items = [...found.keys()];
  return { targets, items, values: items.map((item) => found.get(item).values), fills: items.map((item) => found.get(item).fills) };
}
