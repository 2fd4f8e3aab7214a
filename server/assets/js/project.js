// A project: how its runs went over time, its baseline, how long runs are kept.

import { get, may, segment, send } from "./api.js";
import { CHOICES } from "./charts.js";
import { el, formDialog, refill, toast } from "./dom.js";
import { count, percent, us } from "./format.js";
import { FreePlot } from "./freeplot.js";
import { inZone } from "./zone.js";

const DAY_S = 86400;

/** The panel of the chosen project; `changed` is called when its settings are others. */
export function projectPanel(project, changed) {
  const trend = el("div", { class: "body" });
  const details = el(
    "details",
    { class: "more", on: { toggle: () => details.open && drawTrend(project, trend) } },
    el("summary", null, "Trend of its runs"),
    trend,
  );
  return el(
    "section",
    { class: "panel", "aria-label": `Project ${project.name}` },
    el(
      "div",
      { class: "head" },
      el("h2", null, project.name),
      el(
        "span",
        { class: "muted small grow" },
        `${count(project.runs)} runs · ${kept(project.retention)} · `,
        project.baseline ? el("a", { href: `/report/${segment(project.baseline)}` }, "baseline") : "no baseline",
      ),
      may("admin") || may("delete")
        ? el(
            "button",
            { class: "button small", type: "button", on: { click: () => editRetention(project, changed) } },
            "Retention",
          )
        : null,
    ),
    details,
  );
}

function kept(retention) {
  const parts = [];
  if (retention?.days) parts.push(`${count(retention.days)} days`);
  if (retention?.runs) parts.push(`the newest ${count(retention.runs)}`);
  return parts.length ? `kept: ${parts.join(", ")}` : "kept for ever";
}

function editRetention(project, changed) {
  formDialog(
    `How long runs of ${project.name} are kept`,
    [
      { name: "days", label: "Days (empty: for ever)", type: "number", min: 1, value: project.retention?.days ?? "" },
      {
        name: "runs",
        label: "How many of the newest (empty: all)",
        type: "number",
        min: 1,
        value: project.retention?.runs ?? "",
      },
    ],
    async ({ days, runs }) => {
      await send("PUT", `/projects/${segment(project.name)}/retention`, {
        days: days ? Number(days) : null,
        runs: runs ? Number(runs) : null,
      });
      toast("saved; pinned runs and the baseline stay in any case");
      changed();
    },
  );
}

/** What tells times apart on an axis of so many seconds. */
function labelParts(seconds) {
  if (seconds > 2 * DAY_S) return { day: "numeric", month: "short" };
  return seconds > 3600
    ? { hour: "2-digit", minute: "2-digit" }
    : { hour: "2-digit", minute: "2-digit", second: "2-digit" };
}

async function drawTrend(project, node) {
  if (node.childElementCount) return;
  const answer = await get(`/projects/${segment(project.name)}/trend`);
  const runs = (answer.runs ?? answer.trend ?? []).filter((run) => run.started_us);
  if (runs.length < 2) {
    refill(node, el("p", { class: "empty" }, "A trend takes two runs."));
    return;
  }
  const first = Math.min(...runs.map((run) => run.started_us));
  const spread = (Math.max(...runs.map((run) => run.started_us)) - first) / 1e6;
  const day = (value) => inZone(first + value * DAY_S * 1e6, labelParts(spread));
  const points = (pick) =>
    runs
      .map((run) => [(run.started_us - first) / 1e6 / DAY_S, pick(run)])
      .filter(([, value]) => value !== null && value !== undefined);
  const latency = new FreePlot({
    id: "trend-latency",
    title: "Latency of each run",
    note: "log axis",
    height: 220,
    x: { label: "started", format: day, space: 76 },
    y: { label: "latency", format: us, isLog: true },
  });
  const rate = new FreePlot({
    id: "trend-rate",
    title: "Requests of each run",
    note: "done per second",
    height: 220,
    x: { label: "started", format: day, space: 76 },
    y: { label: "requests per second", format: count },
  });
  refill(node, el("div", { class: "plots" }, latency.node, rate.node));
  latency.update(
    CHOICES.filter(([key]) => ["p50", "p99", "max"].includes(key)).map(([key, label], at) => ({
      key,
      label,
      colour: ["c6", "c7", "c4"][at],
      isMarked: true,
      points: points((run) => run.latency?.[`${key}_us`] ?? run[`${key}_us`]),
    })),
  );
  rate.update([
    {
      key: "rate",
      label: "done per second",
      colour: "c1",
      isMarked: true,
      points: points((run) => (run.throughput?.load_s > 0 ? run.throughput.requests_per_s : null)),
    },
  ]);
  const failed = runs.filter((run) => (run.totals?.failed ?? 0) + (run.totals?.unfinished ?? 0) > 0).length;
  node.append(
    el(
      "p",
      { class: "muted small" },
      failed
        ? `${count(failed)} of ${count(runs.length)} runs had failures (${percent(failed / runs.length)}).`
        : "None of these runs had failures.",
    ),
  );
}
