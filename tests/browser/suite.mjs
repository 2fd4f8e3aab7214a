// All that a user does with the stats server's pages, in one browser, with runs of the real program.
// Environment: BASE (the server), MISTRESS (the program), DATA (where it keeps runs), OUT (a folder for what a failed step shows), SHOTS (a folder for pictures of every page; none without), WORK (a scratch folder).

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  accountOfTheMachine,
  admin,
  anAdmin,
  guest,
  manager,
  quickstart,
  sharedLink,
  signIn,
  webhooks,
} from "./access.mjs";
import { Watched, refused } from "./browser.mjs";
import { shows } from "./figures.mjs";
import {
  TABS,
  closeTables,
  drag,
  isShown,
  isZoomed,
  openTab,
  openTables,
  tableTimes,
  tiles,
  watchPlotsMove,
  watchTilesMove,
  windowOf,
} from "./runpage.mjs";
import { coloursCanBeTold, labelsHaveRoom, limitsAreSeen, namesAreFound, timesHaveAZone } from "./readability.mjs";
import { errorsHavePages, manyProjects, sortsAndFilters } from "./listing.mjs";
import { exportsWork } from "./exports.mjs";
import { annotates } from "./annotations.mjs";
import { choosesRequests } from "./of.mjs";
import { startRun } from "./runs.mjs";

const { BASE, DATA, OUT, SHOTS, WORK } = process.env;
/** Acceptance: the first paint of a run's page, compressed, in all. */
const FIRST_PAINT_BYTES_MAX = 150_000;
const state = {};
let seen;

