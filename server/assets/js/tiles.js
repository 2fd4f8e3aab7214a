// The figures of a run, or of the window shown, as tiles.

import { el } from "./dom.js";
import { failureShare } from "./of.js";
import { bytes, clock, count, isNumber, middleCut, percent, perSecond, us } from "./format.js";
import { measuredText } from "./limits.js";

/** Tiles of the run's summary; with `figures`, of the window they are of, as [from, to]. Latencies are of the requests `of` names. */
export function tilesOf(run, figures, window, of) {
  const all = figures ?? run.summary;
  const title = figures ? `Figures of ${clock(window[0])} – ${clock(window[1])}` : "Figures of the whole run";
  return el(
    "section",
    { "aria-label": title },
    el("dl", { class: "tiles", id: "tiles" }, list(all, of).map(tile)),
    chips(run),
  );
}

/** The latency of some requests among the figures of a window. */
function latencyOf(all, of) {
  return (of === all.of ? null : all[`latency_${of}`]) ?? all.latency;
}

function list(all, of) {
  const { totals, throughput } = all;
  const latency = latencyOf(all, of);
  const rate = throughput?.load_s > 0 ? throughput.requests_per_s : null;
  const failed = failureShare(totals);
  const what = { failed: "Failed", all: "All" }[of] ?? "Latency";
  const tiles = [
    ["sent", "Requests", count(totals.sent), `${perSecond(rate)} done`],
    [
      "failed",
      "Failed",
      count(totals.failed),
      failed === null ? "none sent" : `${percent(failed)} of sent`,
      totals.failed + totals.unfinished > 0,
    ],
    ["p50", `${what} p50`, us(latency?.p50_us), `mean ${us(latency?.mean_us)}`],
    ["p90", "p90", us(latency?.p90_us), `p95 ${us(latency?.p95_us)}`],
    ["p99", "p99", us(latency?.p99_us), `p99.9 ${us(latency?.p999_us)}`],
    ["max", "Slowest", us(latency?.max_us), `fastest ${us(latency?.min_us)}`],
    [
      "users",
      "Users, most",
      count(totals.users_max),
      isNumber(totals.iterations?.finished) ? `${count(totals.iterations.finished)} iterations` : "",
    ],
  ];
  if (totals.planned > 0) {
    tiles.push(["planned", "Arrivals", count(totals.planned), `${count(totals.dropped)} dropped`, totals.dropped > 0]);
  }
  tiles.push(["bytes_in", "Received", bytes(totals.bytes_in), `${bytes(totals.bytes_out)} sent`]);
  if (totals.iterations?.failed > 0)
    tiles.push(["iterations_failed", "Failed iterations", count(totals.iterations.failed), "", true]);
  const scriptErrors = all.events?.script_error ?? 0;
  if (scriptErrors > 0) tiles.push(["script_errors", "Script errors", count(scriptErrors), "see Failures", true]);
  if (totals.unfinished > 0) tiles.push(["unfinished", "Unfinished", count(totals.unfinished), "at the end", true]);
  const ofFailed = all.latency_failed;
  if (of === "ok" && ofFailed?.count > 0)
    tiles.push(["failed_p50", "Failed p50", us(ofFailed.p50_us), `p99 ${us(ofFailed.p99_us)}`]);
  return tiles;
}

function tile([key, label, value, sub, isBad]) {
  return el(
    "div",
    { class: isBad ? "tile bad" : "tile", data: { tile: key } },
    el("dt", null, label),
    el("dd", { class: "value" }, value),
    el("dd", { class: "sub" }, sub),
  );
}

/** Thresholds shown beside the tiles; the rest is in their tab. */
const CHIPS_MAX = 12;
const CHIP_LENGTH = 60;

/** The thresholds, those that were missed first, each with what was measured. */
function chips(run) {
  const thresholds = [...(run.thresholds ?? [])].sort((a, b) => (a.met === false ? 0 : 1) - (b.met === false ? 0 : 1));
  if (!thresholds.length) return null;
  const words = { true: ["met", "met"], false: ["missed", "missed"] };
  const left = thresholds.length - CHIPS_MAX;
  return el(
    "ul",
    { class: "row chips", "aria-label": "Thresholds" },
    thresholds.slice(0, CHIPS_MAX).map((one) => {
      const [kind, word] = words[one.met] ?? ["", "open"];
      const measured = word === "open" ? null : ` ${measuredText(one)}`;
      const since = isNumber(one.first_missed_s) && !one.met ? `, first at ${clock(one.first_missed_s)}` : null;
      return el(
        "li",
        { class: `badge ${kind}`, title: one.text },
        middleCut(one.text, CHIP_LENGTH),
        el("span", null, `· ${word}`, measured, since),
      );
    }),
    left > 0 ? el("li", { class: "muted small" }, `and ${left} more in “Checks and thresholds”`) : null,
  );
}
