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
/** The sizes that every page must fit; with screenshots, the sizes of these. */
const SIZES = [
  [1280, 900],
  [400, 800],
];
const SHOT_SIZES = [[1440, 900], ...SIZES];
const SCHEMES = ["light", "dark"];
/** How people see who cannot tell some colours apart, as the browser simulates it. */
const DEFICIENCIES = ["deuteranopia", "protanopia", "tritanopia"];

/** Runs something whose refusal the browser reports on its console. */
export async function refused(seen, statuses, action) {
  seen.expected.push(...statuses);
  await action();
  seen.expected.length = 0;
}

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

  /** Looks at a page in all sizes and both schemes: one wider than the window is a problem, as is what axe finds. */
  async shoot(page, name) {
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await settled(page);
      const wide = await page.evaluate(widest);
      if (wide) this.problems.push(`${name} at ${width}: ${wide}`);
    }
    await page.setViewportSize({ width: SIZES[0][0], height: SIZES[0][1] });
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      await this.axe(page, `${name}, ${colorScheme}`);
    }
    if (this.folder) await this.screenshots(page, name);
    await page.emulateMedia({ colorScheme: "light" });
  }

  /** Pictures in all sizes and schemes, and as those see them who cannot tell some colours apart. */
  async screenshots(page, name) {
    const take = (as) => page.screenshot({ path: join(this.folder, `${name}-${as}.png`), fullPage: true });
    await page.mouse.move(0, 0);
    const session = await page.context().newCDPSession(page);
    for (const [width, height] of SHOT_SIZES) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        await page.evaluate(() => scrollTo(0, 0));
        await settled(page);
        await take(`${width}-${colorScheme}`);
        if (width !== SIZES[0][0]) continue;
        for (const type of DEFICIENCIES) {
          await session.send("Emulation.setEmulatedVisionDeficiency", { type });
          await take(`${width}-${colorScheme}-${type}`);
        }
        await session.send("Emulation.setEmulatedVisionDeficiency", { type: "none" });
      }
    }
    await session.detach();
    await page.setViewportSize({ width: SIZES[0][0], height: SIZES[0][1] });
  }

  async stop() {
    await this.browser.close();
  }
}

/** Waits until the page was drawn anew. */
async function settled(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** In the page: by how much it is too wide, and what sticks out furthest; null when it fits. */
function widest() {
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over <= 0) return null;
  const right = (node) => node.getBoundingClientRect().right;
  const out = [...document.body.querySelectorAll("*")].filter((node) => right(node) >= innerWidth + over - 1);
  return `${over} pixels too wide, by ${out.map((node) => `${node.tagName}.${node.className}`).slice(0, 4)}`;
}
