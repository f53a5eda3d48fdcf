// The page of a user: stream, profile and recommendations, as they change.

import { Failure, ask } from "./api.js";
import { compare, summary } from "./changes.js";
import { h, render } from "./dom.js";
import { clock, cut, shellWord, visible } from "./format.js";
import { Follower } from "./follow.js";
import { copyButton, identifier } from "./identifier.js";
import { Refresher } from "./refresher.js";
import { userOfPage, userPage } from "./root.js";
import { ago, announce, begin, whileSeen } from "./shell.js";
import { drawn, lost, lostNotice, skeleton, stale, until } from "./status.js";
import { Titles } from "./titles.js";
import { keepToken, takeToken, tokenOf } from "./token.js";
import { listPart, profilePart, streamPart } from "./user_parts.js";

/** Items that are shown: as many as are pushed. */
const COUNT = 10;
/** Milliseconds between two readings when no push comes: views, for example, push nothing. */
const EVERY = 5_000;
/** Users whose pages were opened in this tab. */
const RECENT = "homeostat.recent";
const RECENT_MAX = 10;

const place = (name) => /** @type {HTMLElement} */ (document.querySelector(`[data-${name}]`));
const part = (name) => /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));

/** One user's page. */
class UserPage {
  #user;
  #base;
  #titles = new Titles();
  #refresher;
  #follower;
  /** What was read: each part with why it could not be read again, if it could not. */
  #parts = { list: {}, activity: {}, profile: {} };
  /** @type {{compared: any, at: number} | null} */
  #change = null;
  #isUnknown = false;
  #pushedAt = 0;
  /** @type {{failure: Failure, next: number} | null} */
  #broken = null;
  #isOpen = false;
  #isSeen = false;
  #said = "";
  #wasLost = false;

