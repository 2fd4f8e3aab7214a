// The figures of a run, or of the window shown, as tiles.

import { el } from "./dom.js";
import { bytes, clock, count, isNumber, percent, perSecond, us } from "./format.js";

/** Tiles of the run's summary; with `figures`, of the window they are of. */
export function tilesOf(run, figures, window) {
  const { totals, latency } = figures ?? run.summary;
  const seconds = figures?.seconds ?? run.card.duration_s;
  const title = figures ? `Figures of ${clock(window[0])} – ${clock(window[1])}` : "Figures of the whole run";
  return el("section", { "aria-label": title }, el("dl", { class: "tiles", id: "tiles" }, list(run, totals, latency, seconds).map(tile)), chips(run));
}

function list(run, totals, latency, seconds) {
  const done = (totals.ok ?? 0) + (totals.failed ?? 0);
  const rate = seconds > 0 ? done / seconds : null;
  const failed = done ? totals.failed / done : null;
  const tiles = [
    ["sent", "Requests", count(totals.sent), `${perSecond(rate)} done`],
    ["failed", "Failed", count(totals.failed), done ? percent(failed) : "none done", totals.failed > 0],
    ["p50", "Latency p50", us(latency?.p50_us), `mean ${us(latency?.mean_us)}`],
    ["p90", "p90", us(latency?.p90_us), `p95 ${us(latency?.p95_us)}`],
    ["p99", "p99", us(latency?.p99_us), `p99.9 ${us(latency?.p999_us)}`],
    ["max", "Slowest", us(latency?.max_us), `fastest ${us(latency?.min_us)}`],
    ["users", "Users, most", count(totals.users_max), isNumber(totals.iterations?.finished) ? `${count(totals.iterations.finished)} iterations` : ""],
  ];
  if (totals.planned > 0) {
    tiles.push(["planned", "Arrivals", count(totals.planned), `${count(totals.dropped)} dropped`, totals.dropped > 0]);
  }
  tiles.push(["bytes_in", "Received", bytes(totals.bytes_in), `${bytes(totals.bytes_out)} sent`]);
  if (totals.unfinished > 0) tiles.push(["unfinished", "Unfinished", count(totals.unfinished), "under way at the end"]);
  return tiles;
}

function tile([key, label, value, sub, isBad]) {
  return el("div", { class: isBad ? "tile bad" : "tile", data: { tile: key } },
    el("dt", null, label), el("dd", { class: "value" }, value), el("dd", { class: "sub" }, sub));
}

function chips(run) {
  const thresholds = run.thresholds ?? [];
  if (!thresholds.length) return null;
  const words = { true: ["met", "met"], false: ["missed", "missed"] };
  return el("ul", { class: "row chips", "aria-label": "Thresholds" }, thresholds.map((one) => {
    const [kind, word] = words[one.met] ?? ["", "open"];
    return el("li", { class: `badge ${kind}` }, one.text, el("span", null, `· ${word}`));
  }));
}
