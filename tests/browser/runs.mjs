// Runs of the real program that report to the server under test.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

function profile({ name, rate, lasts }) {
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

[[threshold]]
metric = "latency"
stat = "p99"
is = "< 5s"
`;
}

/** Starts a run of the shop; `link` comes with the address of its page, `ended` with its result. */
export function startRun(work, server, options) {
  const folder = join(work, options.name.replaceAll(/\W/g, "-"));
  mkdirSync(folder, { recursive: true });
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
      code === 0
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
