// Runs of the real program that report to the server under test.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SCRIPT = `-- Looks at the shop, and sometimes fails.
local shop = {}

function shop.browse(user)
  local home = user:get("/", { name = "home <b>page</b>" })
  user:check(home, { status = 200 })
  user:transaction("basket", function()
    user:post("/echo", { name = "add", json = { id = user.id }, tags = { kind = "api" } })
    user:get("/headers", { name = "look", tags = { kind = "api" } })
  end)
  if user:random(1, 10) == 1 then
    user:get("/status/503", { name = "broken" })
  end
end

return shop
`;

/** Thresholds: one for each plot that can show its limit; the run misses one, unless it shall pass. */
function thresholds(passes) {
  const rows = [
    ["latency", 'stat = "p99"', "< 5000ms"],
    ["latency", 'stat = "p95"\nname = "look"', "< 2s"],
    ["lag", 'stat = "p99"', "< 1s"],
    ["rate", "", "> 1/s"],
    ...(passes ? [] : [["failures", 'over = "2s"', "< 0.5%"]]),
  ];
  return rows.map(([metric, more, is]) => `[[threshold]]\nmetric = "${metric}"\n${more}\nis = "${is}"\n`).join("\n");
}

function profile({ name, rate, lasts, passes }) {
  return `# ${name}
[run]
name = "${name}"
script = "p.lua"
target = "builtin"
seed = 7
drain = "2s"

[[load]]
model = "open"
scenarios = { browse = 1 }
arrivals = "even"
phases = [
  { rate = ["5/s", "${rate}/s"], for = "3s" },
  { rate = "${rate}/s", for = "${lasts}s" },
]

${thresholds(passes)}`;
}

/** Starts a run of the shop; `link` comes with the address of its page, `ended` with its result. */
export function startRun(work, server, options) {
  const folder = mkdtempSync(join(work, "run-"));
  writeFileSync(join(folder, "p.toml"), profile(options));
  writeFileSync(join(folder, "p.lua"), SCRIPT);
  return startProfile(join(folder, "p.toml"), server, join(folder, "result.json"));
}

/** Starts a run of a profile, with a token if the server asks for one. */
export function startProfile(file, server, result, token) {
  const env = token ? { ...process.env, MISTRESS_TOKEN: token } : process.env;
  const child = spawn(process.env.MISTRESS, ["run", file, "--stats", server, "--json", result, "--quiet"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const link = new Promise((found, failed) => {
    const read = (data) => {
      said += data;
      const line = /live: (\S+)/.exec(said);
      if (line) found(line[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", () => failed(new Error(`the run said no link:\n${said}`)));
  });
  const ended = new Promise((done, failed) => {
    child.on("exit", (code) =>
      // 1: a threshold was missed
      code === 0 || code === 1
        ? done(JSON.parse(readFileSync(result, "utf8")))
        : failed(new Error(`the run ended with ${code}:\n${said}`)),
    );
  });
  // Whoever waits for one of them first hears of a failure; the other must not end the process.
  link.catch(() => {});
  ended.catch(() => {});
  return { link, ended, kill: () => child.kill("SIGKILL") };
}

/** Adds an admin to the store of a server that runs. */
export function addAdmin(data, name, password) {
  const done = spawnSync(process.env.MISTRESS, ["serve", "--add-admin", name, "--data", data], {
    input: `${password}\n`,
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`no admin was added: ${done.stdout}${done.stderr}`);
}
