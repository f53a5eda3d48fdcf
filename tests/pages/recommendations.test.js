// The page of recommendations with an experiment that has real impressions and clicks.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { accessible, browse, fits, open, picture } from "./browser.js";
import { Service, waitFor } from "./service.js";

const OVERLAY = `
[recommendations.experiments.ranking]
arms = { control = 1, candidate = 1 }
guardrails.negative_feedback.margin = 0.2
[recommendations.statistics]
users_min = 20
clicks_min = 10
`;
const USERS = 120;

let browser;
let service;
before(async () => {
  [browser, service] = await Promise.all([browse(), Service.start({}, OVERLAY)]);
  await service.seed();
});
after(async () => {
  await browser?.close();
  await service?.end();
});

/** Each user gets a list; of the candidates more click. */
async function shownAndClicked() {
  const clicks = [];
  for (let number = 0; number < USERS; number += 1) {
    const user = `u-${number}`;
    const { body: list } = await service.get(`/api/v1/users/${user}/recommendations?k=5`);
    const clicked = list.arms.ranking === "candidate" ? 4 : number % 3 === 0 ? 1 : 0;
    for (const { item_id } of list.recommendations.slice(0, clicked)) {
      clicks.push({ user_id: user, item_id, recommendation_context: { list: list.list } });
    }
  }
  await service.publish("business.recommendation.clicked", clicks);
  await waitFor("the clicks to count", async () => {
    const { body } = await service.get("/api/v1/recommendations/stats");
    return body.total.clicks === clicks.length;
  });
  return clicks.length;
}

test("nothing shown and an experiment that begins are said in words; then rates, arms and intervals come by themselves", async () => {
  const { page, close } = await open(browser);
  await page.goto(`${service.url}/recommendations`);
  await page.getByText("No recommendation was shown yet.").waitFor();
  await page.getByText("✓ No alarm").waitFor();
  await page.getByRole("heading", { name: "Experiment ranking" }).waitFor();
  const clicked = await shownAndClicked();
  await page.locator(".reading").getByText(`${clicked} were clicked`).waitFor();

  const { body: stats } = await service.get("/api/v1/recommendations/stats");
  const row = (name) => page.locator(".experiment table").first().locator("tr", { has: page.getByRole("rowheader", { name }) });
  for (const arm of stats.experiments[0].arms) {
    const text = await row(arm.name).innerText();
    for (const expected of [String(arm.users), `${(arm.click_through.value * 100).toFixed(2)} %`, `${(arm.click_through.low * 100).toFixed(2)} % to ${(arm.click_through.high * 100).toFixed(2)} %`]) {
      assert.ok(text.includes(expected), `${expected} in ${text}`);
    }
    // The drawing is there, and hidden from those who read the text.
    assert.equal(await row(arm.name).locator('svg[aria-hidden="true"]').count(), 2);
  }
  await page.getByText("✓ as declared").waitFor();
  await page.getByText("▲ better").waitFor();
  await page.getByText(/points; it can be stopped/).first().waitFor();
  await page.getByRole("table", { name: /Guardrails/ }).waitFor();
  for (const title of ["Days", "Places", "Segments", "Models", "Not counted"]) await page.getByRole("heading", { name: title, exact: true }).waitFor();
  const today = new Date(stats.time).toISOString().slice(0, 10);
  await page.getByRole("rowheader", { name: today }).first().waitFor();
  await page.getByText("Arms by day, place, segment and model").click();
  await page.getByRole("table", { name: "By place" }).first().waitFor();
  // It stays unfolded when the page is read again.
  await page.waitForTimeout(3_500);
  assert.equal(await page.locator("details[open]").count(), 1);
  await close();
});

test("alarms, many days and hostile names are shown as they are", async () => {
  const { page, close } = await open(browser);
  const { body: stats } = await service.get("/api/v1/recommendations/stats");
  const hostile = `<img src=x onerror=alert(1)>\u202e${"m".repeat(200)}`;
  const experiment = stats.experiments[0];
  experiment.division = { mismatch: true, p: 0.0000001, users: { control: 400, candidate: 100 }, expected: { control: 250, candidate: 250 } };
  Object.assign(experiment.comparisons[0], { verdict: "untrusted" });
  experiment.guardrails[0].standing = "breached";
  stats.degraded = [{ model: hostile, experiment: "ranking", arm: "candidate", metric: "click_through", since: stats.time }];
  stats.models[0].name = hostile;
  stats.days = Array.from({ length: 34 }, (_, day) => {
    const value = 0.03 + 0.02 * Math.sin(day / 3);
    return { name: new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10), impressions: 12_000 + day, clicks: Math.round(12_000 * value), negative_feedback: 12, click_through: { value, low: value - 0.006, high: value + 0.006 } };
  });
  await page.route("**/api/v1/recommendations/stats", (route) => route.fulfill({ json: stats }));
  await page.goto(`${service.url}/recommendations`);
  await page.getByText("! 3 alarms").waitFor();
  await page.getByText("Sample-ratio mismatch: users are not divided as declared").waitFor();
  await page.getByText("✕ breached").waitFor();
  await page.getByText("! cannot be trusted").waitFor();
  await page.getByText("and 20 more days").waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  for (const [width, theme] of [
    [1440, "light"],
    [360, "dark"],
  ]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: theme });
    await page.waitForTimeout(300);
    await fits(page, `alarms at ${width}`);
    await accessible(page, `alarms in ${theme}`);
    await picture(page, `alarms-${width}-${theme}`);
  }
  await close();
});

test("pages have no finding of axe and fit, wide and narrow, light and dark", async () => {
  await service.publish("business.user.interaction", [
    ...["50", "172", "127", "no-title-1"].map((item) => ({ user_id: "7", interaction_type: "view", item_ids: [item] })),
    { user_id: "7", interaction_type: "purchase", item_ids: ["181", "174"], context: { device: "phone", basket: 17 } },
    { user_id: "7", interaction_type: "like", item_ids: [`a-very-long-id-${"0123456789".repeat(20)}`, "98"] },
  ]);
  for (const theme of ["light", "dark"]) {
    for (const width of [1440, 360]) {
      const { page, close } = await open(browser, { width, theme });
      await page.goto(`${service.url}/users/7`);
      await page.getByText("● live").waitFor();
      await page.locator(".ranked > li").first().waitFor();
      // The others move up.
      const best = await page.locator(".ranked > li").first().getAttribute("data-key");
      await service.act("7", "like", best.replace("item ", ""));
      await page.locator(".ranked .mark").first().waitFor();
      const look = async (name) => {
        await fits(page, `${name} ${width} ${theme}`);
        await accessible(page, `${name} ${width} ${theme}`);
        await picture(page, `${name}-${width}-${theme}`);
      };
      await look("user");
      await page.goto(`${service.url}/recommendations`);
      await page.getByRole("heading", { name: "Days" }).waitFor();
      await look("recommendations");
      await page.goto(`${service.url}/users`);
      await page.getByText("Shown in this tab").waitFor();
      await look("users");
      if (width > 600) {
        await page.keyboard.press("?");
        await page.locator("dialog[open]").waitFor();
        await look("keys");
      }
      await close();
    }
  }
});
