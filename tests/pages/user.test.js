// The page of a user, live.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { browse, open } from "./browser.js";
import { Service, waitFor } from "./service.js";

let browser;
let service;
before(async () => {
  [browser, service] = await Promise.all([browse(), Service.start()]);
  await service.seed();
});
after(async () => {
  await browser?.close();
  await service?.end();
});

const pageOf = (user) => `${service.url}/users/${encodeURIComponent(user)}`;
const names = (page) => page.locator(".ranked > li").evaluateAll((rows) => rows.map((row) => row.dataset.key.slice(5)));

test("a like that is posted changes list, profile and stream of the open page, with reasons", async () => {
  const { page, addresses, close } = await open(browser);
  await service.act("7", "view", "50");
  await page.goto(pageOf("7"));
  await page.getByText("● live").waitFor();
  await page.locator(".acts").getByText("view").waitFor();
  const first = await names(page);
  assert.ok(first.length > 0 && !first.includes("50"), `${first}`);

  const [best] = first;
  const { body: item } = await service.get(`/api/v1/catalog/${best}`);
  await service.act("7", "like", best);
  await page.locator(".acts > li").first().getByText("like").waitFor();
  await waitFor("another list", async () => !(await names(page)).includes(best));
  await page.locator(".ranked").getByText(`because the user chose ${item.title}`).first().waitFor();
  await page.locator(".gone").getByText(item.title).waitFor();
  await page.locator(".ranked .mark").first().waitFor();
  await page.locator(".weights").getByText(item.genres[0]).waitFor();
  await page.locator("[data-status]").getByText(/last push/).waitFor();
  // One stream, of which the rest follows; and nothing that a page shows counts as shown to the user.
  assert.equal(addresses.filter((address) => address.endsWith("/stream?preview=true")).length, 1);
  assert.ok(addresses.filter((address) => address.includes("/recommendations?")).every((address) => address.includes("preview=true")));
  await close();
});

test("to look at a user counts nothing as shown", async () => {
  const shown = async () => (await service.get("/api/v1/recommendations/stats")).body.total.impressions;
  await service.act("looked-at", "view", "50");
  const before = await shown();
  const { page, close } = await open(browser);
  await page.goto(pageOf("looked-at"));
  await page.locator(".ranked > li").first().waitFor();
  await service.get("/api/v1/users/looked-at/recommendations?k=3");
  // What was served is counted, and of it what the caller got.
  await waitFor("three items", async () => (await shown()) === before + 3);
  await close();
});

test("a view, which pushes nothing, is shown after some seconds", async () => {
  const { page, close } = await open(browser);
  await service.act("viewer", "like", "258");
  await page.goto(pageOf("viewer"));
  await page.locator(".acts").getByText("like").waitFor();
  await service.act("viewer", "view", "100");
  await page.locator(".acts > li").first().getByText("view").waitFor();
  await close();
});

test("many events at once are few readings", async () => {
  const { page, addresses, close } = await open(browser);
  await service.act("busy", "view", "50");
  await page.goto(pageOf("busy"));
  await page.locator(".acts").getByText("view").waitFor();
  await page.getByText("● live").waitFor();
  const readings = () => addresses.filter((address) => address.endsWith("/activity")).length;
  const [began, at] = [readings(), Date.now()];
  for (let round = 0; round < 30; round += 1) {
    await service.publish("business.user.interaction", [{ user_id: "busy", interaction_type: "like", item_ids: [`many-${round}`] }]);
  }
  await page.locator(".acts").getByText("many-29").waitFor();
  const seconds = (Date.now() - at) / 1000;
  assert.ok(readings() - began <= 4 * seconds + 2, `${readings() - began} readings in ${seconds} s`);
  await close();
});

test("a user of whom nothing is known gets what is trending, and a command to try", async () => {
  // The answer 404 is an error to Chromium; it comes once.
  const { page, close } = await open(browser, { allow: /404.*\/stranger%20x\/profile/ });
  await page.goto(pageOf("stranger x"));
  await page.getByText("No event of this user was read yet").waitFor();
  await page.getByText("Nothing within the last hour.").waitFor();
  const command = await page.locator('[data-part="profile"] code').textContent();
  assert.equal(command, `echo '{"user_id":"stranger x","interaction_type":"like","item_ids":["50"]}' | homeostat publish business.user.interaction`);
  await page.locator(".ranked").getByText("many choose it").first().waitFor();
  await service.act("stranger x", "like", "50");
  await page.locator(".weights").waitFor();
  await close();
});

