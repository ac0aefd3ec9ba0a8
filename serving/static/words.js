"use strict";
/* Words and numbers of the page in the language that the reader chose. */

const LANGUAGES = { pt: "pt-BR", en: "en-GB" };
const DAY = 86400000;
let language = "pt";
let texts = {};

/** Which language is shown; everything below follows it. */
function speak(chosen, all) {
  language = LANGUAGES[chosen] ? chosen : "pt";
  texts = all[language];
  document.documentElement.lang = LANGUAGES[language];
  formats.clear();
}

/** The text of a key with its {names} filled in; the last part of an unknown key itself. */
function say(key, values = {}) {
  const text = texts[key];
  if (text === undefined) return key.slice(key.indexOf(".") + 1);
  return text.replace(/\{(\w+)\}/g, (_, name) => shown(name, values[name]));
}

const formats = new Map();
function format(kind, options) {
  const key = kind + JSON.stringify(options);
  if (!formats.has(key)) {
    const make = kind === "day" ? Intl.DateTimeFormat : Intl.NumberFormat;
    formats.set(key, new make(LANGUAGES[language], options));
  }
  return formats.get(key);
}

const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);

/** A number with at most so many decimals. */
function num(value, decimals = 1) {
  return isMissing(value) ? "–" : format("number", { maximumFractionDigits: decimals }).format(value);
}

/** Units: whole where they are many, with decimals where they are few; ml/page/blocks.py knows it. */
const decimalsOf = (value) => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
const quantity = (value) => num(value, decimalsOf(value));

/** The number that is shown of a quantity, so that sentences say what can be seen. */
function asShown(value) {
  if (isMissing(value)) return value;
  return Number(new Intl.NumberFormat("en", { maximumFractionDigits: decimalsOf(value), useGrouping: false }).format(value));
}

/** A share as per cent. */
function percent(value, decimals = 0) {
  if (isMissing(value)) return "–";
  const options = { style: "percent", maximumFractionDigits: decimals };
  return format("number", options).format(value);
}

/** An amount; the currency as it was given, because it may be none that is known. */
function money(value, currency) {
  if (isMissing(value)) return "–";
  const whole = num(value, Math.abs(value) < 100 ? 2 : 0);
  return currency ? `${currency === "BRL" ? "R$" : currency} ${whole}` : whole;
}

/** A day, given as days since 1970. */
function day(value, style = {}) {
  if (isMissing(value)) return "–";
  const options = { timeZone: "UTC", day: "2-digit", month: "short", year: "numeric", ...style };
  return format("day", options).format(value * DAY);
}

/** A period by its start: months have no day. */
function period(value, frequency) {
  return day(value, frequency === "MS" ? { day: undefined } : {});
}

/** A day in figures alone, for tables. */
const shortDay = (value) => day(value, { month: "2-digit" });

/** Labels of an axis of days: with the year where it is long, with the day where it is short. */
function axisDays(values, frequency) {
  const long = frequency === "MS" || values.at(-1) - values[0] > 300;
  const style = long ? { day: undefined, year: "2-digit" } : { year: undefined };
  return values.map((value) => day(value, style));
}

/** An ISO day or instant as days since 1970. */
const daysOf = (text) => Math.floor(Date.parse(text) / DAY);

/** How long ago an instant was, in the largest unit that fits. */
function ago(instant, now) {
  const hours = Math.max(0, (now - instant) / 3600000);
  const unit = hours < 48 ? "hour" : "day";
  const count = Math.floor(unit === "hour" ? hours : hours / 24);
  return say(count === 1 ? `age.${unit}` : `age.${unit}s`, { count });
}

/** The value of a named column as text, by what the column holds. */
function shown(name, value) {
  if (typeof value === "string") return value;
  if (/(^|_)(count|items|of|obs|n)$/.test(name)) return num(value, 0);
  if (/date|_at$|_until$|^day$|order_by/.test(name)) return day(value);
  if (/^p_|share|service_target|fill|csl|percent/.test(name)) return percent(value, 1);
  if (/_days/.test(name)) return num(value, 0);
  return quantity(value);
}