  /** @param {string} user */
  constructor(user) {
    this.#user = user;
    this.#base = `api/v1/users/${encodeURIComponent(user)}`;
    this.#refresher = new Refresher((signal) => this.#load(signal), () => this.#changed(), EVERY);
    this.#follower = new Follower(`${this.#base}/stream?preview=true`, () => tokenOf(user), {
      onOpen: () => {
        this.#isOpen = true;
        this.#broken = null;
        this.#refresher.poke();
        this.#draw();
      },
      onEvent: (event) => this.#heard(event),
      onLost: (failure, next) => {
        this.#isOpen = false;
        // Why the service closed it says more than that it is closed.
        const why = failure.kind === "ended" && this.#broken ? this.#broken.failure : failure;
        this.#broken = { failure: why, next };
        this.#refresher.poke();
        this.#draw();
      },
    });
  }

  begin() {
    document.title = `User ${visible(this.#user)} · Homeostat`;
    render(place("title"), "User ", identifier(this.#user, 40));
    for (const name of ["list", "profile", "stream"]) render(part(name), skeleton(name === "list" ? 10 : 4));
    takeToken(this.#user);
    window.addEventListener("hashchange", () => takeToken(this.#user) && this.#again());
    document.addEventListener("submit", (event) => this.#submitted(event));
    document.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest('[data-act="retry"]')) this.#again();
    });
    setInterval(() => this.#isSeen && this.#draw(), 1_000);
    whileSeen(
      () => {
        this.#isSeen = true;
        this.#refresher.start();
      },
      () => {
        this.#isSeen = false;
        this.#isOpen = false;
        this.#broken = null;
        this.#refresher.stop();
        this.#follower.stop();
      },
    );
    this.#draw();
  }

  #again() {
    this.#refresher.poke();
    this.#follower.hurry();
  }

  #heard(event) {
    if (event.type === "closed") {
      let reason = "the service closed it";
      try {
        reason = JSON.parse(event.data).reason ?? reason;
      } catch {
        // The reason is for people; without it the stream is closed all the same.
      }
      this.#broken = { failure: new Failure(0, "closed", reason), next: Date.now() };
    } else {
      this.#pushedAt = Date.now();
      this.#refresher.poke();
    }
  }

  async #load(signal) {
    const token = tokenOf(this.#user);
    const get = (path) => ask(`${this.#base}/${path}`, { token, signal });
    const answers = await Promise.allSettled([get(`recommendations?k=${COUNT}&preview=true`), get("activity")]);
    const failures = answers.map((answer) => (answer.status === "rejected" ? answer.reason : null));
    const whole = failures.find((failure) => failure && (!(failure instanceof Failure) || failure.isAccess || failure.status === 0));
    if (whole) throw whole;
    if (failures.every(Boolean)) throw failures[0];
    const profile = await this.#profile(get, answers[1].value);
    const names = ["list", "activity"];
    names.forEach((name, number) => {
      const answer = answers[number];
      if (answer.status === "fulfilled") this.#keep(name, answer.value);
      else this.#parts[name] = { ...this.#parts[name], failure: answer.reason };
    });
    if (profile instanceof Failure) this.#parts.profile = { ...this.#parts.profile, failure: profile };
    else this.#keep("profile", profile);
    await this.#titles.learn(this.#shownItems(), signal);
  }

  /** Of a user who is not known, it is asked for again once there is an activity. */
  async #profile(get, activity) {
    if (this.#isUnknown && !activity?.activities.length) return null;
    try {
      const profile = await get("profile");
      this.#isUnknown = false;
      return profile;
    } catch (error) {
      if (!(error instanceof Failure) || error.isAccess || error.status === 0) throw error;
      this.#isUnknown = error.kind === "unknown-user";
      return this.#isUnknown ? null : error;
    }
  }

  #keep(name, value) {
    if (name === "list") this.#compare(this.#parts.list.value, value);
    this.#parts[name] = { value, failure: null };
  }

  #compare(before, after) {
    if (!before) return;
    const ids = (list) => list.recommendations.map((item) => item.item_id);
    const compared = compare(ids(before), ids(after));
    if (compared.count === 0) return;
    this.#change = { compared, at: Date.now() };
    announce(`The list changed: ${summary(compared)}.`);
  }

  #shownItems() {
    const list = this.#parts.list.value?.recommendations ?? [];
    const chosen = list.map((item) => item.reason?.item_id).filter((id) => id !== undefined);
    const done = (this.#parts.activity.value?.activities ?? []).flatMap((activity) => activity.item_ids.slice(0, 20));
    const gone = this.#change?.compared.gone ?? [];
    return [...list.map((item) => item.item_id), ...chosen, ...gone, ...done.reverse()].slice(0, 500);
  }

  #changed() {
    const { failure } = this.#refresher.state;
    if (failure?.isAccess) {
      this.#follower.stop();
      this.#isOpen = false;
    } else if (!failure && this.#isSeen) {
      this.#follower.start();
      // The service is back; the stream, which waits longer and longer, need not.
      if (this.#wasLost) this.#follower.hurry();
    }
    this.#wasLost = failure !== null;
    this.#draw();
    if (!failure?.isAccess) this.#drawParts();
  }

  #draw() {
    const { state } = this.#refresher;
    const access = state.failure?.isAccess ? state.failure : null;
    const isLost = state.failure !== null;
    stale(isLost && state.asOf !== 0);
    const status = access ? { state: "waiting", word: "! needs a token", more: [] } : isLost ? lost(state) : this.#fresh();
    render(place("status"), drawn(status), this.#pushedAt === 0 ? null : ago(this.#pushedAt, "last push "));
    render(place("notice"), access ? this.#tokenNotice(access) : isLost ? lostNotice(state) : null);
    place("sections").hidden = access !== null || (isLost && state.asOf === 0);
    if (status.word !== this.#said) {
      if (this.#said !== "") announce(status.word.slice(2));
      this.#said = status.word;
    }
  }

  #drawParts() {
    this.#drawPart("list", "list", (list) => listPart(list, this.#change, this.#titles));
    this.#drawPart("profile", "profile", (profile) => profilePart(profile, this.#user));
    this.#drawPart("stream", "activity", ({ activities }) => streamPart(activities, this.#titles));
  }

  #fresh() {
    const { state } = this.#refresher;
    if (state.asOf === 0) return { state: "waiting", word: "… loading", more: [] };
    if (this.#isOpen) return { state: "live", word: "● live", more: [] };
    if (!this.#broken) return { state: "waiting", word: "… connecting", more: [`as of ${clock(state.asOf)}`] };
    const { failure, next } = this.#broken;
    return { state: "waiting", word: `◐ read every ${EVERY / 1000} s`, more: [`no pushes: ${failure.message}`, until(next)] };
  }

  #drawPart(where, name, draw) {
    const { value, failure } = this.#parts[name];
    const notice = failure && h("p", { class: "notice", "data-tone": "bad", "data-key": "failed" }, `This cannot be read now: ${failure.message}`);
    if (value !== undefined) render(part(where), notice, draw(value));
    else if (notice) render(part(where), notice);
  }

  #tokenNotice(failure) {
    const id = shellWord(this.#user);
    const command = `homeostat users token ${this.#user.startsWith("-") ? `-- ${id}` : id}`;
    const isRefused = failure.kind !== "no-user-token";
    return h(
      "div",
      { class: "notice", "data-tone": "warn", "data-key": "token" },
      // Of a missing token the service says how programs send it.
      h("p", {}, h("strong", {}, isRefused ? "The token is not accepted. " : "This user's data is read with a token. "), isRefused ? failure.message : null),
      h(
        "form",
        { "data-token": true },
        h("label", { for: "token" }, "Token of this user, or of an operator"),
        h("input", { id: "token", name: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true }),
        h("button", { type: "submit", class: "main" }, "Use it"),
      ),
      h("p", {}, "Where Homeostat runs, with its configuration, this command prints one: ", copyButton(command, "the command")),
      h("code", { class: "command" }, visible(command)),
      h("p", { class: "small" }, "It is kept for this tab alone. A link may bring it along as ", h("code", {}, `${new URL(userPage(this.#user)).pathname}#token=…`), "."),
    );
  }

  #submitted(event) {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches("[data-token]")) return;
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("token"));
    const token = field.value.trim();
    field.value = "";
    if (!/^[\x21-\x7e]+$/.test(token)) return announce("This is no token.", true);
    keepToken(this.#user, token);
    this.#again();
  }
}

function recent() {
  try {
    const users = JSON.parse(sessionStorage.getItem(RECENT) ?? "[]");
    return Array.isArray(users) ? users.filter((user) => typeof user === "string") : [];
  } catch {
    return [];
  }
}

function remember(user) {
  try {
    sessionStorage.setItem(RECENT, JSON.stringify([user, ...recent().filter((one) => one !== user)].slice(0, RECENT_MAX)));
  } catch {
    // Without storage no list is shown.
  }
}

/** The page without a user. */
function choose() {
  place("choose").hidden = false;
  const users = recent();
  if (users.length === 0) return;
  // No button within a link.
  const links = users.map((user) => h("a", { href: userPage(user) }, h("bdi", { class: "id", title: visible(user) }, cut(visible(user)))));
  render(place("recent"), h("h2", {}, "Shown in this tab"), h("p", { class: "recent" }, links));
}

begin("users");
const user = userOfPage();
if (user) {
  remember(user);
  new UserPage(user).begin();
} else {
  choose();
  if (user === undefined) {
    render(place("notice"), h("p", { class: "notice", "data-tone": "bad" }, "The address names no user: it is not percent-encoded UTF-8. Type the id below."));
  }
}
