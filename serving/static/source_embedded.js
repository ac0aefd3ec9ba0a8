"use strict";
/* The page's data out of the page itself: blocks in <script type="text/plain"> elements. */

const PART = 1000; // items of a file beside the page, as in ml/page/packing.py
const EARLY = ["items", "transfers", "joint_orders"]; // blocks of the first screen, before this script
const parts = new Map();

/** Called by the files in report_data/ when they are loaded. */
function previsorPart(number, blocks) {
  parts.get(number)?.(blocks);
}

/** All that the page asks for, from what it holds. */
function embeddedSource() {
  const opened = new Map();
  // What the first screen shows stands before this script, all other blocks behind it.
  const read = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
  const open = async (name) => {
    if (!EARLY.includes(name)) await read;
    const element = document.getElementById(`block-${name}`);
    return element ? unpackBlock(element.textContent) : null;
  };
  const block = (name) => opened.get(name) ?? opened.set(name, open(name)).get(name);
  const whole = read.then(() => {
    const names = [...document.querySelectorAll("script[id^=block-]")].map((one) => one.id.slice(6));
    return { names, block, first: 0, brief: !names.includes("models") };
  });
  const loaded = new Map();

  /** The part that an item is in: a file beside the page, or the page where that is not there. */
  async function partOf(place) {
    if (!(await whole).brief) return whole;
    const number = Math.floor(place / PART);
    if (!loaded.has(number)) loaded.set(number, loadPart(number));
    return (await loaded.get(number)) ?? whole;
  }

  async function loadPart(number) {
    const texts = await new Promise((resolve) => {
      parts.set(number, resolve);
      const name = `report_data/${String(number).padStart(4, "0")}.js`;
      const script = el("script", { src: name, onerror: () => resolve(null) });
      document.head.append(script);
    });
    if (texts === null) return null;
    const made = new Map();
    const find = (name) => {
      if (!made.has(name)) made.set(name, name in texts ? unpackBlock(texts[name]) : Promise.resolve(null));
      return made.get(name);
    };
    return { names: Object.keys(texts), block: find, first: number * PART, brief: false };
  }

  return {
    texts: () => unpackDocument(document.getElementById("texts").textContent),
    summary: () => unpackDocument(document.getElementById("block-summary").textContent),
    async items() {
      const list = await block("items");
      return { ids: list.head.ids, column: (name) => list.column(name) };
    },
    async item(place) {
      const part = await partOf(place);
      return itemOf(part, place - part.first);
    },
    /** Stock values and fills of all items at their own lead times. */
    async serviceCurves() {
      const curves = await block("service");
      if (!curves?.items) return null;
      const items = curves.column("item");
      const of = (name) => items.map((_, row) => curves.vector(name, row));
      return { targets: curves.head.targets, items, values: of("stock_value"), fills: of("fill_rate") };
    },
    async rows(table) {
      const found = await block(table);
      return found ? Array.from({ length: found.items }, (_, row) => found.record(row)) : [];
    },
    /** Unpack all that there is; used to measure how long that takes. */
    everything: async () => Promise.all((await whole).names.filter((name) => name !== "summary").map(block)),
  };
}

/** All of one item out of the blocks of a part. */
async function itemOf(part, place) {
  const list = await part.block("items");
  const facts = list.record(place);
  const found = { facts, brief: part.brief, forecast: null, history: null, service: null };
  for (const name of part.names) {
    const kind = name.split("-")[0];
    if (kind !== "forecasts" && kind !== "history") continue;
    const panel = await part.block(name);
    const row = panel.row(place);
    if (row < 0) continue;
    const values = { days: panel.head.days, frequency: panel.head.frequency, kind: panel.head.kind };
    for (const column of Object.keys(panel.head.columns)) {
      if (column !== "item") values[column] = panel.vector(column, row);
    }
    found[kind === "forecasts" ? "forecast" : "history"] = values;
  }
  found.service = serviceOf(await part.block("service"), place);
  for (const name of ["models", "past"]) {
    const rows = await part.block(name);
    const [first, end] = rows ? rows.range(place) : [0, 0];
    found[name] = Array.from({ length: end - first }, (_, i) => rows.record(first + i));
  }
  return found;
}

/** Curves of one item: by factor of the lead time, a list of points by target. */
function serviceOf(block, place) {
  const row = block ? block.row(place) : -1;
  if (row < 0) return null;
  const { factors, targets } = block.head;
  const [levels, stock, fills] = ["reorder_point", "stock_value", "fill_rate"].map((name) => block.vector(name, row));
  return factors.map((factor, f) => ({
    factor,
    points: targets.map((target, t) => ({
      target,
      reorder_point: levels[f * targets.length + t],
      ...(factor === 1 ? { stock_value: stock[t], fill_rate: fills[t] } : {}),
    })),
  }));
}
