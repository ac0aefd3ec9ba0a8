"use strict";
/* Unpacks what ml/page/blocks.py packed: numbers as differences, bytes apart, gzip, base64. */

/** The bytes of a packed text. */
async function inflate(text) {
  const packed = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A packed JSON document. */
async function unpackDocument(text) {
  return JSON.parse(new TextDecoder().decode(await inflate(text)));
}

/** A packed block of columns. */
async function unpackBlock(text) {
  const bytes = await inflate(text);
  const size = new DataView(bytes.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  return new Block(head, bytes.subarray(4 + size));
}

/** Columns of items; numbers are put together when they are asked for. */
class Block {
  constructor(head, bytes) {
    this.head = head;
    this.bytes = bytes;
    this.items = head.items;
    this.made = new Map();
    this.rowOf = null;
  }

  has(name) {
    return name in this.head.columns;
  }

  /** A column of one value an item, null where there is none. */
  column(name) {
    return this.made.get(name) ?? this.made.set(name, this.unpack(name)).get(name);
  }

  unpack(name) {
    const about = this.head.columns[name];
    if (!about) return new Array(this.items).fill(null);
    const codes = this.codes(about, name === "item" ? about.width : this.items);
    if (about.kind === "words") return Array.from(codes, (code) => (code ? about.words[code - 1] : null));
    const values = new Array(codes.length);
    const divisor = 10 ** (about.places ?? 0);
    const lowest = about.kind === "floats" ? NaN : -(2 ** (8 * about.bytes - 1));
    for (let i = 0; i < codes.length; i++) {
      values[i] = codes[i] === lowest || Number.isNaN(codes[i]) ? null : codes[i] / divisor;
    }
    return values;
  }

  /** Numbers of a column of one value a row; `item` is one row of differences. */
  codes(about, count) {
    const out = new Float64Array(count);
    const { start, bytes: width } = about;
    if (about.kind === "floats") {
      const view = new DataView(new ArrayBuffer(8));
      for (let i = 0; i < count; i++) {
        for (let b = 0; b < 8; b++) view.setUint8(b, this.bytes[start + b * count + i]);
        out[i] = view.getFloat64(0, true);
      }
      return out;
    }
    const shift = 32 - 8 * width;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      let code = 0;
      for (let b = 0; b < width; b++) code |= this.bytes[start + b * count + i] << (8 * b);
      if (about.width > 1) code = sum = sum + code | 0;
      out[i] = code << shift >> shift;
    }
    return out;
  }

  /** The numbers of one row of a column of many values. */
  vector(name, row) {
    const { start, width, along, bytes } = this.head.columns[name];
    const total = this.items * width;
    const shift = 32 - 8 * bytes;
    const lowest = -(2 ** (8 * bytes - 1));
    const low = start + this.items + row * width;
    const divisor = 10 ** (this.bytes[start + row] << 24 >> 24);
    const values = new Array(width);
    let sum = 0;
    for (let i = 0; i < width; i++) {
      let code = 0;
      for (let b = 0; b < bytes; b++) code |= this.bytes[low + b * total + i] << (8 * b);
      sum = ((along ? sum : 0) + code) << shift >> shift;
      values[i] = sum === lowest ? null : sum / divisor;
    }
    return values;
  }

  /** The row of an item of the list, or -1. */
  row(item) {
    if (this.rowOf === null) {
      this.rowOf = new Map(this.column("item").map((place, row) => [place, row]));
    }
    return this.rowOf.get(item) ?? -1;
  }

  /** First row and row after the last of an item that may have many. */
  range(item) {
    const places = this.column("item");
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] < item) low = middle + 1;
      else high = middle;
    }
    let end = low;
    while (end < places.length && places[end] === item) end++;
    return [low, end];
  }

  /** A row as an object. */
  record(row, names = Object.keys(this.head.columns)) {
    return Object.fromEntries(names.map((name) => [name, this.column(name)[row]]));
  }
}
