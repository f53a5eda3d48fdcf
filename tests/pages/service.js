// The built binary as a running service on the embedded log, in a folder of its own: started, killed, started again.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const BINARY = process.env.HOMEOSTAT_BINARY ?? path.resolve(import.meta.dirname, "../../target/debug/homeostat");
/** Milliseconds for what should take seconds. */
const PATIENCE = 60_000;

const CATALOG = `item_id,title,genres
50,Star Wars,Action|Adventure|Sci-Fi
100,Fargo,Crime|Drama
181,Return of the Jedi,Action|Adventure
258,Contact,Drama|Sci-Fi
174,Raiders of the Lost Ark,Action|Adventure
127,The Godfather,Crime|Drama
286,The English Patient,Drama|Romance|War
98,The Silence of the Lambs,Drama|Thriller
288,Scream,Horror|Thriller
172,The Empire Strikes Back,Action|Adventure|Sci-Fi
1,Toy Story,Animation|Children|Comedy
7,Twelve Monkeys,Drama|Sci-Fi
56,Pulp Fiction,Crime|Drama
64,The Shawshank Redemption,Drama
69,Forrest Gump,Comedy|Romance|War
79,The Fugitive,Action|Thriller
96,Terminator 2: Judgment Day,Action|Sci-Fi|Thriller
121,Independence Day,Action|Sci-Fi|War
151,Willy Wonka and the Chocolate Factory,Adventure|Children|Comedy
168,Monty Python and the Holy Grail,Comedy
195,The Terminator,Action|Sci-Fi|Thriller
204,Back to the Future,Comedy|Sci-Fi
`;

/** Waits until `find` gives something. */
export async function waitFor(what, find, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await find();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${patience} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A service with these settings, ready. */
export class Service {
  #token;
  #folder = "";
  #environment = {};
  #child;
  url = "";

  /**
   * @param {Record<string, string>} [environment]
   * @param {string} [overlay] configuration in TOML
   * @param {string} [token] an operator's, where one is needed
   */
  static async start(environment = {}, overlay = "", token = "") {
    const service = new Service(token);
    service.#folder = await mkdtemp(path.join(tmpdir(), "homeostat-pages."));
    await writeFile(path.join(service.#folder, "items.csv"), CATALOG);
    await writeFile(path.join(service.#folder, "overlay.toml"), `[catalog]\nfiles = ["items.csv"]\n${overlay}`);
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("HOMEOSTAT_"));
    service.#environment = {
      ...Object.fromEntries(inherited),
      HOMEOSTAT__DATA_DIR: path.join(service.#folder, "data"),
      HOMEOSTAT__HTTP__LISTEN: "127.0.0.1:0",
      HOMEOSTAT__LOG_OUTPUT__LEVEL: "warn",
      ...environment,
    };
    await service.again();
    return service;
  }

  constructor(token) {
    this.#token = token;
  }

  /** Starts it, again where it was if it ran before. */
  async again() {
    const environment = { ...this.#environment };
    if (this.url !== "") environment.HOMEOSTAT__HTTP__LISTEN = new URL(this.url).host;
    const child = spawn(BINARY, ["--config", "overlay.toml"], { cwd: this.#folder, env: environment, stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    let output = "";
    let ended = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.on("exit", (code, signal) => {
      ended = `it ended with ${code ?? signal}: ${output}`;
    });
    child.on("error", (error) => {
      ended = `${BINARY} cannot be started: ${error}`;
    });
    this.url = await waitFor("its address", () => {
      if (ended) throw new Error(ended);
      return output.match(/listens on (\S+)/)?.[1];
    });
    await waitFor("readiness", async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  /** Ends it at once, without a goodbye. */
  async kill() {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  async end() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the command line prints. */
  async command(...parts) {
    const child = spawn(BINARY, [...parts, "--config", "overlay.toml"], { cwd: this.#folder, env: this.#environment, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    for await (const data of child.stdout) output += data;
    return output.trim();
  }

  async get(path) {
    const headers = this.#token ? { authorization: `Bearer ${this.#token}` } : {};
    const answer = await fetch(`${this.url}${path}`, { headers });
    return { status: answer.status, body: await answer.json() };
  }

  /** Publishes events, all at once. */
  async publish(topic, events) {
    const answer = await fetch(`${this.url}/api/v1/events/${topic}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(events),
    });
    if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
  }

  /** How many interactions of a user are in the profile. */
  async interactions(user) {
    const { status, body } = await this.get(`/api/v1/users/${encodeURIComponent(user)}/profile`);
    return status === 200 ? body.interactions : 0;
  }

  /** A user does something with items, and it is learned. */
  async act(user, type, ...items) {
    const before = await this.interactions(user);
    await this.publish("business.user.interaction", [{ user_id: user, interaction_type: type, item_ids: items }]);
    await waitFor("what the user did to be learned", async () => (await this.interactions(user)) > before);
  }

  /** Others act, so that there is something to recommend, and it is learned. */
  async seed() {
    const items = CATALOG.trim().split("\n").slice(1).map((line) => line.split(",")[0]);
    const events = Array.from({ length: 12 }, (_, user) =>
      items.filter((_, place) => (place * 7 + user * 5) % 11 < 7).map((item) => ({ user_id: `other-${user}`, interaction_type: "view", item_ids: [item] })),
    );
    await this.publish("business.user.interaction", events.flat());
    let last;
    await waitFor("something to recommend", async () => {
      last = await this.get("/api/v1/users/other-0/recommendations?k=10&preview=true");
      return last.body.recommendations?.length > 0 && (await this.interactions("other-11")) > 0;
    }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}`);
    });
  }
}
