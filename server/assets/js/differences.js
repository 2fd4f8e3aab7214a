// The table of differences between runs, with what can be said beyond noise.

import { el } from "./dom.js";
import { bytes, columnFormat, count, percent, perSecond, signedPercent, us } from "./format.js";

/**
 * `answer.metrics`: { metric, label, unit, isLowerBetter, values[], differences[] } in the order of
 * the runs; a difference is { relative, low, high, statement }, the first run's is null.
 */
export function differences(answer, letters) {
  const metrics = answer.metrics ?? [];
  if (!metrics.length) return el("p", { class: "empty" }, "nothing to compare yet");
  const head = el(
    "tr",
    null,
    el("th", { scope: "col" }, "figure"),
    letters.map((letter, at) =>
      el(
        "th",
        { scope: "col", class: "num" },
        letter.node.cloneNode(true),
        at ? null : el("span", { class: "sr-only" }, " the one measured against"),
      ),
    ),
  );
  const rows = metrics.map((metric) => {
    const shown = shownAs(metric);
    return el(
      "tr",
      null,
      el("th", { scope: "row" }, metric.label ?? metric.metric),
      letters.map((_, at) =>
        el(
          "td",
          { class: "num" },
          el("div", null, shown(metric.values?.[at])),
          at ? difference(metric, metric.differences?.[at]) : null,
        ),
      ),
    );
  });
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Differences between the runs" },
    el(
      "table",
      { class: "differences" },
      el("caption", { class: "sr-only" }, "Differences between the runs"),
      el("thead", null, head),
      el("tbody", null, rows),
    ),
  );
}

/** How the values of a figure are shown: in one unit, with the same decimals. */
function shownAs(metric) {
  const show = { per_s: perSecond, us, share: percent, bytes }[metric.unit] ?? count;
  return columnFormat(show, metric.values ?? []);
}

function difference(metric, one) {
  if (!one) return el("div", { class: "muted small" }, "–");
  const isBeyond = one.statement === "beyond noise";
  const isLowerBetter =
    metric.lower_is_better ?? /latency|service|lag|fail|drop|first_byte|connect|tls/.test(metric.metric);
  const isWorse = (one.relative ?? one.difference) > 0 === isLowerBetter;
  const kind = isBeyond ? (isWorse ? "worse" : "better") : "muted";
  const interval =
    one.low === null || one.low === undefined ? null : `${signedPercent(one.low)} … ${signedPercent(one.high)}`;
  return [
    el(
      "div",
      { class: `${kind} small` },
      signedPercent(one.relative),
      " ",
      el("span", { class: isBeyond ? `badge ${isWorse ? "bad" : "good"}` : "badge" }, one.statement ?? "not known"),
    ),
    interval ? el("div", { class: "muted small" }, interval) : null,
  ];
}
