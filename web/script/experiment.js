// An experiment: its arms with intervals, how they compare, whether users are divided as declared, and guardrails. Pure.

import { difference, domainOf, rate } from "./charts.js";
import { h } from "./dom.js";
import { chance, count, cut, percent, visible } from "./format.js";
import { mark, table } from "./table.js";
import { metric, metricValue, standing, stateOf, verdict } from "./words.js";

// It may begin with the name of an arm, which is left as it is.
const sentence = (text) => (text === "" || /[.!?]$/.test(text) ? text : `${text}.`);
const named = (text) => h("bdi", {}, visible(text));

/** @param {any} experiment */
export function experimentPart(experiment) {
  const id = `experiment-${experiment.name}`;
  const { division } = experiment;
  return h(
    "section",
    { class: "experiment", "aria-labelledby": id, "data-key": id },
    h("div", { class: "title" }, h("h2", { id }, "Experiment ", named(experiment.name)), mark(stateOf(experiment.state))),
    division?.mismatch ? alarm(division) : null,
    h("p", { "data-key": "reading" }, sentence(experiment.reading)),
    h("div", { class: "fades", "data-key": "arms" }, arms(experiment)),
    experiment.comparisons.length > 0 ? h("div", { class: "fades", "data-key": "comparisons" }, comparisons(experiment)) : null,
    division ? h("p", { class: "small muted", "data-key": "division" }, divided(division)) : null,
    experiment.guardrails.length > 0 ? h("div", { class: "fades", "data-key": "guardrails" }, guardrails(experiment.guardrails)) : null,
    parts(experiment),
  );
}

const alarm = (division) =>
  h(
    "div",
    { class: "notice", "data-tone": "bad", "data-key": "alarm" },
    h("p", {}, h("strong", {}, "! Sample-ratio mismatch: users are not divided as declared. "), `p ${chance(division.p)}. Nothing can be concluded from this experiment.`),
    h("p", {}, "Something drops or adds users of one arm: look for errors, redirects or caches that depend on the arm, and start again with another name and salt."),
  );

const divided = (division) =>
  division.mismatch
    ? ["Sample ratio: ", mark({ tone: "bad", text: "✕ mismatch" })]
    : ["Sample ratio: ", mark({ tone: "good", text: "✓ as declared" }), ` p ${chance(division.p)}, valid at any time`];

function arms({ arms, control, division }) {
  const rates = [...arms.map((arm) => arm.click_through), ...arms.map((arm) => arm.users_who_clicked)];
  const domain = domainOf(rates.slice(0, arms.length));
  const clicking = domainOf(rates.slice(arms.length));
  const expected = (arm) => {
    const [users, wanted] = [division?.users[arm.name], division?.expected[arm.name]];
    return users === undefined || wanted === undefined ? "–" : `${count(users)} of ${count(wanted)}`;
  };
  const columns = [
    { label: "Arm" },
    { label: "Weight", number: true },
    { label: "Users", number: true },
    { label: "Divided: users of expected", number: true },
    { label: "Shown", number: true },
    { label: "Clicked", number: true },
    { label: "Click-through rate, 95 %" },
    { label: "Users who clicked, 95 %" },
  ];
  const rows = arms.map((arm) => ({
    key: arm.name,
    cells: [
      [named(arm.name), arm.name === control ? h("span", { class: "muted" }, " control") : null],
      arm.weight === undefined ? "–" : String(arm.weight),
      count(arm.users),
      expected(arm),
      count(arm.impressions),
      count(arm.clicks),
      rate(arm.click_through, domain),
      rate(arm.users_who_clicked, clicking),
    ],
  }));
  return table("Arms. Each interval is right for one look at a time chosen before.", columns, rows);
}

function comparisons({ comparisons }) {
  const ends = comparisons.flatMap((one) => [one.low ?? 0, one.high ?? 0, one.difference ?? 0].map(Math.abs));
  const reach = Math.max(0.001, ...ends) * 1.1;
  const columns = [{ label: "Arm" }, { label: "Verdict" }, { label: "Difference in points, always valid" }, { label: "p", number: true }, { label: "In words" }];
  const rows = comparisons.map((one) => {
    const said = verdict(one.verdict);
    return {
      key: one.arm,
      cells: [
        [named(one.arm), h("span", { class: "muted" }, " against "), named(one.against)],
        mark(said),
        difference(one, reach, said.tone === "good" || said.tone === "bad" ? said.tone : ""),
        one.p === undefined ? "–" : chance(one.p),
        sentence(one.reading),
      ],
    };
  });
  return table("Comparisons. These intervals hold at all times together: look as often as you like.", columns, rows);
}

function guardrails(list) {
  const columns = [{ label: "Guardrail" }, { label: "Arm" }, { label: "Standing" }, { label: "Arm's value", number: true }, { label: "Control's value", number: true }, { label: "Margin", number: true }, { label: "In words" }];
  const rows = list.map((one) => ({
    key: `${one.arm} ${one.metric}`,
    cells: [metric(one.metric), named(one.arm), mark(standing(one.standing)), metricValue(one.metric, one.value), metricValue(one.metric, one.control), percent(one.margin, 0), sentence(one.reading)],
  }));
  return table("Guardrails: what must not become worse than the control's by more than the margin.", columns, rows);
}

/** @type {[string, string][]} */
const DIMENSIONS = [
  ["days", "Day"],
  ["positions", "Place"],
  ["segments", "Segment"],
  ["models", "Model"],
];

function parts({ arms }) {
  return h(
    "details",
    { "data-key": "parts" },
    h("summary", {}, "Arms by day, place, segment and model"),
    h("p", { class: "small muted" }, "Hints: with enough rows, one always looks different. Each cell: rate (clicked of shown)."),
    DIMENSIONS.map(([key, label]) => {
      const names = [...new Set(arms.flatMap((arm) => arm[key].map((row) => row.name)))];
      if (key === "days") names.sort().reverse();
      if (names.length === 0) return null;
      const cell = (arm, name) => {
        const row = arm[key].find((one) => one.name === name);
        return row?.click_through ? `${percent(row.click_through.value)} (${count(row.clicks)} of ${count(row.impressions)})` : "–";
      };
      return h(
        "div",
        { class: "fades", "data-key": key },
        table(
          `By ${label.toLowerCase()}`,
          [{ label }, ...arms.map((arm) => ({ label: visible(arm.name), number: true }))],
          names.map((name) => ({ key: name, cells: [h("bdi", {}, visible(cut(name, 48))), ...arms.map((arm) => cell(arm, name))] })),
        ),
      );
    }),
  );
}
