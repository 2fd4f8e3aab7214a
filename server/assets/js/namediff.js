// Requests, transactions and tags of several runs beside each other, by name.

import { get, segment } from "./api.js";
import { el, refill } from "./dom.js";
import { isNumber, perSecond, percent, us } from "./format.js";
import { failureShare } from "./of.js";
import { replaceTable, sortable } from "./table.js";

/** What can be compared: key, label, how one value is shown, the value of a row, whether less is better. */
const FIGURES = [
  ...["p50", "p90", "p95", "p99", "p999", "max", "mean"].map((key) => [
    key,
    key === "p999" ? "p99.9" : key,
    us,
    (row) => row.latency?.[`${key}_us`] ?? null,
    true,
  ]),
  ["rate", "done per second", perSecond, (row) => row.requests_per_s, false],
  ["failed", "failed", percent, failureShare, true],
];
/** Changes smaller than this are not coloured. */
const CHANGE_MIN = 0.02;

/** The panel; `letters` are those of the runs, `ids` the runs, the first of which is measured against. */
export class NameDifferences {
  constructor(ids, letters) {
    this.ids = ids;
    this.letters = letters;
    this.order = { key: "change", isDown: true };
    this.figure = el(
      "select",
      { "aria-label": "Figure compared by name", on: { change: () => this.draw() } },
      FIGURES.map(([key, label]) => el("option", { value: key, selected: key === "p99" }, label)),
    );
    this.filter = el("input", {
      type: "search",
      "aria-label": "Filter the names",
      placeholder: "Filter by name",
      on: { input: () => this.draw() },
    });
    this.body = el("div", { class: "body" });
    this.node = el(
      "section",
      { class: "panel", "aria-labelledby": "names-title" },
      el(
        "div",
        { class: "head" },
        el("h2", { id: "names-title" }, "By name"),
        el("span", { class: "muted small grow" }, "largest change first; one alone may be noise"),
        this.figure,
        this.filter,
      ),
      this.body,
    );
    this.rows = [];
  }

  /** Asks for the names of all runs anew. */
  async refresh(query) {
    const answers = await Promise.all(this.ids.map((id) => get(`/runs/${segment(id)}/names`, query)));
    const rows = new Map();
    answers.forEach(({ names }, at) => {
      for (const one of names) {
        const key = `${one.kind}:${one.name}`;
        if (!rows.has(key)) rows.set(key, { name: one.name, kind: one.kind, runs: [] });
        rows.get(key).runs[at] = one;
      }
    });
    this.rows = [...rows.values()];
    this.draw();
  }

  draw() {
    const words = this.filter.value.trim().toLowerCase();
    const rows = this.rows.filter((row) => !words || row.name.toLowerCase().includes(words));
    if (!rows.length) {
      refill(this.body, el("p", { class: "empty" }, words ? "no name holds this" : "nothing was requested"));
      return;
    }
    replaceTable(this.body, sortable("Differences by name", this.columns(), rows, this.order));
  }

  columns() {
    const [, label, figure, of, isLess] = FIGURES.find(([key]) => key === this.figure.value);
    const value = (row, at) => (row.runs[at] ? of(row.runs[at]) : null);
    const change = (row, at) => {
      const [before, after] = [value(row, 0), value(row, at)];
      return isNumber(before) && isNumber(after) && before !== 0 ? (after - before) / before : null;
    };
    const largest = (row) => {
      const changes = this.ids.map((_, at) => Math.abs(change(row, at) ?? 0));
      return Math.max(...changes);
    };
    const changed = (row, at) => {
      const share = change(row, at);
      const isSmall = share === null || Math.abs(share) < CHANGE_MIN;
      const kind = isSmall ? "muted" : share > 0 === isLess ? "worse" : "better";
      const text = share === null ? "–" : `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)} %`;
      return el("span", { class: kind }, text);
    };
    return [
      { key: "name", label: "name", isName: true, text: (row) => row.name },
      { key: "kind", label: "kind", text: (row) => row.kind },
      ...this.ids.flatMap((_, at) => [
        {
          key: `value-${at}`,
          label: `${this.letters[at]} ${label}`,
          isNumber: true,
          figure,
          sort: (row) => value(row, at),
        },
        ...(at
          ? [
              {
                key: this.ids.length > 2 ? `change-${at}` : "change",
                label: `${this.letters[at]} to A`,
                isNumber: true,
                sort: (row) => Math.abs(change(row, at) ?? 0),
                node: (row) => changed(row, at),
              },
            ]
          : []),
      ]),
      ...(this.ids.length > 2
        ? [
            {
              key: "change",
              label: "largest change",
              isNumber: true,
              sort: largest,
              figure: percent,
            },
          ]
        : []),
    ];
  }
}
