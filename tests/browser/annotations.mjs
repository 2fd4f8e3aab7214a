// Annotations of a run, and the history of its comment, on its page.

import assert from "node:assert/strict";
import { openTab } from "./runpage.mjs";

/** Adds an annotation, finds it in the list and on a plot, changes and removes it; the comment keeps what it was. */
export async function annotates(seen, page) {
  await openTab(page, "events");
  await page.click("#annotate");
  await page.getByLabel("What happened").fill("deployed <b>7</b>");
  await page.getByLabel("At, as in 1:30").fill("0:01");
  await page.getByLabel("Until, for a span").fill("10:00");
  await page.getByRole("button", { name: "Save" }).click();
  const row = page.locator("#annotations tbody tr");
  await row.filter({ hasText: "deployed <b>7</b>" }).waitFor();
  assert.match(await row.textContent(), /0:01 – 10:00/);
  await seen.shoot(page, "run-annotations");
  await openTab(page, "overview");
  const over = page.locator('[data-plot="throughput"] .u-over');
  await over.hover();
  await page.waitForFunction(() =>
    document.querySelector('[data-plot="throughput"] .u-over').title.includes("note: deployed <b>7</b>"),
  );
  await openTab(page, "events");
  await page.getByRole("button", { name: "Edit the annotation" }).click();
  await page.getByLabel("Kind, one word").fill("deploy");
  await page.getByRole("button", { name: "Save" }).click();
  await row.filter({ hasText: "deploy" }).waitFor();
  await page.getByRole("button", { name: "Remove the annotation" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.locator("#annotations .empty").waitFor();
  for (const text of ["first", "second"]) {
    await page.getByRole("button", { name: "Comment", exact: true }).click();
    await page.getByLabel("Comment", { exact: true }).fill(text);
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("#comment", { hasText: text }).waitFor();
  }
  await page.locator("summary", { hasText: "More" }).click();
  await page.getByRole("button", { name: "History of the comment" }).click();
  await page.locator("#comments li").first().filter({ hasText: "second" }).waitFor();
  assert.match(await page.locator("#comments li").nth(1).textContent(), /first/);
  await seen.shoot(page, "run-comments");
  await page.getByRole("button", { name: "Done" }).click();
  await openTab(page, "overview");
}