async function emptyList() {
  const page = await seen.visitor();
  await page.goto(`${BASE}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  await page.getByText("No runs yet").waitFor();
  await page.close();
}

/** Waits until the server has heard of the run: its link is printed when it starts. */
async function isKnown(page, id) {
  const given = Date.now() + 5000;
  while (!(await page.request.get(`${BASE}/api/v1/runs/${id}`)).ok()) {
    assert.ok(Date.now() < given, "the server does not hear of the run");
    await page.waitForTimeout(50);
  }
}

async function liveRun() {
  const run = startRun(WORK, BASE, { name: "first", rate: 60, lasts: 12 });
  state.first = run;
  const link = await run.link;
  assert.match(link, /\/r\/[\w-]+$/);
  state.id = link.split("/").at(-1);
  const page = await seen.visitor();
  state.page = page;
  await isKnown(page, state.id);
  await page.goto(`${BASE}/r/${state.id}`);
  await isShown(page, "overview");
  await page.locator(".badge.live").waitFor();
  await page.getByText("OPEN MODEL").waitFor();
  await watchPlotsMove(page);
  await watchTilesMove(page, 4);
  await closeTables(page);
  await seen.shoot(page, "live");
  await page.locator(".badge.live").waitFor({ timeout: 2_000 });
}

async function theEndStays() {
  state.result = await state.first.ended;
  const { page } = state;
  await page.locator(".badge.live").waitFor({ state: "detached", timeout: 20_000 });
  await page
    .locator(".badge", { hasText: `generator ${state.result.verdict.state}` })
    .first()
    .waitFor();
  // how the run came out is another thing than what the generator did
  const missed = state.result.thresholds.some((one) => !one.met);
  await page.locator(`.badge[data-result="${missed ? "missed" : "passed"}"]`).waitFor();
  await page.waitForSelector('#run[aria-busy="false"]');
  await page.waitForFunction(
    (sent) => document.querySelector('[data-tile="sent"] .value').textContent.replaceAll(",", "") === sent,
    String(state.result.totals.sent),
  );
}

async function totalsAreTheResults() {
  const { result, page } = state;
  const shown = await tiles(page);
  shows(shown.sent.value, result.totals.sent, "requests");
  shows(shown.failed.value, result.totals.failed, "failed");
  shows(shown.planned.value, result.totals.planned, "planned");
  shows(shown.users.value, result.totals.users_max, "users");
  shows(shown.bytes_in.value, result.totals.bytes_in, "bytes");
  for (const [tile, key] of [
    ["p50", "p50_us"],
    ["p90", "p90_us"],
    ["p99", "p99_us"],
    ["max", "max_us"],
  ]) {
    shows(shown[tile].value, result.latency[key], key);
  }
  shows(shown.p50.sub.replace("mean ", ""), result.latency.mean_us, "mean");
  shows(shown.p99.sub.replace("p99.9 ", ""), result.latency.p999_us, "p99.9");
}

async function zoomIsSharedAndExact() {
  const { page, result } = state;
  await openTables(page);
  await drag(page, "throughput", 0.3, 0.6);
  await page.waitForFunction(() => new URL(location.href).searchParams.has("from"));
  const window = windowOf(page);
  assert.ok(window[1] - window[0] >= 3 && window[1] - window[0] <= 9, `a window of a third: ${window}`);
  await isZoomed(page, window);
  for (const [plot, times] of Object.entries(await tableTimes(page))) {
    assert.ok(times.length > 0, `${plot} shows something`);
    assert.ok(
      times.every((time) => time >= window[0] && time <= window[1]),
      `${plot} did not follow: ${times}`,
    );
  }
  const rows = result.series.filter((row) => row.time_s >= window[0] && row.time_s < window[1]);
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const shown = await tiles(page);
  for (const key of ["sent", "failed", "planned", "bytes_in"])
    shows(shown[key].value, sum(key), `${key} of the window`);
  await oneSecond(page, rows[1]);
  await page.fill("#from", "0:00");
  await page.fill("#to", "0:05");
  await page.press("#to", "Enter");
  await isZoomed(page, [0, 5]);
  // back undoes a zoom, forward does it again
  await page.goBack();
  await isZoomed(page, [rows[1].time_s, rows[1].time_s + 1]);
  await page.goForward();
  await isZoomed(page, [0, 5]);
}

/** A window of one second must have the percentiles that the run itself had in it. */
async function oneSecond(page, row) {
  await page.fill("#from", String(row.time_s));
  await page.fill("#to", String(row.time_s + 1));
  await page.press("#to", "Enter");
  await isZoomed(page, [row.time_s, row.time_s + 1]);
  const shown = await tiles(page);
  for (const key of ["p50", "p99", "max"]) shows(shown[key].value, row.latency[`${key}_us`], `${key} of one second`);
}

async function reloadKeepsTheView() {
  const { page } = state;
  await openTab(page, "transactions");
  await page.getByLabel("Show look over time").check();
  await page.locator('[data-plot="picked-latency"] canvas').waitFor();
  const address = page.url();
  const before = await tiles(page);
  await page.reload();
  await isShown(page, "transactions");
  await isZoomed(page, [0, 5]);
  assert.equal(page.url(), address);
  assert.deepEqual(await tiles(page), before);
  assert.equal(await page.inputValue("#to"), "0:05");
  assert.ok(await page.getByLabel("Show look over time").isChecked());
  await page.locator('[data-plot="picked-latency"] canvas').waitFor();
}

async function keyboard() {
  const { page } = state;
  await page.focus("#tab-transactions");
  await page.keyboard.press("Home");
  await isShown(page, "overview");
  const plot = page.locator('[data-plot="latency"] .canvas');
  await plot.focus();
  await page.keyboard.press("0");
  await page.waitForFunction(() => !new URL(location.href).searchParams.has("from"));
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("+");
  await page.waitForFunction(() => new URL(location.href).searchParams.has("from"));
  await page.getByRole("button", { name: "Whole run" }).click();
  await page.waitForFunction(() => !new URL(location.href).searchParams.has("from"));
}

/** The rows of tags, alone and with the figures of the result. */
async function tagsHaveRows(page, names) {
  const tag = names.find((one) => one.kind === "tag");
  assert.equal(tag.name, "kind:api");
  await page.getByLabel("Kind of names").selectOption("tag");
  const rows = page.locator("#names-title").locator("xpath=ancestor::section").locator("tbody tr");
  assert.equal(await rows.count(), 1);
  const cells = await rows.first().locator("th, td").allTextContents();
  for (const text of [tag.name, tag.sent.toLocaleString("en-US")])
    assert.ok(cells.includes(text), `${text} in ${cells}`);
  await page.getByLabel("Kind of names").selectOption("");
}

async function everyTab() {
  state.others = shortRuns();
  state.others.catch(() => {});
  const { page } = state;
  for (const tab of TABS) {
    await openTab(page, tab);
    await seen.shoot(page, `run-${tab}`);
  }
  await openTab(page, "transactions");
  assert.ok(await page.getByRole("rowheader", { name: "home <b>page</b>" }).isVisible(), "names are shown as text");
  const { names } = state.result;
  const look = names.find((one) => one.name === "look");
  const cells = await page
    .getByRole("row", { name: /^look / })
    .or(page.locator("tr", { has: page.getByRole("rowheader", { name: "look", exact: true }) }))
    .first()
    .locator("td")
    .allTextContents();
  assert.ok(
    cells.some((text) => text === look.sent.toLocaleString("en-US")),
    `${look.sent} in ${cells}`,
  );
  await tagsHaveRows(page, names);
  await openTab(page, "files");
  await page
    .getByText("user:transaction")
    .first()
    .waitFor()
    .catch(() => {});
  const code = await page.locator("pre.code").allTextContents();
  assert.ok(
    code.some((text) => text.includes('user:transaction("basket"')),
    "the script as it ran",
  );
}

/** Every time that is measured can be looked at. */
async function everyTime() {
  const { page } = state;
  await openTab(page, "distribution");
  const picker = page.getByLabel("Time", { exact: true });
  const times = await picker.locator("option").evaluateAll((options) => options.map((one) => one.value));
  assert.deepEqual(times, [
    "latency",
    "service_time",
    "lag",
    "queue",
    "dns",
    "connect",
    "tls",
    "send",
    "first_byte",
    "receive",
  ]);
  for (const time of times) {
    const coming = page.waitForResponse(
      (answer) => answer.url().includes("/distribution?") && answer.url().includes(`phase=${time}`),
    );
    if (time === times[0]) await picker.selectOption("lag");
    await picker.selectOption(time);
    assert.equal((await coming).status(), 200, time);
  }
}

/** Latencies are of the requests that are chosen. */
async function everyKind() {
  await choosesRequests(state.page, state.result);
  await seen.shoot(state.page, "run-overview-chosen");
  await annotates(seen, state.page);
}

async function firstPaint() {
  const page = await seen.visitor();
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", (event) => {
    bytes += event.encodedDataLength;
  });
  await page.goto(`${BASE}/report/${state.id}`);
  await isShown(page, "overview");
  console.log(`first paint: ${bytes} bytes`);
  assert.ok(bytes > 10_000 && bytes < FIRST_PAINT_BYTES_MAX, `${bytes} bytes`);
  await page.close();
}

async function hasRuns(page, many) {
  await page.waitForFunction((wanted) => document.querySelectorAll(".run").length === wanted, many);
}

/** Two short runs, one after the other, while other pages are looked at. */
async function shortRuns() {
  for (const rate of [90, 80]) await startRun(WORK, BASE, { name: "second", rate, lasts: 2, passes: true }).ended;
}

async function history() {
  await state.others;
  const { page } = state;
  await page.goto(`${BASE}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  assert.equal(await page.locator(".run").count(), 3);
  await page.getByRole("button", { name: "Comment and tags: first" }).click();
  await page.getByLabel("Comment", { exact: true }).fill("before the change <script>alert(1)</script>");
  await page.getByLabel("Tags, separated by commas").fill("nightly, two words");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".run .comment", { hasText: "before the change <script>" }).waitFor();
  await page.getByRole("button", { name: "Pin: first" }).click();
  await page.locator(".run.pinned").waitFor();
  await seen.shoot(page, "list");
  await page.fill("#q", "seco");
  await hasRuns(page, 2);
  await page.fill("#q", "");
  await hasRuns(page, 3);
  await page.reload();
  await page.locator(".run .comment", { hasText: "before the change" }).waitFor();
  await page.locator(".tag", { hasText: "nightly" }).click();
  await hasRuns(page, 1);
  await page.goto(`${BASE}/report/list?project=second`);
  await page.locator("summary", { hasText: "Trend" }).click();
  await page.locator('[data-plot="trend-latency"] canvas').waitFor();
  await seen.shoot(page, "project");
}

