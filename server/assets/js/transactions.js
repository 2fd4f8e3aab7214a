// Requests, transactions and tags by name: a table of the window shown, and some of them over time.

import { get, isSaved } from "./api.js";
import { CHOICES, ring } from "./charts.js";
import { el, refill } from "./dom.js";
import { bytes, count, middleCut, percent, perSecond, shortCount, us } from "./format.js";
import { limitsOf } from "./limits.js";
import { failureShare, ofText } from "./of.js";
import { writePlace } from "./place.js";
import { Plot } from "./plot.js";
import { replaceTable, sortable } from "./table.js";

const PICKED_MAX = 6;
const NAME_POINTS = 400;
/** Letters of a name in the legend of a plot. */
const LEGEND_LENGTH = 40;

/** One name of a run as one word. */
export function nameKey(row) {
  return `${row.kind}:${row.name}`;
}

/** The name where its kind is not shown beside it. */
export function nameLabel(row) {
  return row.kind === "tag" ? `tag ${row.name}` : row.name;
}

export class Transactions {
  constructor(page) {
    this.page = page;
    this.picked = page.place.picks.slice(0, PICKED_MAX);
    this.order = { key: "sent", isDown: true };
    this.table = el("div");
    this.plotsNode = el("div", { class: "plots" });
    this.hint = el("p", { class: "muted small" });
    this.filter = el("input", {
      type: "search",
      "aria-label": "Filter by name",
      placeholder: "Filter by name",
      on: { input: () => this.drawTable() },
    });
    this.kind = el("select", {
      "aria-label": "Kind of names",
      hidden: true,
      on: { change: () => this.drawTable() },
    });
    this.panel = el(
      "div",
      { class: "stack" },
      this.plotsNode,
      el(
        "section",
        { class: "panel", "aria-labelledby": "names-title" },
        el(
          "div",
          { class: "head" },
          el("h2", { id: "names-title" }, "Requests, transactions and tags"),
          el("span", { class: "grow" }),
          this.kind,
          this.filter,
        ),
        el("div", { class: "body" }, this.hint, this.table),
      ),
    );
    this.rows = [];
    this.plots = null;
  }

  async refresh() {
    const { page } = this;
    const answer = await get(`${page.path}/names`, page.query);
    this.rows = answer.names;
    this.of = answer.of ?? "ok";
    this.offerKinds();
    this.drawTable();
    await this.overlay();
  }

  /** The kinds of names to choose from, if there are several. */
  offerKinds() {
    const kinds = [...new Set(this.rows.map((row) => row.kind))];
    const chosen = this.kind.value;
    if (this.kinds?.join() === kinds.join()) return;
    this.kinds = kinds;
    refill(
      this.kind,
      el("option", { value: "" }, "all kinds"),
      kinds.map((kind) => el("option", { value: kind }, `${kind}s`)),
    );
    this.kind.value = kinds.includes(chosen) ? chosen : "";
    this.kind.hidden = kinds.length < 2;
  }

  drawTable() {
    const words = this.filter.value.trim().toLowerCase();
    const kind = this.kind.value;
    const rows = this.rows.filter(
      (row) => (!kind || row.kind === kind) && (!words || row.name.toLowerCase().includes(words)),
    );
    const whose = ofText(this.of);
    this.hint.textContent =
      this.page.window && !isSaved
        ? `Percentiles of the window shown, of ${whose}.`
        : `Percentiles of the whole run, of ${whose}. ${isSaved ? "" : `Tick up to ${PICKED_MAX} to see them over time.`}`;
    if (!rows.length) {
      refill(this.table, el("p", { class: "empty" }, words ? "no name holds this" : "nothing was requested here"));
      return;
    }
    replaceTable(this.table, sortable("Requests, transactions and tags", this.columns(), rows, this.order));
  }

