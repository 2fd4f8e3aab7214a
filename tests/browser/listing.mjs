// The list of runs: order, filters, many projects; and what has no page.

import assert from "node:assert/strict";
import { refused } from "./browser.mjs";

const LONG = `a project ${"whose name does not end ".repeat(8)}here`;

/** The names of the runs listed, once the list shows this order. */
async function names(page) {
  return page.locator(".run .name").allTextContents();
}

/** Does something and waits for the list that it asks for. */
async function listed(page, action) {
  const coming = page.waitForResponse((answer) => answer.url().includes("/api/v1/runs?"));
  await action();
  const { runs } = await (await coming).json();
  await page.waitForFunction(
    (ids) => String([...document.querySelectorAll(".run")].map((run) => run.dataset.run)) === ids,
    String(runs.map((run) => run.id)),
  );
  return runs;
}

/** Runs are sorted and filtered by the server, and the address keeps how. */
export async function sortsAndFilters(seen, base) {
  const page = await seen.visitor();
  await page.goto(`${base}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  const choose = (label, value) => () => page.getByLabel(label, { exact: true }).selectOption(value);
  let runs = await listed(page, choose("Sorted by", "duration-desc"));
  assert.equal(runs[0].name, "first");
  const lasted = runs.map((run) => run.duration_s);
  assert.deepEqual(
    lasted,
    [...lasted].sort((a, b) => b - a),
  );
  runs = await listed(page, () => page.getByRole("button", { name: "p99", exact: true }).click());
  const p99 = runs.map((run) => run.latency.p99_us);
  assert.deepEqual(
    p99,
    [...p99].sort((a, b) => b - a),
  );
  assert.ok(page.url().includes("sort=p99-desc"));
  await listed(page, choose("Sorted by", ""));
  runs = await listed(page, choose("Result", "missed"));
  assert.deepEqual(await names(page), ["first"]);
  await page.locator(".run .state", { hasText: /1 of \d missed/ }).waitFor();
  await listed(page, choose("Result", ""));
  await page.getByText("More filters").click();
  await listed(page, () => page.getByLabel("Missed threshold").fill("FAILURES"));
  assert.deepEqual(await names(page), ["first"]);
  await page.reload();
  await page.waitForSelector('#list[data-ready="true"]');
  assert.equal(await page.getByLabel("Missed threshold").inputValue(), "FAILURES");
  assert.deepEqual(await names(page), ["first"]);
  await listed(page, () => page.getByLabel("Missed threshold").fill(""));
  await listed(page, choose("Lasted", "60-600"));
  assert.deepEqual(await names(page), []);
  await listed(page, choose("Lasted", ""));
  await listed(page, () => page.getByLabel("To", { exact: true }).fill("2020-01-31"));
  assert.deepEqual(await names(page), []);
  await seen.shoot(page, "list-filters");
  await page.close();
}

/** Fifty projects fit, and names without an end do. */
export async function manyProjects(seen, base) {
  const page = await seen.visitor();
  await page.route("**/api/v1/projects", async (route) => {
    const many = Array.from({ length: 50 }, (_, at) => ({
      name: at === 20 ? LONG : `project ${at}`,
      runs: at,
      baseline: null,
      retention: {},
    }));
    await route.fulfill({ json: { projects: many } });
  });
  await page.route("**/api/v1/runs?*", async (route) => {
    const answer = await route.fetch();
    const { runs } = await answer.json();
    if (runs.length) Object.assign(runs[0], { name: LONG.repeat(2), project: LONG, comment: LONG, tags: [LONG] });
    await route.fulfill({ response: answer, json: { runs } });
  });
  await page.goto(`${base}/report/list`);
  await page.waitForSelector('#list[data-ready="true"]');
  const project = page.getByRole("combobox", { name: "Project", exact: true });
  assert.equal(await project.locator("option").count(), 51);
  await seen.shoot(page, "list-many");
  await project.selectOption(LONG);
  await page.getByRole("heading", { name: LONG }).waitFor();
  const high = (await page.locator(".projects").boundingBox()).height;
  assert.ok(high < 90, `the projects take ${high} pixels`);
  await page.close();
}

/** What has no page is a page that says so; programs get JSON. */
export async function errorsHavePages(seen, base) {
  const page = await seen.visitor();
  await refused(seen, [404], async () => {
    for (const path of ["/nothing/here", "/report/not%20an%20id"]) {
      const answer = await page.goto(`${base}${path}`);
      assert.equal(answer.status(), 404, path);
      await page.getByRole("heading", { name: "Not found" }).waitFor();
      await page.getByRole("link", { name: "All runs" }).waitFor();
    }
    await seen.shoot(page, "not-found");
    const answer = await page.request.get(`${base}/api/v1/nothing`, { headers: { accept: "text/html" } });
    assert.equal(answer.headers()["content-type"], "application/json");
    assert.match((await answer.json()).error, /no such page/);
  });
  await page.close();
}