async function compare() {
  const { page } = state;
  await page.goto(`${BASE}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  for (const name of ["first", "second"])
    await page
      .getByRole("checkbox", { name: new RegExp(`^Compare ${name} `) })
      .first()
      .check();
  await page.getByRole("link", { name: "Compare" }).click();
  await page.waitForSelector('#compare[data-ready="true"]');
  await page
    .getByText(/(beyond|within) noise/)
    .first()
    .waitFor();
  await page.locator('[data-plot="spectrum"] canvas').waitFor();
  await page.locator(".diff .del").first().waitFor();
  const byName = page.getByRole("region", { name: "Differences by name" });
  await byName.getByRole("rowheader", { name: "look" }).waitFor();
  const changes = await byName.locator("tbody tr td:last-child").allTextContents();
  const sizes = changes.map((text) => Math.abs(Number.parseFloat(text.replaceAll(",", "")) || 0));
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => b - a),
    "the largest change comes first",
  );
  await page.getByLabel("Figure compared by name").selectOption("rate");
  await byName.getByRole("button", { name: "B done per second" }).waitFor();
  await seen.shoot(page, "compare");
}

async function exported() {
  const { page } = state;
  await page.goto(`${BASE}/report/${state.id}`);
  await isShown(page, "overview");
  state.files = await exportsWork(page, WORK, state.result);
}

async function savedFile() {
  const { html } = state.files;
  const other = await seen.visitor();
  await other.goto(`file://${html}`);
  await isShown(other, "overview");
  const shown = await tiles(other);
  shows(shown.sent.value, state.result.totals.sent, "requests in the saved file");
  await openTables(other);
  const times = await tableTimes(other);
  assert.ok(times.latency.length > 5, "its plots hold the run");
  for (const tab of TABS) await openTab(other, tab);
  await openTab(other, "overview");
  await closeTables(other);
  await seen.shoot(other, "saved");
  await other.close();
}

async function themeSwitch() {
  // of its own visitor: what is chosen here outweighs what the browser prefers
  const page = await seen.visitor();
  await page.goto(`${BASE}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  await page.getByRole("button", { name: "Use the dark theme" }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.getByRole("button", { name: "Use the light theme" }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light");
  await page.close();
}

async function deleteRun() {
  const { page } = state;
  await page.goto(`${BASE}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  const button = page.getByRole("button", { name: "Delete: second" }).first();
  await button.click();
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await page.locator(".run").count(), 3);
  await button.click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await hasRuns(page, 2);
}

/** A run whose file is damaged has a page that says so. */
async function damagedRun() {
  const { page } = state;
  const { runs } = await (await page.request.get(`${BASE}/api/v1/runs?project=second`)).json();
  writeFileSync(join(DATA, "runs", `${runs[0].id}.sqlite`), Buffer.alloc(40_000, 0xa5));
  await refused(seen, [500], async () => {
    await page.goto(`${BASE}/report/${runs[0].id}`);
    await page.getByRole("heading", { name: "This run cannot be shown" }).waitFor();
    await seen.shoot(page, "run-damaged");
  });
}

async function limits() {
  await limitsAreSeen(state.page, state.result);
}

async function names() {
  await namesAreFound(seen, state.page);
}

async function colours() {
  await coloursCanBeTold(state.page);
}

async function labels() {
  await labelsHaveRoom(state.page);
}

async function zones() {
  await timesHaveAZone(seen, BASE, state.id);
}

async function listing() {
  await sortsAndFilters(seen, BASE);
}

async function projects() {
  await manyProjects(seen, BASE);
}

async function errors() {
  await errorsHavePages(seen, BASE);
}

/** Steps of `access.mjs`, with what they need to know. */
function access(step) {
  return Object.defineProperty(() => step(seen, state, { BASE, DATA, WORK }), "name", { value: step.name });
}

const STEPS = [
  emptyList,
  liveRun,
  theEndStays,
  totalsAreTheResults,
  zoomIsSharedAndExact,
  reloadKeepsTheView,
  keyboard,
  everyTab,
  everyTime,
  everyKind,
  limits,
  names,
  colours,
  labels,
  firstPaint,
  zones,
  history,
  listing,
  projects,
  errors,
  compare,
  exported,
  savedFile,
  themeSwitch,
  deleteRun,
  damagedRun,
  ...[accountOfTheMachine, anAdmin, signIn, admin, webhooks, manager, guest, quickstart, sharedLink].map(access),
];
/** Without what these leave behind, the steps after them have nothing to do. */
const NEEDED = ["liveRun", "theEndStays", "anAdmin", "signIn"];

async function main() {
  seen = await Watched.start(BASE, SHOTS);
  const only = (process.env.ONLY ?? "").split(",").filter(Boolean);
  let failed = 0;
  for (const step of STEPS.filter((one) => !only.length || only.includes(one.name))) {
    const began = Date.now();
    try {
      await step();
      console.log(`ok ${step.name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${step.name}: ${error.stack}`);
      await state.page?.screenshot({ path: join(OUT, `failed-${step.name}.png`), fullPage: true }).catch(() => {});
      if (NEEDED.includes(step.name)) break;
    }
  }
  state.first?.kill();
  await seen.stop();
  for (const problem of seen.problems) console.log(`PROBLEM ${problem}`);
  process.exitCode = failed || seen.problems.length ? 1 : 0;
}

main();
