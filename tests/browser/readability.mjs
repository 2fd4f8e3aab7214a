// How readable the page of a run is: limits, names, numbers, colours, times.

import assert from "node:assert/strict";
import { isShown, openTab } from "./runpage.mjs";

/** Names that a run has too many of, one of them very long. */
const MANY = 120;
const LONG = `checkout ${"with a very long name ".repeat(8)}and its end`;

/** Limits stand in their plots, what was measured in the unit of the limit, and when it was first missed. */
export async function limitsAreSeen(page, result) {
  await openTab(page, "overview");
  const limits = (plot) =>
    page.locator(`[data-plot="${plot}"] [data-limit]`).evaluateAll((all) => all.map((one) => one.dataset.limit));
  assert.deepEqual(await limits("latency"), ["latency p99 < 5000ms"]);
  assert.deepEqual(await limits("lag"), ["lag p99 < 1s"]);
  assert.deepEqual(await limits("throughput"), ["rate > 1/s"]);
  assert.deepEqual(await limits("network"), []);
  const missed = result.thresholds.find((one) => !one.met);
  assert.equal(missed.metric, "failures");
  const chips = page.getByRole("list", { name: "Thresholds" });
  const chip = await chips.locator(".missed").first().textContent();
  assert.match(chip, /^failures < 0\.5% over any 2s· missed \d+(\.\d+)? %, first at 0:0\d$/);
  assert.match(await chips.locator(".met").first().textContent(), /^latency p99 < 5000ms· met [\d.,]+ ms$/);
  await openTab(page, "checks");
  const row = page.locator("tr", { hasText: "failures < 0.5%" });
  await row.getByRole("button", { name: /show the plots about then/ }).click();
  await isShown(page, "overview");
  const words = new URL(page.url()).searchParams;
  assert.ok(Number(words.get("from")) <= missed.first_missed_s && Number(words.get("to")) > missed.first_missed_s);
  await page.getByRole("button", { name: "Whole run" }).click();
  await page.waitForSelector('#run[data-window="whole"][aria-busy="false"]');
}

/** The names of a run in many copies, so that there is something to page and to search. */
async function withManyNames(route) {
  const answer = await route.fetch();
  const body = await answer.json();
  const [first] = body.names;
  const more = Array.from({ length: MANY }, (_, at) => ({
    ...first,
    name: at === 7 ? LONG : `item ${at}`,
    sent: 10_000 + at,
    latency: { ...first.latency, p50_us: 90 + at * at * 3.7 },
  }));
  await route.fulfill({ response: answer, json: { ...body, names: [...body.names, ...more] } });
}

/** Plots of chosen names stand above the table, which has a fixed head, order, search and pages. */
export async function namesAreFound(seen, page) {
  await page.route("**/names*", withManyNames);
  await openTab(page, "overview");
  await openTab(page, "transactions");
  const table = page.locator('.scroll[aria-label="Requests, transactions and tags"]');
  const rows = table.locator("tbody tr");
  await page.getByText(/^1 – 50 of 1\d\d$/).waitFor();
  assert.equal(await rows.count(), 50);
  assert.equal(await rows.first().getByRole("rowheader").textContent(), `item ${MANY - 1}`, "most sent first");
  await page.getByRole("button", { name: "Next", exact: true }).click();
  await page.getByText(/^51 – 100 of 1\d\d$/).waitFor();
  await table.getByRole("button", { name: "name", exact: true }).click();
  await page.getByText(/^1 – 50 of 1\d\d$/).waitFor();
  const search = page.getByLabel("Filter by name");
  await search.fill("and its end");
  assert.equal(await rows.count(), 1);
  const name = rows.first().locator("th span");
  assert.equal(await name.getAttribute("title"), LONG);
  assert.match(await name.textContent(), /^checkout with .+….+ and its end$/);
  await search.fill("item");
  // the head stays while rows scroll
  const head = table.locator("thead th").nth(1);
  const before = (await head.boundingBox()).y;
  await table.evaluate((node) => node.scrollTo(0, 300));
  assert.ok((await table.evaluate((node) => node.scrollTop)) > 200, "the table scrolls");
  assert.ok(Math.abs((await head.boundingBox()).y - before) < 2, "its head does not");
  await search.fill("");
  await rows.first().getByRole("checkbox").check();
  await page.locator('[data-plot="picked-latency"] canvas').waitFor();
  const plot = await page.locator('[data-plot="picked-latency"]').boundingBox();
  assert.ok(plot.y + plot.height <= (await table.boundingBox()).y, "plots stand above the table");
  await numbersAlign(table);
  await seen.shoot(page, "run-names");
  await rows.first().getByRole("checkbox").uncheck();
  await openTab(page, "distribution");
  await seen.fits(page, "run-distribution of many names");
  await page.unroute("**/names*");
  await page.reload();
  await isShown(page, "distribution");
}