test("hostile ids are text, long ones are cut and copied whole", async () => {
  const attack = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;
  const turned = "abc\u202efdp.exe";
  const long = `${"ä".repeat(100)}/?#%&"'<b>${"z".repeat(40)}`;
  for (const user of [attack, long, turned, "a/b", "100%", "+ plus", "민수 👨‍👩‍👧‍👦", "{{main}}", "__proto__"]) {
    const { page, close } = await open(browser);
    await service.publish("business.user.interaction", [
      { user_id: user, interaction_type: `like`, item_ids: [attack, long, turned, "__proto__", "constructor"], context: { note: attack } },
      { user_id: "other-1", interaction_type: "view", item_ids: [`${attack}2`, `${long}2`, `${turned}2`] },
    ]);
    await waitFor("the user to be known", async () => (await service.interactions(user)) > 0);
    await page.goto(pageOf(user));
    await page.locator(".acts .what").first().waitFor();
    await page.locator(".ranked > li").first().waitFor();
    assert.notEqual(await page.title(), "taken");
    assert.equal(await page.locator("main img, main script, main b").count(), 0);
    await page.locator(".acts").getByText("abc⟨202E⟩fdp.exe").first().waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(width, 0, user);
    await page.locator(`.acts [data-copy="${CSS_escape(long)}"]`).first().click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), long);
    await close();
  }
});

/** As a string within a selector. */
function CSS_escape(text) {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
}

test("ids that the API or a browser cannot take are refused with the reason", async () => {
  const { page, close } = await open(browser, { allow: /400/ });
  await page.goto(`${service.url}/users/%ff`);
  await page.getByText("The address names no user").waitFor();
  await page.locator("#choose-id").fill("..");
  await page.locator(".choose").getByRole("button", { name: "Show" }).click();
  await page.getByText("A browser cannot ask for the id").waitFor();
  await page.goto(`${service.url}/users/${"x".repeat(257)}`);
  await page.getByText("more than 256 bytes").waitFor();
  await close();
});

test("pages work at any depth and behind a prefix", async () => {
  const { createServer } = await import("node:http");
  const proxy = createServer(async (request, answer) => {
    const got = await fetch(`${service.url}${request.url.replace(/^\/ml\/ops/, "")}`, { headers: { accept: request.headers.accept ?? "*/*" } });
    answer.writeHead(got.status, Object.fromEntries(got.headers));
    try {
      for await (const data of got.body) answer.write(data);
    } catch {
      // The page was left.
    }
    answer.end();
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { page, close } = await open(browser);
  await service.act("7", "view", "50");
  for (const path of ["/ml/ops/users/7", "/ml/ops/users/7/", "/ml/ops//users//7"]) {
    await page.goto(`http://127.0.0.1:${proxy.address().port}${path}`);
    await page.getByText("● live").waitFor();
    await page.locator(".ranked > li").first().waitFor();
  }
  await page.getByRole("link", { name: "Recommendations" }).click();
  await page.getByText("Click-through rate").first().waitFor();
  assert.equal(new URL(page.url()).pathname, "/ml/ops/recommendations");
  await close();
  proxy.closeAllConnections();
  proxy.close();
});

test("a hidden page stops listening, and goes on when it is shown", async () => {
  const { page, addresses, close } = await open(browser);
  await page.goto(pageOf("7"));
  await page.getByText("● live").waitFor();
  const see = (state) =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await see("hidden");
  await page.waitForTimeout(300);
  const before = addresses.length;
  await service.act("7", "like", "258");
  await page.waitForTimeout(6_000);
  assert.equal(addresses.length, before);
  await see("visible");
  await page.locator(".acts > li").first().getByText("Contact").waitFor();
  await page.getByText("● live").waitFor();
  await close();
});
