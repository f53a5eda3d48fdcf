// Where a secret is set, a user's data needs a token.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { accessible, browse, open, picture } from "./browser.js";
import { Service } from "./service.js";

let browser;
let service;
before(async () => {
  const secrets = {
    PUSH: "0123456789abcdef0123456789abcdef",
    OPERATOR: "open sesame",
    HOMEOSTAT__RECOMMENDATIONS__PUSH_SECRET: "env:PUSH",
    HOMEOSTAT__HTTP__OPERATOR_TOKEN: "env:OPERATOR",
  };
  [browser, service] = await Promise.all([browse(), Service.start(secrets, "", "open sesame")]);
  await service.seed();
});
after(async () => {
  await browser?.close();
  await service?.end();
});

// Answers that the test brings about; those of a user of whom nothing is known yet are 404.
const DENIED = /status of (401|403|404)/;
const tokenOf = async (user) => (await service.command("users", "token", user)).split("\n").at(-1).trim();

test("a page asks for the token, says where it comes from, and keeps it out of every address", async () => {
  const { page, addresses, close } = await open(browser, { allow: DENIED });
  await page.goto(`${service.url}/users/ann%20b`);
  await page.getByText("This user's data is read with a token.").waitFor();
  assert.equal(await page.locator(".notice code").first().textContent(), "homeostat users token 'ann b'");
  assert.equal(await page.locator("[data-sections]").isVisible(), false);
  await accessible(page, "the form of the token");
  await picture(page, "token");
  const asked = addresses.length;
  await page.waitForTimeout(2_500);
  assert.equal(addresses.length, asked, "it does not ask again by itself");

  const field = page.getByLabel("Token of this user, or of an operator");
  await field.fill("wrong");
  await field.press("Enter");
  await page.getByText("The token is not accepted.").waitFor();
  await field.fill(await tokenOf("somebody else"));
  await field.press("Enter");
  await page.getByText("another user's").waitFor();
  await field.fill(await tokenOf("ann b"));
  await field.press("Enter");
  await page.getByText("● live").waitFor();
  await service.act("ann b", "like", "50");
  await page.locator(".acts").getByText("Star Wars").waitFor();
  await page.reload();
  await page.getByText("● live").waitFor();
  assert.ok(addresses.every((address) => !address.includes("token=") && !address.includes("eyJ")));
  // It is this tab's alone.
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage)), "{}");
  await close();
});

test("a link brings the token along, and it leaves the address at once", async () => {
  const { page, addresses, close } = await open(browser, { allow: DENIED });
  const token = await tokenOf("bob");
  await page.goto(`${service.url}/users/bob#token=${token}`);
  await page.getByText("● live").waitFor();
  assert.equal(page.url(), `${service.url}/users/bob`);
  assert.ok(addresses.every((address) => !new URL(address).search.includes("token")));
  await page.goto(`${service.url}/users/eve`);
  await page.getByText("The token is not accepted.").waitFor();
  // On an open page, too.
  await page.evaluate((token) => {
    location.hash = `token=${token}`;
  }, await tokenOf("eve"));
  await page.getByText("● live").waitFor();
  assert.equal(page.url(), `${service.url}/users/eve`);
  await close();
});
