// Thresholds of the profile, checks and metrics of the script.

import { get } from "./api.js";
import { el } from "./dom.js";
import { clock, count, isNumber, percent } from "./format.js";
import { measuredText } from "./limits.js";
import { replaceTable, sortable } from "./table.js";

export class Checks {
  constructor(page) {
    this.page = page;
    this.thresholds = el("div", { class: "body" });
    this.checks = el("div", { class: "body" });
    this.metrics = el("div", { class: "body" });
    const part = (title, note, node) =>
      el(
        "section",
        { class: "panel", "aria-label": title },
        el("div", { class: "head" }, el("h2", null, title), el("span", { class: "muted small" }, note)),
        node,
      );
    this.panel = el(
      "div",
      { class: "stack" },
      part("Thresholds", "of the whole run", this.thresholds),
      part("Checks", "of the window shown", this.checks),
      part("Metrics of the script", "of the whole run", this.metrics),
    );
    this.order = { key: "failed", isDown: true };
    this.thresholdOrder = { key: "met", isDown: false };
    this.metricOrder = {};
  }

  async refresh() {
    const { page } = this;
    const thresholds = page.run.thresholds ?? [];
    replaceTable(
      this.thresholds,
      thresholds.length
        ? sortable("Thresholds", thresholdColumns(page), thresholds, this.thresholdOrder)
        : el("p", { class: "muted" }, "The profile sets none."),
    );
    const { checks } = await get(`${page.path}/checks`, page.query);
    replaceTable(
      this.checks,
      checks.length
        ? sortable("Checks", checkColumns(), checks, this.order)
        : el("p", { class: "muted" }, "The script made none here."),
    );
    const metrics = page.run.summary?.metrics ?? [];
    replaceTable(
      this.metrics,
      metrics.length
        ? sortable("Metrics of the script", metricColumns(), metrics, this.metricOrder)
        : el("p", { class: "muted" }, "The script keeps none."),
    );
  }
}

/** Seconds shown around the one in which a threshold was first missed. */
const AROUND_S = 15;

/** When a threshold was first missed; in the run's page a button that shows the plots about then. */
function firstMissed(page, row) {
  if (row.met !== false) return "–";
  if (!isNumber(row.first_missed_s)) return "at the end";
  const at = row.first_missed_s;
  const show = () => {
    page.choose("overview");
    page.axis.show([Math.max(0, at - AROUND_S), at + AROUND_S]);
  };
  const label = `${clock(at)}: show the plots about then`;
  return el("button", { class: "link", type: "button", "aria-label": label, on: { click: show } }, clock(at));
}

function thresholdColumns(page) {
  const word = { true: ["met", "met"], false: ["missed", "missed"] };
  return [
    { key: "text", label: "threshold", isName: true, text: (row) => row.text },
    {
      key: "met",
      label: "result",
      sort: (row) => (row.met === null ? 2 : Number(row.met)),
      node: (row) => el("span", { class: `badge ${word[row.met]?.[0] ?? ""}` }, word[row.met]?.[1] ?? "open"),
    },
    {
      key: "value",
      label: "measured",
      isNumber: true,
      sort: (row) => row.value,
      node: (row) => el("span", { title: row.finding }, measuredText(row)),
    },
    {
      key: "first",
      label: "first missed at",
      isNumber: true,
      sort: (row) => row.first_missed_s,
      node: (row) => firstMissed(page, row),
    },
  ];
}

function checkColumns() {
  const share = (row) => (row.passed + row.failed ? row.passed / (row.passed + row.failed) : null);
  return [
    { key: "name", label: "check", isName: true, text: (row) => row.name },
    { key: "passed", label: "passed", isNumber: true, figure: count, sort: (row) => row.passed },
    {
      key: "failed",
      label: "failed",
      isNumber: true,
      figure: count,
      sort: (row) => row.failed,
      node: (row, text) => el("span", { class: row.failed ? "worse" : "muted" }, text),
    },
    { key: "share", label: "passed of all", isNumber: true, figure: percent, sort: share },
  ];
}

function metricColumns() {
  const values = (row) =>
    Object.entries(row)
      .filter(([key, value]) => !["name", "kind", "tags"].includes(key) && isNumber(value))
      .map(([key, value]) => `${key} ${key === "share" ? percent(value) : count(value)}`)
      .join(", ");
  return [
    { key: "name", label: "metric", isName: true, text: (row) => row.name },
    { key: "kind", label: "kind", text: (row) => row.kind },
    { key: "values", label: "values", text: values, isLong: true },
  ];
}
