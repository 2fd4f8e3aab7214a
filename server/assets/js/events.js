// What happened in a run besides requests: errors of scripts, steering, warnings.

import { get } from "./api.js";
import { nodeName } from "./charts.js";
import { el } from "./dom.js";
import { clock } from "./format.js";
import { replaceTable, sortable } from "./table.js";
import { timeOfDay, zoneAt } from "./zone.js";

export class Events {
  constructor(page) {
    this.page = page;
    this.body = el("div", { class: "body" });
    this.panel = el(
      "div",
      null,
      el(
        "section",
        { class: "panel", "aria-label": "Events" },
        el("div", { class: "head" }, el("h2", null, "Events")),
        this.body,
      ),
    );
    this.order = { key: "time", isDown: false };
  }

  async refresh() {
    const { events } = await get(`${this.page.path}/events`);
    const window = this.page.window;
    const rows = window
      ? events.filter((one) => one.time_us >= window[0] * 1e6 && one.time_us < window[1] * 1e6)
      : events;
    replaceTable(
      this.body,
      rows.length
        ? sortable("Events", eventColumns(this.page.run.card.started_us), rows, this.order)
        : el("p", { class: "empty" }, "Nothing to tell."),
    );
  }
}

function eventColumns(startedUs) {
  return [
    {
      key: "time",
      label: "time",
      sort: (row) => row.time_us,
      text: (row) => clock(Math.max(0, Math.floor(row.time_us / 1e5) / 10)),
    },
    {
      key: "moment",
      label: zoneAt(startedUs),
      isFixed: true,
      text: (row) => timeOfDay(startedUs + row.time_us),
    },
    { key: "kind", label: "kind", text: (row) => row.kind ?? "" },
    { key: "node", label: "node", text: (row) => nodeName(row.node) },
    {
      key: "text",
      label: "what happened",
      isLong: true,
      sort: (row) => row.text,
      node: (row) => el("span", { class: "mono said" }, row.text ?? ""),
    },
  ];
}
