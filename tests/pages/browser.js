// Debian's Chromium without a window, and pages whose errors count: exceptions, errors on the console, what the CSP refused.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PICTURES = process.env.PAGES_PICTURES ?? path.resolve(import.meta.dirname, "../../target/pages");

/** Starts the browser. */
export async function browse() {
  return await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Chromium's sandbox does not work for root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ["--disable-dev-shm-usage", "--disable-gpu"],
  });
}

/**
 * A page in a context of its own.
 * @param {import("playwright-core").Browser} browser
 * @param {{width?: number, theme?: "light" | "dark", allow?: RegExp}} [options] `allow`: errors that this test brings about
 */
export async function open(browser, { width = 1440, theme = "light", allow } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 780 : 900 },
    colorScheme: theme,
    // Drawings are looked at when they stand still.
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const errors = [];
  const note = (text) => {
    if (!allow?.test(text)) errors.push(text);
  };
  page.on("pageerror", (error) => note(`exception: ${error.stack}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") note(`${message.text()} (${message.location().url})`);
  });
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  return {
    page,
    /** Every address that was asked for. */
    addresses,
    /** Nothing went wrong. */
    async close() {
      await context.close();
      assert.deepEqual(errors, []);
    },
  };
}

/** No finding of axe on what the page shows now. */
export async function accessible(page, what) {
  // Not as a script element, which the CSP refuses.
  await page.evaluate(await readFile(AXE, "utf8"));
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join(" | ")}`);
  });
  assert.deepEqual(found, [], what);
}

/** Nothing is wider than the window. */
export async function fits(page, what) {
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const isClipped = (element) => element !== null && (getComputedStyle(element).clipPath !== "none" || isClipped(element.parentElement));
    const beyond = [...document.querySelectorAll("body *")].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.right > width + 0.5 && !isClipped(element);
    });
    return { scrolls: document.documentElement.scrollWidth - width, beyond: beyond.slice(0, 5).map((element) => element.outerHTML.slice(0, 160)) };
  });
  assert.deepEqual(wide, { scrolls: 0, beyond: [] }, what);
}

/** A picture for people. */
export async function picture(page, name) {
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage: true });
}
