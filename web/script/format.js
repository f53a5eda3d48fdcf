// Numbers with units, times with their age and zone. Pure, but for the clock.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** How far the clock of the service is ahead of this one, in milliseconds. */
let ahead = 0;

/** Takes the time of an answer's `Date`, which is exact to a second. @param {string | null} date */
export function heard(date) {
  const time = date === null ? NaN : Date.parse(date);
  if (Number.isNaN(time)) return;
  const difference = time - Date.now();
  ahead = Math.abs(difference) > 2000 ? difference : 0;
}

/** The time by the service's clock, in milliseconds. */
export const now = () => Date.now() + ahead;

/** 1234567 → "1,234,567". @param {number} number */
export const count = (number) => whole.format(number);

/** A count with its noun: "1 item", "2 items". @param {number} number @param {string} one @param {string} [many] */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A share as percent: "4.21 %". @param {number} share @param {number} [digits] */
export const percent = (share, digits = 2) => `${(share * 100).toFixed(digits)} %`;

/** A difference of shares in points, with its sign: "+0.31". @param {number} difference */
export function points(difference) {
  const text = (difference * 100).toFixed(2);
  return Number(text) === 0 ? "0.00" : difference > 0 ? `+${text}` : text.replace("-", "−");
}

/** A p-value: "0.031", "< 0.001". @param {number} p */
export const chance = (p) => (p < 0.001 ? "< 0.001" : p.toFixed(3));

/** A time as age: "now", "12 s ago", "in 3 s". @param {number} time @param {number} [at] */
export function age(time, at = now()) {
  const seconds = Math.round((at - time) / 1000);
  if (seconds === 0) return "now";
  const length = duration(Math.abs(seconds));
  return seconds > 0 ? `${length} ago` : `in ${length}`;
}

/** Seconds in the largest unit that fits. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return counted(Math.floor(seconds / 86_400), "day");
}

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

/** "14:02:11" in the zone of the browser. @param {number} time */
export function clock(time) {
  const date = new Date(time);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** "2026-11-30 14:02:11.123 +01:00". @param {number} time */
export function exact(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "unknown";
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
  return `${day} ${clock(time)}.${pad(date.getMilliseconds(), 3)} ${zone}`;
}

/**
 * A long id, cut in the middle; cut between what people read as letters.
 * @param {string} text @param {number} [most]
 */
export function cut(text, most = 28) {
  const letters = typeof Intl.Segmenter === "function" ? Array.from(new Intl.Segmenter().segment(text), (one) => one.segment) : Array.from(text);
  if (letters.length <= most) return text;
  const end = Math.floor((most - 1) / 3);
  return `${letters.slice(0, most - 1 - end).join("")}…${letters.slice(-end).join("")}`;
}

// Controls, marks of direction, spaces without width: two ids that differ by them look alike.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** The text with what cannot be seen written out: "a⟨202E⟩b". @param {string} text */
export const visible = (text) =>
  text.replace(UNSEEN, (letter) => `⟨${letter.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** As one word of a POSIX shell. @param {string} text */
export const shellWord = (text) => (/^[\w@%+=:,./][\w@%+=:,./-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