  columns() {
    const number = (key, label, value, show) => ({
      key,
      label,
      isNumber: true,
      figure: show,
      sort: value,
    });
    const latency = (key, label) => number(key, label, (row) => row.latency?.[`${key}_us`] ?? null, us);
    const ofFailed = (key, label) =>
      number(`failed_${key}`, label, (row) => row.latency_failed?.[`${key}_us`] ?? null, us);
    const isAnyOf = (pick) => this.rows.some((row) => pick(row) > 0);
    const failed =
      this.of === "ok" && isAnyOf((row) => row.failed)
        ? [ofFailed("p50", "failed p50"), ofFailed("p99", "failed p99")]
        : [];
    const unfinished = isAnyOf((row) => row.unfinished)
      ? [
          {
            ...number("unfinished", "unfinished", (row) => row.unfinished, count),
            node: (row, text) => el("span", { class: row.unfinished ? "worse" : "muted" }, text),
          },
        ]
      : [];
    const columns = [
      { key: "name", label: "name", isName: true, text: (row) => row.name },
      { key: "kind", label: "kind", text: (row) => row.kind },
      number("sent", "sent", (row) => row.sent, count),
      number("rate", "done", (row) => row.requests_per_s, perSecond),
      {
        ...number("failed", "failed", failureShare, percent),
        node: (row, text) => el("span", { class: failureShare(row) ? "worse" : "muted" }, text),
      },
      ...unfinished,
      latency("p50", "p50"),
      latency("p90", "p90"),
      latency("p95", "p95"),
      latency("p99", "p99"),
      latency("p999", "p99.9"),
      latency("max", "max"),
      ...failed,
      number("bytes_in", "received", (row) => row.bytes_in, bytes),
    ];
    if (isSaved) return columns;
    return [
      {
        key: "pick",
        label: el("span", { class: "sr-only" }, "over time"),
        isFixed: true,
        node: (row) => this.tick(row),
      },
      ...columns,
    ];
  }

  tick(row) {
    const key = nameKey(row);
    const isPicked = this.picked.includes(key);
    const box = el("input", {
      type: "checkbox",
      "aria-label": `Show ${nameLabel(row)} over time`,
      on: { change: () => this.pick(key, box) },
    });
    box.checked = isPicked;
    return box;
  }

  pick(key, box) {
    const without = this.picked.filter((one) => one !== key);
    if (box.checked && without.length >= PICKED_MAX) {
      box.checked = false;
      this.hint.textContent = `At most ${PICKED_MAX} at once.`;
      return;
    }
    this.picked = box.checked ? [...without, key] : without;
    writePlace({ pick: this.picked });
    this.overlay();
  }

  async overlay() {
    const picked = this.picked.map((key) => this.rows.find((row) => nameKey(row) === key)).filter(Boolean);
    this.plotsNode.hidden = !picked.length;
    if (!picked.length) return;
    const { page } = this;
    const series = await Promise.all(
      picked.map((row) =>
        get(`${page.path}/series`, { ...page.query, kind: row.kind, name: row.name, points: NAME_POINTS }),
      ),
    );
    this.shown = picked.map((row, at) => ({ row, series: series[at] }));
    this.plots ??= this.make();
    this.draw();
  }

  make() {
    const stat = { label: "Which value of each step", options: CHOICES, value: "p99", changed: () => this.draw() };
    const latency = new Plot(
      {
        id: "picked-latency",
        title: "Latency of the ticked",
        note: "log axis",
        format: us,
        isLog: true,
        isWide: true,
        height: 260,
        choice: stat,
      },
      this.page.axis,
    );
    const rate = new Plot(
      { id: "picked-rate", title: "Requests done", note: "per second", format: perSecond, tick: shortCount },
      this.page.axis,
    );
    const failed = new Plot(
      {
        id: "picked-failed",
        title: "Failures",
        note: "per second",
        format: perSecond,
        tick: shortCount,
        empty: "no failures",
      },
      this.page.axis,
    );
    this.plotsNode.append(latency.node, rate.node, failed.node);
    return { latency, rate, failed, stat };
  }

  draw() {
    const time = this.shown[0].series.time_s;
    const { thresholds } = this.page.run;
    const names = this.shown.map(({ row }) => row);
    const stat = this.plots.stat.value;
    const lines = (pick) =>
      this.shown.map(({ row, series }, at) => ({
        key: nameKey(row),
        label: middleCut(nameLabel(row), LEGEND_LENGTH),
        title: nameLabel(row),
        colour: ring(at),
        values: aligned(time, series, pick(series)),
      }));
    this.plots.latency.update(
      time,
      lines((series) => series.latency?.[stat]),
      limitsOf(thresholds, "latency", { of: this.page.of, stat, names }),
    );
    this.plots.rate.update(
      time,
      lines((series) => series.done),
      limitsOf(thresholds, "throughput", { names }),
    );
    this.plots.failed.update(
      time,
      lines((series) => series.failed),
    );
  }
}

/** Values at the times of another series; where it has none, nothing. */
function aligned(time, series, values) {
  const at = new Map(series.time_s.map((second, index) => [second, index]));
  return time.map((second) => values?.[at.get(second)] ?? null);
}
