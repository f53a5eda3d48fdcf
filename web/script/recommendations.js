// The page of recommendations: what was shown and clicked, and how the arms of experiments compare, read every few seconds.

import { ask } from "./api.js";
import { h, render } from "./dom.js";
import { clock, visible } from "./format.js";
import { experimentPart } from "./experiment.js";
import { Refresher } from "./refresher.js";
import { ago, announce, begin, whileSeen } from "./shell.js";
import { daily, leftOut, part, totals } from "./statistics.js";
import { drawn, lost, lostNotice, skeleton, stale } from "./status.js";
import { metric } from "./words.js";

const EVERY = 3_000;
/** Widest drawing, in pixels. */
const WIDTH_MAX = 640;

const place = (name) => /** @type {HTMLElement} */ (document.querySelector(`[data-${name}]`));
const all = /** @type {HTMLElement} */ (document.querySelector('[data-part="all"]'));

/** @type {any} */
let stats = null;
let said = "";

const refresher = new Refresher(
  async (signal) => {
    stats = await ask("api/v1/recommendations/stats", { signal });
  },
  () => {
    drawState();
    if (stats) draw();
  },
  EVERY,
);

function drawState() {
  const { state } = refresher;
  const isLost = state.failure !== null;
  stale(isLost && stats !== null);
  const fresh = state.asOf === 0 ? { state: "waiting", word: "… loading", more: [] } : { state: "live", word: `● read every ${EVERY / 1000} s`, more: [`as of ${clock(state.asOf)}`] };
  const status = isLost ? lost(state) : fresh;
  render(place("status"), drawn(status));
  render(place("notice"), isLost ? lostNotice(state) : null);
  all.hidden = isLost && stats === null;
  if (status.word !== said) {
    if (said !== "") announce(status.word.slice(2));
    said = status.word;
  }
}

/** Drops that go on, and arms and guardrails that need a look. */
function alarms() {
  const degraded = stats.degraded.map((one) => [
    h("bdi", {}, visible(one.arm || one.model)),
    one.experiment ? [" of experiment ", h("bdi", {}, visible(one.experiment))] : null,
    ` is degraded: ${metric(one.metric)}, published `,
    ago(Date.parse(one.since)),
  ]);
  const running = stats.experiments.filter((one) => one.state === "running");
  const mismatched = running.filter((one) => one.division?.mismatch).map((one) => ["Experiment ", h("bdi", {}, visible(one.name)), " cannot be trusted: sample-ratio mismatch"]);
  const breached = running.flatMap((one) => one.guardrails.filter((rail) => rail.standing === "breached").map((rail) => ["Guardrail ", metric(rail.metric), " of ", h("bdi", {}, visible(rail.arm)), " in ", h("bdi", {}, visible(one.name)), " is breached"]));
  const found = [...degraded, ...mismatched, ...breached];
  if (found.length === 0) return h("p", { class: "notice", "data-tone": "good", "data-key": "well" }, "✓ No alarm: no drop goes on, no sample-ratio mismatch, no guardrail is breached.");
  return h("div", { class: "notice", "data-tone": "bad", "data-key": "alarms" }, h("h2", {}, found.length === 1 ? "! One alarm" : `! ${found.length} alarms`), h("ul", {}, found.map((one) => h("li", {}, one))));
}

function draw() {
  const experiments =
    stats.experiments.length === 0
      ? h(
          "section",
          { "aria-labelledby": "none-title", "data-key": "no-experiment" },
          h("h2", { id: "none-title" }, "Experiments"),
          h("p", { class: "empty" }, "None is declared. To compare two arms, add ", h("code", {}, "[recommendations.experiments.NAME]"), " with ", h("code", {}, "arms = { control = 1, candidate = 1 }"), " to the configuration, and start again."),
        )
      : stats.experiments.map(experimentPart);
  const width = Math.min(WIDTH_MAX, all.clientWidth);
  render(
    all,
    h("p", { class: "reading fades", "data-key": "reading" }, stats.reading),
    totals(stats),
    alarms(),
    h(
      "div",
      { class: "stack", "data-key": "stack" },
      experiments,
      daily(stats.days, width),
      h(
        "div",
        { class: "halves", "data-key": "halves" },
        part("Places", "By place in the list. An item on place 1 is clicked because it is there.", "Place", stats.positions),
        part("Segments", "By segment of the user: new until the tenth interaction. Hints, not findings.", "Segment", stats.segments),
        part("Models", "By the model that made the list.", "Model", stats.models),
        leftOut(stats.left_out),
      ),
    ),
  );
}

begin("recommendations");
render(all, skeleton(8));
document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest('[data-act="retry"]')) refresher.poke();
});
window.addEventListener("resize", () => stats && draw());
let isSeen = false;
setInterval(() => isSeen && drawState(), 1_000);
whileSeen(
  () => {
    isSeen = true;
    refresher.start();
  },
  () => {
    isSeen = false;
    refresher.stop();
  },
);
drawState();