/** Every column of numbers has one unit and the same decimals. */
async function numbersAlign(table) {
  const cells = await table
    .locator("tbody tr")
    .evaluateAll((all) =>
      all.map((row) => [...row.children].filter((cell) => cell.matches(".num")).map((cell) => cell.textContent)),
    );
  const kinds = cells[0].map((_, at) => {
    const texts = cells.map((row) => row[at]).filter((text) => text !== "–" && !text.startsWith("<"));
    return new Set(texts.map((text) => text.replace(/^[\d,]+/, "0").replace(/\.\d+/, (part) => `.${part.length - 1}`)));
  });
  const mixed = kinds.filter((kind) => kind.size > 1).map((kind) => [...kind].join(" and "));
  assert.deepEqual(mixed, [], "columns with several units or decimals");
}

/** Lines differ in their dashes as well as in their colours; the heat map is one hue that grows darker. */
export async function coloursCanBeTold(page) {
  await openTab(page, "overview");
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForSelector(`html[data-theme="${scheme}"]`);
    const found = await page.evaluate(() => {
      const plots = [...document.querySelectorAll("[data-plot]")].map((plot) => [
        plot.dataset.plot,
        [...plot.querySelectorAll(".legend button .swatch path")].map(
          (path) => `${path.getAttribute("stroke")} ${path.getAttribute("stroke-dasharray")}`,
        ),
      ]);
      const style = getComputedStyle(document.documentElement);
      const heat = [0, 1, 2, 3, 4, 5].map((at) => style.getPropertyValue(`--heat-${at}`).trim());
      return { plots, heat };
    });
    for (const [plot, lines] of found.plots) {
      const dashes = lines.map((line) => line.split(" ").slice(1).join(" "));
      if (plot === "latency") assert.equal(new Set(dashes).size, dashes.length, `${plot}: ${lines}`);
      assert.equal(new Set(lines).size, lines.length, `${plot}: ${lines}`);
    }
    const shades = found.heat.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    const light = shades.map(([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b);
    const isRising = light.every(
      (value, at) => !at || (scheme === "light" ? value < light[at - 1] : value > light[at - 1]),
    );
    assert.ok(isRising, `the heat map in ${scheme}: ${light}`);
    assert.ok(
      shades.every(([r, g, b]) => b >= g && g >= r),
      `one hue: ${found.heat}`,
    );
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Labels of phases do not lie over each other, however narrow the plot. */
export async function labelsHaveRoom(page) {
  const source = await page.locator("script[type=module]").getAttribute("src");
  const placed = await page.evaluate(
    async (folder) => {
      const { placeLabels } = await import(`${folder}/paint.js`);
      const ctx = document.createElement("canvas").getContext("2d");
      ctx.font = "10px sans-serif";
      const markers = Array.from({ length: 30 }, (_, at) => ({
        x: (at * at) % 290,
        label: `phase ${at}: 10 to 500/s`,
      }));
      markers.sort((a, b) => a.x - b.x);
      return placeLabels(ctx, markers, 0, 300, 6).map((one) => ({ ...one, width: ctx.measureText(one.text).width }));
    },
    source.slice(0, source.lastIndexOf("/")),
  );
  assert.ok(placed.length >= 2, "some labels are shown");
  for (const one of placed) {
    assert.ok(one.x + one.width <= 300, `${one.text} leaves the plot`);
    for (const other of placed.filter((two) => two !== one && two.row === one.row && two.x >= one.x))
      assert.ok(one.x + one.width < other.x, `${one.text} lies over ${other.text}`);
  }
}

/** Run time and local time stand side by side, in a zone that holds on every page. */
export async function timesHaveAZone(seen, base, id) {
  const page = await seen.visitor({ timezoneId: "Asia/Tokyo" });
  const started = (await (await page.request.get(`${base}/api/v1/runs/${id}`)).json()).card.started_us / 1000;
  const clockAt = (hours, seconds) => new Date(started + hours * 3.6e6 + seconds * 1000).toISOString().slice(11, 19);
  await page.goto(`${base}/report/${id}`);
  await isShown(page, "overview");
  assert.match(await page.locator("#facts").textContent(), /UTC\+9/);
  const plot = page.locator('[data-plot="throughput"]');
  await plot.locator(".canvas").focus();
  await page.keyboard.press("Home");
  assert.equal(await plot.locator(".pointed").textContent(), `0:00 · ${clockAt(9, 0)} UTC+9`);
  await plot.locator("details").evaluate((node) => {
    node.open = true;
  });
  const heads = plot.locator("thead th");
  await heads.nth(1).filter({ hasText: "UTC+9" }).waitFor();
  assert.equal(await plot.locator("tbody tr").first().locator("td").nth(1).textContent(), clockAt(9, 0));
  await page.getByRole("button", { name: "UTC+9: show times in UTC" }).click();
  await page.waitForSelector("#zone:text-is('UTC')");
  await isShown(page, "overview");
  await plot.locator(".canvas").focus();
  await page.keyboard.press("Home");
  assert.equal(await plot.locator(".pointed").textContent(), `0:00 · ${clockAt(0, 0)} UTC`);
  await page.goto(`${base}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  assert.equal(await page.locator("#zone").textContent(), "UTC");
  const day = new Date(started).toISOString().slice(11, 16);
  await page.locator(".run .under", { hasText: day }).first().waitFor();
  await page.close();
}
