// The chooser of the requests that latencies are of, on the page of a run.

import assert from "node:assert/strict";
import { shows } from "./figures.mjs";
import { isShown, openTab, tiles } from "./runpage.mjs";

const KINDS = { ok: "latency", failed: "latency_failed", all: "latency_all" };

/** Waits until all is of these requests. */
async function isOf(page, kind) {
  await page.waitForSelector(`#run[data-of="${kind}"][aria-busy="false"]`, { timeout: 10_000 });
}

/** Every choice shows the percentiles that the result has of it, in tiles and names, and stays over a reload. */
export async function choosesRequests(page, result) {
  assert.ok(result.totals.failed > 0, "the run must have failures");
  await openTab(page, "transactions");
  for (const [kind, key] of [...Object.entries(KINDS), ["ok", "latency"]]) {
    await page.getByLabel("Latency of", { exact: true }).selectOption(kind);
    await isOf(page, kind);
    assert.equal(new URL(page.url()).searchParams.get("of"), kind === "ok" ? null : kind);
    const shown = await tiles(page);
    for (const [tile, figure] of [
      ["p50", "p50_us"],
      ["p99", "p99_us"],
      ["max", "max_us"],
    ])
      shows(shown[tile].value, result[key][figure], `${figure} of ${kind}`);
  }
  await page.getByLabel("Latency of", { exact: true }).selectOption("failed");
  await isOf(page, "failed");
  await page.reload();
  await isShown(page, "transactions");
  await isOf(page, "failed");
  assert.equal(await page.getByLabel("Latency of", { exact: true }).inputValue(), "failed");
  await openTab(page, "overview");
  await page.locator('[data-plot="latency"] .note', { hasText: "of failed requests" }).waitFor();
  await page.getByLabel("Latency of", { exact: true }).selectOption("ok");
  await isOf(page, "ok");
  await page.locator('[data-plot="latency"] .legend', { hasText: "failed p99" }).waitFor();
}
