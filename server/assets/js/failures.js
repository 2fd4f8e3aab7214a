// What failed in the window shown: kinds, names, and what was said.

import { get } from "./api.js";
import { el, refill } from "./dom.js";
import { clock, count, percent } from "./format.js";
import { failureShare } from "./of.js";
import { replaceTable, sortable } from "./table.js";
import { nameLabel } from "./transactions.js";

export class Failures {
  constructor(page) {
    this.page = page;
    this.kinds = el("div", { class: "body" });
    this.names = el("div", { class: "body" });
    this.samples = el("div", { class: "body" });
    const part = (title, node) =>
      el("section", { class: "panel", "aria-label": title }, el("div", { class: "head" }, el("h2", null, title)), node);
    this.panel = el(
      "div",
      { class: "stack" },
      part("Kinds of failures", this.kinds),
      part("By name", this.names),
      part("Samples of messages", this.samples),
    );
    this.kindOrder = { key: "count", isDown: true };
    this.nameOrder = { key: "count", isDown: true };
  }

  async refresh() {
    const { page } = this;
    const [answer, { names }] = await Promise.all([
      get(`${page.path}/failures`, page.query),
      get(`${page.path}/names`, page.query),
    ]);
    const kinds = counted(answer).map(([kind, many]) => ({ kind, count: many }));
    const total = kinds.reduce((sum, row) => sum + row.count, 0);
    replaceTable(
      this.kinds,
      kinds.length
        ? sortable("Kinds of failures", kindColumns(total, page.run.failure_kinds), kinds, this.kindOrder)
        : el(
            "p",
            { class: "empty" },
            el("strong", null, "No failures"),
            "Every request of this window got a reply that the script expected.",
          ),
    );
    const rows = names.flatMap((row) =>
      counted(row).map(([kind, many]) => ({ name: nameLabel(row), kind, count: many, sent: row.sent })),
    );
    replaceTable(
      this.names,
      rows.length
        ? sortable("Failures by name", nameColumns(), rows, this.nameOrder)
        : el("p", { class: "muted" }, "none"),
    );
    const messages = answer.messages ?? [];
    refill(
      this.samples,
      messages.length
        ? el("ul", { class: "stack" }, messages.map(sample))
        : el("p", { class: "muted" }, "The run sent no messages."),
    );
  }
}

/** Failures by kind, and what never ended. */
function counted(row) {
  const kinds = Object.entries(row.failures ?? {});
  return row.unfinished > 0 ? [...kinds, ["unfinished", row.unfinished]] : kinds;
}

function kindColumns(total, meanings) {
  return [
    { key: "kind", label: "kind", isName: true, text: (row) => row.kind },
    { key: "meaning", label: "meaning", isLong: true, text: (row) => meanings[row.kind] ?? "" },
    { key: "count", label: "failures", isNumber: true, figure: count, sort: (row) => row.count },
    {
      key: "share",
      label: "of all failures",
      isNumber: true,
      figure: percent,
      sort: (row) => (total ? row.count / total : 0),
    },
  ];
}

function nameColumns() {
  const share = (row) => failureShare({ sent: row.sent, failed: row.count });
  return [
    { key: "name", label: "name", isName: true, text: (row) => row.name },
    { key: "kind", label: "kind", text: (row) => row.kind },
    { key: "count", label: "failures", isNumber: true, figure: count, sort: (row) => row.count },
    { key: "share", label: "of its requests", isNumber: true, figure: percent, sort: share },
  ];
}

function sample(one) {
  const head = one.count > 1 ? `${clock(one.time_us / 1e6)} · ${count(one.count)} times` : clock(one.time_us / 1e6);
  return el("li", null, el("div", { class: "muted small" }, head), el("div", { class: "mono said" }, one.text ?? ""));
}
