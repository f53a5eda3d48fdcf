// The parts of a user's page: list, profile and stream, as elements. Pure, but for the clock.

import { bar } from "./charts.js";
import { summary } from "./changes.js";
import { h } from "./dom.js";
import { clock, counted, cut, shellWord, visible } from "./format.js";
import { copyButton, genres, identifier, itemName } from "./identifier.js";
import { ago } from "./shell.js";
import { mark } from "./table.js";
import { changeMark, reasonOf } from "./words.js";

/** Genres and items that are shown before "and … more". */
const GENRES = 12;
const ITEMS = 6;
/** Letters of an activity's context. */
const CONTEXT = 160;

/** @typedef {import("./titles.js").Titles} Titles */

/**
 * The list with what changed in it and why each item is there.
 * @param {any} list @param {{compared: any, at: number} | null} change @param {Titles} titles
 */
export function listPart(list, change, titles) {
  const items = list.recommendations;
  const most = Math.max(0, ...items.map((item) => item.score));
  const arms = Object.entries(list.arms ?? {});
  const about = h(
    "p",
    { class: "about", "data-key": "about" },
    h("span", {}, ago(Date.parse(list.timestamp), "computed ")),
    h("span", {}, "by ", h("bdi", {}, visible(cut(list.model, 60)))),
    arms.map(([experiment, arm]) => h("span", {}, h("bdi", {}, visible(experiment)), ": arm ", h("bdi", {}, visible(arm)))),
    h("span", {}, "list ", identifier(list.list, 24)),
    change ? h("span", {}, `${summary(change.compared)} at ${clock(change.at)}`) : null,
  );
  if (items.length === 0) {
    return [about, h("div", { class: "empty", "data-key": "empty" }, h("p", {}, "Nothing can be recommended yet: no item is known that this user may still be shown."), h("p", {}, "Items become known by events of users, and by the catalog."))];
  }
  const row = (item, place) => {
    const known = item.title === undefined ? titles.of(item.item_id) : item;
    const why = reasonOf(item.reason, list.model);
    const chosen = why.item === undefined ? null : itemName(why.item, titles.of(why.item));
    const changed = changeMark(change?.compared.changes.get(item.item_id));
    return h(
      "li",
      { "data-key": `item ${item.item_id}`, "data-change": changed?.text === "+ new" ? "new" : null },
      h("span", { class: "place" }, `${place + 1}`),
      h("span", {}, itemName(item.item_id, known), " ", genres(known)),
      h("span", { class: "score", title: "Comparable within one list only" }, bar(most > 0 ? item.score / most : 0), h("span", { class: "hidden" }, "score "), item.score.toFixed(3)),
      h("span", { class: "change" }, changed ? mark(changed) : null),
      h("span", { class: "why" }, why.text, chosen),
    );
  };
  const gone = change?.compared.gone ?? [];
  return [
    about,
    h("ol", { class: "ranked fades", "data-key": "items" }, items.map(row)),
    gone.length > 0 ? h("p", { class: "gone", "data-key": "gone" }, "No longer in the list: ", gone.map((id, place) => [place > 0 ? ", " : "", itemName(id, titles.of(id))])) : null,
  ];
}

/** Weights of genres. @param {any} profile `null`: the user is not known @param {string} user */
export function profilePart(profile, user) {
  if (!profile) {
    const event = JSON.stringify({ user_id: user, interaction_type: "like", item_ids: ["50"] });
    const command = `echo ${shellWord(event)} | homeostat publish business.user.interaction`;
    return h(
      "div",
      { class: "empty", "data-key": "empty" },
      h("p", {}, "No event of this user was read yet, or the user was erased. Until then the list holds what is trending."),
      h("p", {}, "To see it change, publish an event: ", copyButton(command, "the command")),
      h("code", { class: "command" }, visible(command)),
    );
  }
  const weights = Object.entries(profile.preferences).sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  const row = ([genre, weight]) =>
    h("li", { "data-key": genre }, h("bdi", {}, visible(cut(genre, 60))), bar(weight, 120), h("span", { class: "value" }, weight.toFixed(2)));
  const updated = Date.parse(profile.updated_at);
  const about = h("p", { class: "about", "data-key": "about" }, h("span", {}, counted(profile.interactions, "interaction")), Number.isNaN(updated) ? null : h("span", {}, ago(updated, "the last one ")));
  if (weights.length === 0) {
    return [about, h("p", { class: "empty", "data-key": "empty" }, "No genre is preferred: the catalog knows no genres of these items, or they were not liked.")];
  }
  const more = weights.slice(GENRES);
  return [
    about,
    h("ul", { class: "weights fades", "data-key": "weights", "aria-label": "Weights of genres, from 0 to 1" }, weights.slice(0, GENRES).map(row)),
    more.length > 0 ? h("details", { "data-key": "more" }, h("summary", {}, `and ${counted(more.length, "more genre")}`), h("ul", { class: "weights fades" }, more.map(row))) : null,
  ];
}

/** What the user did, the newest first. @param {any[]} activities the oldest first @param {Titles} titles */
export function streamPart(activities, titles) {
  if (activities.length === 0) return h("p", { class: "empty", "data-key": "empty" }, "Nothing within the last hour.");
  const item = (id) => h("span", {}, itemName(id, titles.of(id)));
  // Of the same activity at the same time there may be several.
  const times = new Map();
  const keys = activities.map(({ timestamp, interaction_type: type }) => {
    const key = `${timestamp} ${type}`;
    times.set(key, (times.get(key) ?? 0) + 1);
    return `${key} ${times.get(key)}`;
  });
  const row = (activity, place) => {
    const [few, more] = [activity.item_ids.slice(0, ITEMS), activity.item_ids.slice(ITEMS)];
    const context = activity.context === undefined ? "" : JSON.stringify(activity.context);
    return h(
      "li",
      { "data-key": keys[place] },
      ago(Date.parse(activity.timestamp)),
      h("bdi", { class: "what" }, visible(cut(activity.interaction_type, 40).replaceAll("_", " "))),
      h(
        "div",
        { class: "items" },
        few.length === 0 ? h("span", { class: "muted" }, "no item") : few.map(item),
        more.length > 0 ? h("details", {}, h("summary", {}, `and ${more.length} more`), more.map(item)) : null,
      ),
      context === "" || context === "{}" ? null : h("bdi", { class: "context", title: context.length > CONTEXT ? visible(context) : null }, visible(cut(context, CONTEXT))),
    );
  };
  return [
    h("p", { class: "about", "data-key": "about" }, h("span", {}, `${counted(activities.length, "activity", "activities")}, the newest first`), h("span", {}, "at most 100, kept for an hour")),
    h("ol", { class: "acts fades", "data-key": "acts" }, activities.map(row).reverse()),
  ];
}
