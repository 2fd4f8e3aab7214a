// The browser of the tests: Debian's chromium, watched for errors and for requests that leave.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SIZES = [
  [1280, 900],
  [400, 800],
];
export const SCHEMES = ["light", "dark"];

/** A browser for pages of `base`; what is wrong in any page gathers in `problems`. */
export class Watched {
  constructor(browser, base, folder) {
    this.browser = browser;
    this.base = base;
    this.folder = folder;
    this.problems = [];
    /** Statuses from 400 up that a test provokes, so that the browser's line on them is no problem. */
    this.expected = [];
  }

  static async start(base, folder) {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
    return new Watched(browser, base, folder);
  }

  /** A new visitor with cookies of its own. */
  async visitor(options) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    this.watch(page);
    return page;
  }

  watch(page) {
    page.on("console", (message) => {
      const text = message.text();
      const isExpected = this.expected.some((status) => text.includes(`status of ${status}`));
      if (["error", "warning"].includes(message.type()) && !isExpected)
        this.problems.push(`${page.url()}: console: ${text}`);
    });
    page.on("pageerror", (error) => this.problems.push(`${page.url()}: ${error.stack}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      const isOwn = url.origin === new URL(this.base).origin || ["data:", "blob:", "file:"].includes(url.protocol);
      if (!isOwn) this.problems.push(`${page.url()}: a request to ${url.origin}`);
    });
  }

  /** What axe finds that is serious or worse is a problem. */
  async axe(page, name) {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    for (const violation of found.violations.filter((one) => ["serious", "critical"].includes(one.impact))) {
      const where = violation.nodes
        .slice(0, 3)
        .map((node) => `${node.target.join(" ")} (${node.failureSummary.split("\n").slice(1).join(" ").trim()})`);
      this.problems.push(`${name}: axe ${violation.id}: ${where.join("; ")}`);
    }
  }

  /** Screenshots in all sizes and schemes; a page wider than the window is a problem. */
  async shoot(page, name, settle) {
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        await settle?.(page);
        await page.mouse.move(0, 0);
        await page.evaluate(() => scrollTo(0, 0));
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) this.problems.push(`${name} at ${width}: ${over} pixels too wide`);
        await page.screenshot({ path: join(this.folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        if (width === SIZES[0][0] || colorScheme === "light")
          await this.axe(page, `${name} at ${width}, ${colorScheme}`);
      }
    }
    await page.setViewportSize({ width: SIZES[0][0], height: SIZES[0][1] });
    await page.emulateMedia({ colorScheme: "light" });
  }

  async stop() {
    await this.browser.close();
  }
}
