// The files a run can be had as, taken by the links of its page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What must be in the file of each format. */
const CHECKS = {
  html: (text) => assert.match(text, /^<!doctype html>[\s\S]*saved-data/i),
  json: (text, result) => {
    const kept = JSON.parse(text);
    // what people said of it is no part of what it measured
    const measured = Object.keys(kept).filter((key) => !["comment", "annotations"].includes(key));
    assert.deepEqual(measured.sort(), Object.keys(result).sort(), "the keys of the result");
    assert.equal(kept.totals.sent, result.totals.sent, "the requests of the run");
    assert.deepEqual(kept.latency, result.latency, "the latency of the run");
  },
  csv: (text, result) => {
    const rows = text.trim().split(/\r?\n/);
    assert.match(rows[0], /^time_s,seconds,users_min,/);
    assert.ok(
      rows.length - 1 >= result.series.length - 1,
      `${rows.length - 1} rows for ${result.series.length} seconds`,
    );
  },
  hlog: (text) => {
    assert.match(text, /^#\[[\s\S]*StartTimestamp/);
    assert.match(text, /\nTag=failed,/);
  },
  junit: (text) => assert.match(text, /<testsuites?[\s\S]*timestamp="20[\s\S]*<testcase/),
};

/** Takes each file by its link; gives the paths they were kept at, by format. */
export async function exportsWork(page, work, result) {
  const kept = {};
  for (const [format, check] of Object.entries(CHECKS)) {
    await page.locator("summary", { hasText: "Export" }).click();
    const coming = page.waitForEvent("download");
    await page.locator(`.menu a[href$="/export/${format}"]`).click();
    const download = await coming;
    assert.match(download.suggestedFilename(), /\.\w+$/);
    kept[format] = join(work, `export.${format}`);
    await download.saveAs(kept[format]);
    check(readFileSync(kept[format], "utf8"), result);
    await page.keyboard.press("Escape");
    if (await page.locator(".menu[open]").count()) await page.locator("summary", { hasText: "Export" }).click();
  }
  return kept;
}
