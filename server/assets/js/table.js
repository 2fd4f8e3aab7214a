// Tables: sortable ones, and those that say the same as a plot.

import { el, refill } from "./dom.js";
import { columnFormat, count, middleCut } from "./format.js";

/** Letters of a name before its middle is left out. */
const NAME_LENGTH = 64;
/** Rows of a table that are shown at once. */
const PAGE_ROWS = 50;

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
 * A table with a head that stays, in pages. Columns: { key, label, text(row), sort(row), isNumber,
 * isName, isLong, figure, node(row, text) }. A column with a `figure`, the function that shows one value
 * alone, shows what `sort` gives in one unit with the same decimals. `order` is { key, isDown, page };
 * clicking a head changes it.
 */
export function sortable(caption, columns, rows, order) {
  const holder = el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": caption });
  const pager = el("div", { class: "row pager" });
  const formats = new Map(
    columns.filter((column) => column.figure).map((one) => [one.key, columnFormat(one.figure, rows.map(one.sort))]),
  );
  const choose = (key) => {
    order.isDown = order.key === key ? !order.isDown : Boolean(columns.find((column) => column.key === key)?.isNumber);
    order.key = key;
    order.page = 0;
    draw();
    holder.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  };
  const turn = (by) => {
    order.page = (order.page ?? 0) + by;
    draw();
    holder.scrollTop = 0;
  };
  const draw = () => {
    const last = Math.max(0, Math.ceil(rows.length / PAGE_ROWS) - 1);
    order.page = Math.min(last, order.page ?? 0);
    const from = order.page * PAGE_ROWS;
    const shown = sorted(columns, rows, order).slice(from, from + PAGE_ROWS);
    refill(holder, drawn(caption, columns, shown, order, formats, choose));
    refill(pager, last ? pages(from, shown.length, rows.length, turn) : null);
  };
  draw();
  return rows.length > PAGE_ROWS ? el("div", null, holder, pager) : holder;
}

/** Puts another table, or what stands for it, in place of one; what was scrolled to stays. */
export function replaceTable(node, table) {
  const { scrollTop: top = 0, scrollLeft: left = 0 } = node.querySelector(".scroll") ?? {};
  refill(node, table);
  node.querySelector(".scroll")?.scrollTo({ top, left, behavior: "instant" });
}

/** Buttons that turn the pages of a table, and where it is. */
function pages(from, many, all, turn) {
  const button = (label, by, isOff) =>
    el("button", { class: "button small", type: "button", disabled: isOff, on: { click: () => turn(by) } }, label);
  return [
    button("Previous", -1, from === 0),
    button("Next", 1, from + many >= all),
    el("span", { class: "muted small", role: "status" }, `${count(from + 1)} – ${count(from + many)} of ${count(all)}`),
  ];
}

/** A name, shortened in its middle where it is long; the whole shows on hover. */
export function shortName(name, most = NAME_LENGTH) {
  const text = middleCut(name, most);
  return text === name ? name : el("span", { title: name }, text);
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

function drawn(caption, columns, rows, state, formats, choose) {
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
      null,
      columns.map((column) => cellOf(column, row, formats.get(column.key))),
    ),
  );
  return el(
    "table",
    null,
    el("caption", { class: "sr-only" }, caption),
    el("thead", null, head),
    el("tbody", null, body),
  );
}

function cellOf(column, row, format) {
  const text = format ? format(column.sort(row)) : column.text?.(row);
  const content = column.node ? column.node(row, text) : column.isName ? shortName(text) : text;
  if (column.isName) return el("th", { scope: "row" }, content);
  return el("td", { class: column.isNumber ? "num" : column.isLong ? "wrap" : null }, content);
}

/**
 * The rows of a plot as a table. Heads are texts, or { label, isNumber, figure } for columns of numbers,
 * which are shown as those of a sortable table are.
 */
export function plain(caption, heads, rows) {
  const columns = heads.map((head, at) => (head.label === undefined ? { label: head, isNumber: at > 0 } : head));
  const formats = columns.map(({ figure }, at) =>
    figure
      ? columnFormat(
          figure,
          rows.flatMap((row) => row[at]),
        )
      : (value) => value,
  );
  const shown = (value, format) => (Array.isArray(value) ? value.map(format).join(" – ") : format(value));
  const kind = (at) => (columns[at].isNumber ? "num" : null);
  const head = columns.map(({ label }, at) => el("th", { scope: "col", class: kind(at) }, label));
  const body = rows.map((row) =>
    el(
      "tr",
      null,
      row.map((value, at) => el("td", { class: kind(at) }, shown(value, formats[at]))),
    ),
  );
  return el(
    "table",
    null,
    el("caption", { class: "sr-only" }, caption),
    el("thead", null, el("tr", null, head)),
    el("tbody", null, body),
  );
}
