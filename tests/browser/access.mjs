// Who may do what, as each of them finds it in the pages: nobody, admin, manager, guest, whoever has a link.

import assert from "node:assert/strict";
import { join } from "node:path";
import { refused } from "./browser.mjs";
import { isShown, openTab, TABS } from "./runpage.mjs";
import { addAdmin, startProfile } from "./runs.mjs";

const QUICKSTART = new URL("../../scenarios/quickstart.toml", import.meta.url).pathname;
const PASSWORDS = { ann: "correct horse battery", mia: "staple of managers", gus: "only looks around" };

async function enter(page, name, password = PASSWORDS[name]) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** A browser of one account, at the list of runs. */
async function browserOf(seen, base, name) {
  const page = await seen.visitor();
  await page.goto(`${base}/report/list`);
  await page.waitForURL(/\/sign-in/);
  await enter(page, name);
  await page.waitForSelector('#list[data-ready="true"]');
  assert.equal(await page.locator(".who .name").textContent(), name);
  return page;
}

/** What the server answers when the page itself asks for something. */
async function asks(page, method, path, body) {
  return page.evaluate(
    async ([verb, address, text]) => {
      const headers = text ? { "content-type": "application/json" } : {};
      return (await fetch(address, { method: verb, headers, body: text })).status;
    },
    [method, path, body === undefined ? undefined : JSON.stringify(body)],
  );
}

/** Before there is an admin, whoever uses the machine is one. */
export async function accountOfTheMachine(seen, state, { BASE }) {
  const { page } = state;
  await page.goto(`${BASE}/account`);
  await seen.shoot(page, "account-open");
  await page.goto(`${BASE}/admin`);
  await page.getByText("No admin exists yet").waitFor();
  await seen.shoot(page, "admin-open");
}

/** The first admin, and from then on everybody has to sign in. */
export async function anAdmin(seen, state, { BASE, DATA }) {
  addAdmin(DATA, "ann", PASSWORDS.ann);
  const { page } = state;
  await page.goto(`${BASE}/report/${state.id}`);
  await page.waitForURL(/\/sign-in/);
  await refused(seen, [401], async () => assert.equal(await asks(page, "GET", `/api/v1/runs/${state.id}`), 401));
  await seen.shoot(page, "sign-in");
}

export async function signIn(seen, state) {
  const { page } = state;
  await refused(seen, [401], async () => {
    await enter(page, "ann", "something else");
    await page.getByRole("alert").waitFor();
    await seen.shoot(page, "sign-in-wrong");
  });
  await enter(page, "ann");
  await isShown(page, "overview");
  assert.ok(page.url().endsWith(`/report/${state.id}`), `back where one wanted to go: ${page.url()}`);
}

async function addAccount(page, name, role, project) {
  await page.locator("#account-name").fill(name);
  await page.locator("#account-password").fill(PASSWORDS[name]);
  await page.locator("#account-role").selectOption(role);
  await page.locator("#account-project").fill(project);
  await page.getByRole("button", { name: "Add account" }).click();
  await page.getByRole("rowheader", { name, exact: true }).waitFor();
}

/** The admin adds accounts and a token; the quickstart is delivered with it. */
export async function admin(seen, state, { BASE, WORK }) {
  const { page } = state;
  await page.getByRole("link", { name: "Admin" }).click();
  await addAccount(page, "mia", "manager", "first");
  await addAccount(page, "gus", "guest", "first");
  await page.locator("#token-name").fill("load node of the lab");
  await page.getByRole("button", { name: "Create token" }).click();
  const token = await page.locator("#token").textContent();
  const run = startProfile(QUICKSTART, BASE, join(WORK, "quickstart.json"), token);
  state.quickstart = (await run.link).split("/").at(-1);
  state.quickstartEnded = run.ended;
  await page.locator("summary", { hasText: "Change ann" }).click();
  await seen.shoot(page, "admin");
}

/** The admin adds a webhook, sees what became of a test, and is asked before it is removed. */
export async function webhooks(seen, state, { BASE }) {
  const { page } = state;
  await page.goto(`${BASE}/projects/first/webhooks`);
  await page.getByLabel("Address").fill("https://hooks.invalid/a/path/of/a/webhook/that/is/longer/than/a/small/screen");
  await page.getByRole("button", { name: "Add webhook" }).click();
  await page.locator("#secret").waitFor();
  await page.getByRole("button", { name: /^Send a test to / }).click();
  await page.locator("#secret").waitFor({ state: "detached" });
  // it is sent beside the page
  const delivery = page.getByRole("cell", { name: "test", exact: true });
  const given = Date.now() + 5000;
  while (!(await delivery.isVisible()) && Date.now() < given) await page.reload();
  await delivery.waitFor({ timeout: 100 });
  await seen.shoot(page, "webhooks");
  await page.getByRole("button", { name: /^Remove the webhook to / }).click();
  await page.getByRole("dialog").getByText("gets no further messages").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByText("No webhooks yet").waitFor();
}

