// The service ends and comes back while pages are open.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { accessible, browse, open, picture } from "./browser.js";
import { Service } from "./service.js";

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

const ALLOW = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_SOCKET_NOT_CONNECTED|503/;

test("a page is grey with the time of what it shows while the connection is lost, and recovers", async () => {
  const [user, numbers] = await Promise.all([open(browser, { allow: ALLOW }), open(browser, { allow: ALLOW })]);
  await service.act("7", "like", "50");
  await Promise.all([user.page.goto(`${service.url}/users/7`), numbers.page.goto(`${service.url}/recommendations`)]);
  await user.page.getByText("● live").waitFor();
  await numbers.page.getByText("● read every 3 s").waitFor();
  await service.kill();
  for (const [name, { page }] of Object.entries({ user, numbers })) {
    await page.locator("[data-status]").getByText("✕ connection lost").waitFor();
    await page.locator("[data-status]").getByText(/as of \d\d:\d\d:\d\d/).waitFor();
    await page.locator(".notice").getByText(/next try in \d+ s/).waitFor();
    assert.equal(await page.locator("main").getAttribute("data-stale"), "true");
    assert.notEqual(await page.locator(".fades").first().evaluate((element) => getComputedStyle(element).filter), "none");
    await accessible(page, `${name} while the connection is lost`);
    await picture(page, `lost-${name}`);
  }
  await service.again();
  await numbers.page.getByRole("button", { name: "Try now" }).click({ timeout: 2_000 }).catch(() => {});
  await user.page.getByText("● live").waitFor();
  await numbers.page.getByText("● read every 3 s").waitFor();
  for (const { page } of [user, numbers]) assert.equal(await page.locator("main").getAttribute("data-stale"), "false");
  await service.act("7", "like", "172");
  await user.page.locator(".acts > li").first().getByText("The Empire Strikes Back").waitFor();
  await user.close();
  await numbers.close();
});
