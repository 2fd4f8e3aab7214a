// What the tests do on the page of a run.

import assert from "node:assert/strict";
import { readClock } from "./clock.mjs";

export const PLOTS = [
  "throughput",
  "latency",
  "heatmap",
  "users",
  "status",
  "failures",
  "phases",
  "network",
  "checks",
  "lag",
  "busy",
];
export const TABS = ["overview", "transactions", "distribution", "failures", "checks", "nodes", "files", "events"];

/** A busy machine may be late with a second, not with this many. */
const WATCHED_MS = 15_000;
/** The tiles move once a second; a busy machine may be this late on average. */
const TILES_MS_MAX = 2500;

/** Waits until the page shows a tab of the window it has. */
export async function isShown(page, tab) {
  await page.waitForSelector(`#run[data-shown="${tab}"][aria-busy="false"]`, { timeout: 20_000 });
}

export async function openTab(page, tab) {
  await page.click(`#tab-${tab}`);
  await isShown(page, tab);
}

/** Opens the tables of all plots. */
export async function openTables(page) {
  for (const plot of PLOTS)
    await page.evaluate((id) => {
      document.querySelector(`[data-plot="${id}"] details`).open = true;
    }, plot);
}

/** And closes them. */
export async function closeTables(page) {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("[data-plot] details")) details.open = false;
  });
}

/** The times in the tables of all plots, by plot. */
export async function tableTimes(page) {
  const read = (plots) =>
    Object.fromEntries(
      plots.map((id) => [
        id,
        [...document.querySelectorAll(`[data-plot="${id}"] tbody tr > :first-child`)].map((cell) => cell.textContent),
      ]),
    );
  const texts = await page.evaluate(read, PLOTS);
  return Object.fromEntries(Object.entries(texts).map(([id, cells]) => [id, cells.map(readClock)]));
}

/** Text of the tiles by their key: { value, sub }. */
export async function tiles(page) {
  return page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll("[data-tile]")].map((node) => [
        node.dataset.tile,
        { value: node.querySelector(".value").textContent, sub: node.querySelector(".sub").textContent },
      ]),
    ),
  );
}

/** Watches every plot of a live run move: the last time in each table must grow. */
export async function watchPlotsMove(page) {
  await openTables(page);
  const last = (times) => Object.fromEntries(Object.entries(times).map(([id, list]) => [id, list.at(-1) ?? -1]));
  const first = last(await tableTimes(page));
  const given = Date.now() + WATCHED_MS;
  let still = PLOTS;
  while (still.length && Date.now() < given) {
    await page.waitForTimeout(250);
    const now = last(await tableTimes(page));
    still = PLOTS.filter((id) => !(now[id] > first[id] && now[id] >= 2));
  }
  assert.deepEqual(still, [], "these plots did not move");
}

/** Watches the tiles of a live run move: in each of so many seconds in a row they say something else. */
export async function watchTilesMove(page, seconds) {
  await page.waitForFunction(
    (enough) => {
      const text = document.querySelector('[data-tile="sent"] .value').textContent;
      window.tilesSeen ??= [];
      const seen = window.tilesSeen;
      if (seen.at(-1)?.text !== text) seen.push({ text, at: performance.now() });
      return seen.length > enough;
    },
    seconds,
    { timeout: WATCHED_MS, polling: 100 },
  );
  const times = await page.evaluate(() => window.tilesSeen.map(({ at }) => at));
  const each = (times.at(-1) - times[0]) / (times.length - 1);
  console.log(`tiles: something else every ${Math.round(each)} ms`);
  assert.ok(each > 500 && each < TILES_MS_MAX, `the tiles moved every ${each} ms: ${times}`);
}

/** Drags over one plot from one share of its width to another. */
export async function drag(page, plot, from, to) {
  const over = page.locator(`[data-plot="${plot}"] .u-over`);
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * from, y);
  await page.mouse.down();
  await page.mouse.move(box.x + (box.width * (from + to)) / 2, y, { steps: 4 });
  await page.mouse.move(box.x + box.width * to, y, { steps: 4 });
  await page.mouse.up();
}

/** The window in the address, as [from, to]. */
export function windowOf(page) {
  const words = new URL(page.url()).searchParams;
  return [Number(words.get("from")), Number(words.get("to"))];
}

/** Waits until the figures are those of a window. */
export async function isZoomed(page, [from, to]) {
  await page.waitForSelector(`#run[data-window="${from}-${to}"][aria-busy="false"]`, { timeout: 10_000 });
}