/** The first run that anybody makes, when it has ended. */
export async function quickstart(seen, state, { BASE }) {
  const { page } = state;
  await state.quickstartEnded;
  await page.goto(`${BASE}/report/${state.quickstart}`);
  await isShown(page, "overview");
  await seen.shoot(page, "quickstart-overview");
  await openTab(page, "distribution");
  await seen.shoot(page, "quickstart-distribution");
}

/** The manager of one project comments and pins there; deletes nothing, sees no other project. */
export async function manager(seen, state, { BASE }) {
  const page = await browserOf(seen, BASE, "mia");
  assert.equal(await page.locator(".run").count(), 1, "runs of other projects are not shown");
  assert.equal(await page.getByRole("button", { name: /^Delete: / }).count(), 0);
  assert.equal(await page.getByRole("link", { name: "Admin" }).count(), 0);
  await page.getByRole("button", { name: "Comment and tags: first" }).click();
  await page.getByLabel("Comment", { exact: true }).fill("a manager was here");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".run .comment", { hasText: "a manager was here" }).waitFor();
  await refused(seen, [403, 404], async () => {
    assert.equal(await asks(page, "DELETE", `/api/v1/runs/${state.id}`), 403);
    assert.equal(await asks(page, "PATCH", `/api/v1/runs/${state.quickstart}`, { comment: "not mine" }), 404);
    await page.goto(`${BASE}/admin`);
    await page.getByRole("heading", { name: "Access denied" }).waitFor();
    await seen.shoot(page, "refused");
    const answer = await page.goto(`${BASE}/report/${state.quickstart}`);
    assert.equal(answer.status(), 404);
    await seen.shoot(page, "absent");
  });
  await page.close();
}

/** The guest of one project sees it, takes its files, and changes nothing. */
export async function guest(seen, state, { BASE }) {
  const page = await browserOf(seen, BASE, "gus");
  assert.equal(await page.locator(".run").count(), 1);
  assert.equal(await page.locator(".run .acts button").count(), 0, "nothing to change with");
  await seen.shoot(page, "list-guest");
  await page.locator(".run .name").click();
  await isShown(page, "overview");
  for (const tab of TABS) await openTab(page, tab);
  assert.equal(await page.getByRole("button", { name: "Comment" }).count(), 0);
  await refused(seen, [403], async () => {
    const run = `/api/v1/runs/${state.id}`;
    assert.equal(await asks(page, "PATCH", run, { comment: "gus was here" }), 403);
    assert.equal(await asks(page, "POST", `${run}/links`, { hours: 1 }), 403);
    assert.equal(await asks(page, "DELETE", run), 403);
  });
  assert.equal(await asks(page, "GET", `/api/v1/runs/${state.id}/export/csv`), 200);
  await (await browserOf(seen, BASE, "gus")).close();
  await page.goto(`${BASE}/account`);
  await page.getByRole("button", { name: /^Sign out the browser of / }).waitFor();
  await seen.shoot(page, "account");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.goto(`${BASE}/report/list`);
  await page.waitForURL(/\/sign-in/);
  await page.close();
}

/** Whoever has a link sees that run and nothing else, until it is revoked. */
export async function sharedLink(seen, state, { BASE }) {
  const { page } = state;
  await page.goto(`${BASE}/report/${state.id}`);
  await isShown(page, "overview");
  await page.locator("summary", { hasText: "More" }).click();
  await page.getByRole("button", { name: "Share by a link" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  const address = await page.locator("#share-link").inputValue();
  await seen.shoot(page, "share-link");
  await page.getByRole("button", { name: "Done", exact: true }).click();
  const other = await seen.visitor();
  await other.goto(address);
  await isShown(other, "overview");
  assert.equal(await other.getByRole("button", { name: "Comment" }).count(), 0);
  await refused(seen, [401, 403, 404], async () => {
    assert.ok([401, 404].includes(await asks(other, "GET", `/api/v1/runs/${state.quickstart}`)), "no other run");
    await page.goto(`${BASE}/admin`);
    // asked first, and the keyboard can say no and yes
    const revoke = page.getByRole("button", { name: /^Revoke the link to / });
    await revoke.click();
    await page.getByRole("dialog").getByText("sees the run no more").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await asks(other, "GET", `/api/v1/runs/${state.id}`), 200, "nothing happens without a yes");
    await revoke.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("No active links").waitFor();
    assert.ok(
      [401, 404].includes(await asks(other, "GET", `/api/v1/runs/${state.id}`)),
      "a revoked link opens nothing",
    );
  });
  await other.close();
}
