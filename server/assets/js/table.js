// Tables: sortable ones, and those that say the same as a plot.

import { el, refill } from "./dom.js";

/** What holds the table that says the same as a plot. */
export function tableHolder(title) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title} as a table` });
}

/** The holder folded below its plot; `toggled` hears when it is opened or closed. */
export function foldedTable(title, holder, toggled) {
  const summary = el("summary", null, "Show as a table", el("span", { class: "sr-only" }, `: ${title}`));
  return el("details", { on: { toggle: toggled } }, summary, holder);
}

/**
 * A table. Columns: { key, label, text(row), sort(row), isNumber, isName, node(row) }.
 * `order` is { key, isDown }; clicking a head changes it.
 */
export function sortable(caption, columns, rows, order, options) {
  const holder = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption });
  const state = { ...order };
  const draw = () =>
    refill(
      holder,
      drawn(caption, columns, sorted(columns, rows, state), state, options, (key) => {
        state.isDown =
          state.key === key ? !state.isDown : Boolean(columns.find((column) => column.key === key)?.isNumber);
        state.key = key;
        order.key = state.key;
        order.isDown = state.isDown;
        draw();
        holder.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
      }),
    );
  draw();
  return holder;
}

function sorted(columns, rows, state) {
  const column = columns.find((one) => one.key === state.key);
  if (!column) return rows;
  const value = column.sort ?? column.text;
  const way = state.isDown ? -1 : 1;
  return [...rows].sort((a, b) => way * compareValues(value(a), value(b)));
}

function compareValues(a, b) {
  const none = (value) => value === null || value === undefined;
  if (none(a) || none(b)) return none(a) && none(b) ? 0 : none(a) ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function drawn(caption, columns, rows, state, options, choose) {
  const head = el(
    "tr",
    null,
    columns.map((column) => {
      const kind = column.isNumber ? "num" : null;
      if (column.isFixed) return el("th", { scope: "col", class: kind }, column.label);
      const way = state.key === column.key ? (state.isDown ? "descending" : "ascending") : "none";
      const button = el(
        "button",
        { type: "button", data: { key: column.key }, on: { click: () => choose(column.key) } },
        column.label,
      );
      return el("th", { scope: "col", class: kind, "aria-sort": way }, button);
    }),
  );
  const body = rows.map((row) =>
    el(
      "tr",
      options?.row?.(row),
      columns.map((column) => {
        const content = column.node ? column.node(row) : column.text(row);
        if (column.isName) return el("th", { scope: "row" }, content);
        return el("td", { class: column.isNumber ? "num" : column.isLong ? "wrap" : null }, content);
      }),
    ),
  );
  return el(
    "table",
    null,
    el("caption", { class: options?.isCaptionShown ? null : "sr-only" }, caption),
    el("thead", null, head),
    el("tbody", null, body),
  );
}

/** The rows of a plot as a table. */
export function plain(caption, heads, rows) {
  return el(
    "table",
    null,
    el("caption", { class: "sr-only" }, caption),
    el(
      "thead",
      null,
      el(
        "tr",
        null,
        heads.map((head, at) => el("th", { scope: "col", class: at ? "num" : null }, head)),
      ),
    ),
    el(
      "tbody",
      null,
      rows.map((row) =>
        el(
          "tr",
          null,
          row.map((cell, at) => el("td", { class: at ? "num" : null }, cell)),
        ),
      ),
    ),
  );
}
