"use strict";
/* Elements out of data. What comes from data is only ever set as text. */

const SVG = "http://www.w3.org/2000/svg";

/** An element: attributes, handlers as on…, children; null children are left out. */
function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same of an SVG. */
function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An id out of data: isolated, so that its marks of direction turn nothing else round. */
const idText = (id) => el("bdi", { class: "id" }, id);

/** A table of few rows: heads, and rows of texts or elements; numbers stand right. */
function plainTable(caption, heads, rows, numeric = []) {
  const side = (place) => (numeric.includes(place) ? "num" : null);
  return el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { scope: "col", class: side(i) }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) =>
      i === 0 ? el("th", { scope: "row", class: side(i) }, cell) : el("td", { class: side(i) }, cell))))));
}

/** The same in a box that scrolls, reachable by keyboard. */
function tableBox(caption, heads, rows, numeric = []) {
  return el("div", { class: "box", tabindex: "0", role: "region", "aria-label": caption },
    plainTable(caption, heads, rows, numeric));
}

/** Something that opens to show more, made only when it is opened. */
function more(summary, make) {
  const details = el("details", {}, el("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(make());
  });
  return details;
}

/** Give the reader a file. */
function download(name, text, type) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Rows as CSV: a decimal point, dates as ISO, quotes where needed, no formula for a spreadsheet.
 *
 * A cell begins behind a semicolon too, where the system's lists have one. */
function toCsv(heads, rows) {
  const cell = (value) => {
    if (isMissing(value)) return "";
    const text = typeof value === "string" ? value.replace(/(^|[;,|\t\r\n])(?=[=+\-@\t\r])/g, "$1'") : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [heads, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
