"use strict";
/* A table of any number of rows, of which only those in sight are in the document. */

const ROW_HEIGHT = 44;
const MARGIN = 12; // rows above and below what is in sight

/**
 * columns: [{name, head, numeric, cell(place) → text or element, value(place) → to sort and for CSV}]
 * Returns {element, show(places), sort}: places are items in the order in which they are shown.
 */
function grid(caption, columns, state, changed) {
  const body = el("tbody");
  const heads = columns.map((column) => el("th", { scope: "col", class: column.numeric ? "num" : null },
    column.value
      ? el("button", { type: "button", class: "sort", onclick: () => turn(column.name) }, column.head)
      : column.head));
  const table = el("table", { class: "grid-table" }, el("caption", { class: "hidden" }, caption),
    el("thead", {}, el("tr", {}, heads)), body);
  const box = el("div", { class: "box grid-box", tabindex: "0", role: "region", "aria-label": caption }, table);
  let places = [];
  let drawn = "";

  function turn(name) {
    const down = state.sort === name ? !state.down : true;
    Object.assign(state, { sort: name, down });
    changed();
  }

  function draw(all = false) {
    const first = all ? 0 : Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - MARGIN);
    const seen = Math.ceil((box.clientHeight || 600) / ROW_HEIGHT) + 2 * MARGIN;
    const end = Math.min(places.length, all ? 200 : first + seen);
    const key = `${first} ${end}`;
    if (key === drawn) return;
    drawn = key;
    body.replaceChildren(spacer(first), ...places.slice(first, end).map((place, i) => row(place, first + i)),
      spacer(all ? 0 : places.length - end));
  }

  function spacer(count) {
    const gap = el("tr", { class: "gap", "aria-hidden": "true" }, el("td", { colspan: columns.length }));
    gap.firstChild.style.height = `${count * ROW_HEIGHT}px`;
    gap.hidden = count <= 0;
    return gap;
  }

  function row(place, number) {
    return el("tr", { "aria-rowindex": number + 2 }, columns.map((column) => {
      const inside = column.cell(place);
      const side = column.numeric ? "num" : column.wide ? "wide" : null;
      return column.key ? el("th", { scope: "row", class: side }, inside) : el("td", { class: side }, inside);
    }));
  }

  box.addEventListener("scroll", () => requestAnimationFrame(() => draw()), { passive: true });
  addEventListener("beforeprint", () => box.isConnected && draw(true));
  addEventListener("afterprint", () => box.isConnected && ((drawn = ""), draw()));

  return {
    element: box,
    show(shownPlaces) {
      places = shownPlaces;
      drawn = "";
      table.setAttribute("aria-rowcount", places.length + 1);
      columns.forEach((column, i) => {
        const sorted = state.sort === column.name;
        if (sorted) heads[i].setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else heads[i].removeAttribute("aria-sort");
      });
      box.scrollTop = 0;
      box.style.setProperty("--rows", places.length);
      draw();
    },
    csv: () => toCsv(columns.filter((column) => column.value).map((column) => column.csv ?? column.name),
      places.map((place) => columns.filter((column) => column.value).map((column) => column.plain ? column.plain(place) : column.value(place)))),
  };
}

/** Places sorted by a column; what has no value comes last, equal ones stay as they were. */
function sorted(places, value, down) {
  const found = [];
  const missing = [];
  for (const place of places) {
    const one = value(place);
    if (isMissing(one)) missing.push(place);
    else found.push([one, place]);
  }
  const sign = down ? -1 : 1;
  const compare = found.length && typeof found[0][0] === "string"
    ? (a, b) => sign * (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)
    : (a, b) => sign * (a[0] - b[0]);
  return [...found.sort((a, b) => compare(a, b) || a[1] - b[1]).map((pair) => pair[1]), ...missing];
}
