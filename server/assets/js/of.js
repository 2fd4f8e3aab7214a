// Which requests latencies are of: those that ended ok, the failed, or all.

import { el } from "./dom.js";

const KINDS = [
  ["ok", "requests that ended ok"],
  ["failed", "failed requests"],
  ["all", "all requests"],
];

/** The kind that the address names; those that ended ok when it names none. */
export function readOf(words) {
  const named = words.get("of");
  return KINDS.some(([kind]) => kind === named) ? named : "ok";
}

/** The kind as a word of a query or of an address; the usual one is left out. */
export function ofWord(kind) {
  return kind === "ok" ? null : kind;
}

/** The requests in words. */
export function ofText(kind) {
  return KINDS.find(([one]) => one === kind)?.[1] ?? kind;
}

/** A control that chooses; `changed` is called with the kind. */
export function ofChooser(chosen, changed) {
  const control = el(
    "select",
    { id: "of", on: { change: () => changed(control.value) } },
    KINDS.map(([kind, text]) => el("option", { value: kind, selected: kind === chosen }, text)),
  );
  return el("span", { class: "row nowrap" }, el("label", { for: "of" }, "Latency of"), control);
}

/** The share of requests that failed or never ended; null when none were sent. */
export function failureShare(counts) {
  return counts.sent > 0 ? ((counts.failed ?? 0) + (counts.unfinished ?? 0)) / counts.sent : null;
}
