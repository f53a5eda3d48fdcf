// Everything by keys alone, and the theme.

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

const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim());

test("keys lead from page to page, to the search and to the list of keys", async () => {
  // The answer 404 about a user who is not known is an error to Chromium.
  const { page, close } = await open(browser, { allow: /404.*profile/ });
  await page.goto(`${service.url}/recommendations`);
  await page.getByText("● read every").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "main");

  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await page.getByText("go to the search for a user").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "hidden" });

  await page.keyboard.press("g");
  await page.keyboard.press("u");
  await page.waitForURL("**/users");
  await page.keyboard.press("/");
  assert.equal(await focused(page), "go");
  // Letters of a text are no keys.
  await page.keyboard.type("g r/?");
  assert.equal(await page.locator("#go").inputValue(), "g r/?");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/users/g%20r%2F%3F");
  await page.getByText("● live").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  assert.notEqual(await focused(page), "go");
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.waitForURL("**/recommendations");
  await close();
});

test("what has the focus shows it, and keeps it while the list changes", async () => {
  const { page, close } = await open(browser);
  const long = `long-${"x".repeat(60)}`;
  await service.act("tabs", "like", long, "50");
  await page.goto(`${service.url}/users/tabs`);
  await page.getByText("● live").waitFor();
  const button = page.locator(`.acts [data-copy="${long}"]`);
  await button.focus();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Tab");
  assert.notEqual(await button.evaluate((element) => getComputedStyle(element).outlineStyle), "none");
  await service.act("tabs", "like", "172");
  await page.locator(".acts > li").first().getByText("The Empire Strikes Back").waitFor();
  assert.ok(await button.evaluate((element) => element === document.activeElement));
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), long);
  await close();
});

test("the theme follows the system until one is chosen, which is remembered", async () => {
  const { page, close } = await open(browser, { theme: "dark" });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  await page.goto(`${service.url}/users`);
  assert.equal(await theme(), "dark");
  await page.emulateMedia({ colorScheme: "light" });
  await waitFor("the light theme", async () => (await theme()) === "light");
  const button = page.getByRole("button", { name: "Theme" });
  await button.click();
  await button.click();
  assert.equal(await button.textContent(), "Theme: dark");
  await page.goto(`${service.url}/recommendations`);
  assert.equal(await theme(), "dark");
  await page.getByText("● read every").waitFor();
  await close();
});
