// Small drawings in SVG. Each is beside its numbers in text, so they are hidden from those who do not see them.

import { h, svg } from "./dom.js";
import { percent, points } from "./format.js";

/** A bar of a share from 0 to 1. @param {number} share @param {number} [width] */
export function bar(share, width = 60) {
  const length = Math.max(0, Math.min(1, share)) * width;
  return svg(
    "svg",
    { width, height: 8, viewBox: `0 0 ${width} 8`, "aria-hidden": "true" },
    svg("rect", { class: "track", width, height: 8, rx: 2 }),
    svg("rect", { class: "fill", width: length.toFixed(1), height: 8, rx: 2 }),
  );
}

/**
 * An interval on a line.
 * @param {{value: number, low: number, high: number}} rate
 * @param {[number, number]} domain what the ends of the line stand for
 * @param {string} [tone]
 */
export function interval({ value, low, high }, [least, most], tone = "") {
  const width = 120;
  const at = (number) => (4 + ((Math.min(most, Math.max(least, number)) - least) / (most - least || 1)) * (width - 8)).toFixed(1);
  const zero = least < 0 && most > 0;
  return svg(
    "svg",
    { width, height: 14, viewBox: `0 0 ${width} 14`, "aria-hidden": "true" },
    svg("line", { class: "axis", x1: 4, x2: width - 4, y1: 7, y2: 7, opacity: 0.4 }),
    zero ? svg("line", { class: "axis", x1: at(0), x2: at(0), y1: 1, y2: 13 }) : null,
    svg("line", { class: `span ${tone}`, x1: at(low), x2: at(high), y1: 7, y2: 7 }),
    svg("circle", { class: "dot", cx: at(value), cy: 7, r: 3 }),
  );
}

/** A rate with its interval, drawn and in text. @param {any} rate @param {[number, number]} domain */
export function rate(rate, domain) {
  if (!rate) return h("span", { class: "muted" }, "–");
  return h(
    "span",
    { class: "rate" },
    h("span", { class: "value" }, percent(rate.value)),
    interval(rate, domain),
    h("span", { class: "range" }, `${percent(rate.low)} to ${percent(rate.high)}`),
  );
}

/** A difference with its interval, drawn and in text. @param {any} comparison @param {number} reach @param {string} tone */
export function difference(comparison, reach, tone) {
  if (comparison.difference === undefined) return h("span", { class: "muted" }, "–");
  const { difference: value, low, high } = comparison;
  return h(
    "span",
    { class: "rate" },
    h("span", { class: "value" }, points(value)),
    interval({ value, low, high }, [-reach, reach], tone),
    h("span", { class: "range" }, `${points(low)} to ${points(high)} points`),
  );
}

/** The domain in which all of these rates are drawn. @param {any[]} rates @returns {[number, number]} */
export function domainOf(rates) {
  const highest = Math.max(0, ...rates.filter(Boolean).map((one) => one.high));
  return [0, highest === 0 ? 1 : highest];
}

/**
 * Rates by day with their intervals.
 * @param {{name: string, click_through?: any}[]} days oldest first
 * @param {number} width
 */
export function byDay(days, width) {
  const shown = days.filter((day) => day.click_through);
  if (shown.length < 2) return null;
  const [left, right, top, bottom, height] = [48, 12, 8, 22, 150];
  const [, most] = domainOf(shown.map((day) => day.click_through));
  const x = (place) => left + (place / (shown.length - 1)) * (width - left - right);
  const y = (value) => top + (1 - value / most) * (height - top - bottom);
  const marks = [0, most / 2, most];
  const line = shown.map((day, place) => `${x(place).toFixed(1)},${y(day.click_through.value).toFixed(1)}`).join(" ");
  return svg(
    "svg",
    { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    marks.map((mark) => [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: y(mark).toFixed(1), y2: y(mark).toFixed(1) }),
      svg("text", { x: left - 6, y: (y(mark) + 4).toFixed(1), "text-anchor": "end" }, percent(mark, most < 0.02 ? 2 : 1)),
    ]),
    shown.map((day, place) =>
      svg("line", { class: "span", opacity: 0.5, x1: x(place).toFixed(1), x2: x(place).toFixed(1), y1: y(day.click_through.low).toFixed(1), y2: y(day.click_through.high).toFixed(1) }),
    ),
    svg("polyline", { points: line, fill: "none", class: "axis" }),
    shown.map((day, place) => svg("circle", { class: "dot", cx: x(place).toFixed(1), cy: y(day.click_through.value).toFixed(1), r: 3 })),
    svg("text", { x: left, y: height - 6 }, shown[0].name),
    svg("text", { x: width - right, y: height - 6, "text-anchor": "end" }, shown.at(-1)?.name),
  );
}
