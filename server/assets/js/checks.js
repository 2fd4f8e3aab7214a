// Thresholds of the profile, checks and metrics of the script.

import { get } from "./api.js";
import { el, refill } from "./dom.js";
import { clock, count, isNumber, percent, metricText } from "./format.js";
import { sortable } from "./table.js";

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
  }

  async refresh() {
    const { page } = this;
    const thresholds = page.run.thresholds ?? [];
    refill(
      this.thresholds,
      thresholds.length
        ? sortable("Thresholds", thresholdColumns(), thresholds, {})
        : el("p", { class: "muted" }, "The profile sets none."),
    );
    const { checks } = await get(`${page.path}/checks`, page.query);
    refill(
      this.checks,
      checks.length
        ? sortable("Checks", checkColumns(), checks, this.order)
        : el("p", { class: "muted" }, "The script made none here."),
    );
    const metrics = page.run.summary?.metrics ?? [];
    refill(
      this.metrics,
      metrics.length
        ? sortable("Metrics of the script", metricColumns(), metrics, {})
        : el("p", { class: "muted" }, "The script keeps none."),
    );
  }
}

function thresholdColumns() {
  const word = { true: ["met", "met"], false: ["missed", "missed"] };
  return [
    { key: "text", label: "threshold", isName: true, text: (row) => row.text },
    {
      key: "met",
      label: "result",
      sort: (row) => Number(row.met),
      node: (row) => el("span", { class: `badge ${word[row.met]?.[0] ?? ""}` }, word[row.met]?.[1] ?? "open"),
    },
    {
      key: "value",
      label: "measured",
      isNumber: true,
      sort: (row) => row.value,
      text: (row) => row.finding ?? metricText(row.metric ?? row.text, row.value),
    },
    {
      key: "first",
      label: "first missed at",
      isNumber: true,
      sort: (row) => row.first_missed_s,
      text: (row) => (isNumber(row.first_missed_s) ? clock(row.first_missed_s) : "–"),
    },
  ];
}

function checkColumns() {
  const share = (row) => (row.passed + row.failed ? row.passed / (row.passed + row.failed) : null);
  return [
    { key: "name", label: "check", isName: true, text: (row) => row.name },
    { key: "passed", label: "passed", isNumber: true, sort: (row) => row.passed, text: (row) => count(row.passed) },
    {
      key: "failed",
      label: "failed",
      isNumber: true,
      sort: (row) => row.failed,
      node: (row) => el("span", { class: row.failed ? "worse" : "muted" }, count(row.failed)),
    },
    { key: "share", label: "passed of all", isNumber: true, sort: share, text: (row) => percent(share(row)) },
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
