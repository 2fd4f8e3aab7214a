// The difference of two texts, line by line.

import { el } from "./dom.js";

/** Above this many pairs of lines in the middle, the middle is shown as replaced whole. */
const PAIRS_MAX = 4_000_000;
/** Equal lines that stay around a difference. */
const AROUND = 3;

/** Steps from `a` to `b`: { kind: "same" | "del" | "add", text, a, b } with line numbers from 1. */
export function lineDiff(before, after) {
  const a = before.split("\n");
  const b = after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
    tail += 1;
  const steps = [];
  for (let at = 0; at < head; at += 1) steps.push({ kind: "same", text: a[at], a: at + 1, b: at + 1 });
  steps.push(...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head));
  for (let at = tail; at > 0; at -= 1) {
    steps.push({ kind: "same", text: a[a.length - at], a: a.length - at + 1, b: b.length - at + 1 });
  }
  return steps;
}

function middle(a, b, offset) {
  const del = (at) => ({ kind: "del", text: a[at], a: offset + at + 1 });
  const add = (at) => ({ kind: "add", text: b[at], b: offset + at + 1 });
  if (a.length * b.length > PAIRS_MAX) return [...a.map((_, at) => del(at)), ...b.map((_, at) => add(at))];
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      longest[at] = a[i] === b[j] ? longest[at + width + 1] + 1 : Math.max(longest[at + width], longest[at + 1]);
    }
  }
  const steps = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      steps.push({ kind: "same", text: a[i], a: offset + i + 1, b: offset + j + 1 });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      steps.push(del(i));
      i += 1;
    } else {
      steps.push(add(j));
      j += 1;
    }
  }
  return steps;
}

/** The difference as it is shown: unchanged parts folded. */
export function diffView(label, before, after) {
  const steps = lineDiff(before, after);
  const isNear = steps.map(() => false);
  steps.forEach((step, at) => {
    if (step.kind === "same") return;
    for (let near = Math.max(0, at - AROUND); near <= Math.min(steps.length - 1, at + AROUND); near += 1)
      isNear[near] = true;
  });
  if (!isNear.includes(true)) return el("p", { class: "empty" }, "no difference");
  const rows = [];
  let folded = 0;
  const fold = () => {
    if (folded)
      rows.push(el("div", { class: "line fold" }, el("span", null, `${folded} equal line${folded > 1 ? "s" : ""}`)));
    folded = 0;
  };
  steps.forEach((step, at) => {
    if (!isNear[at]) {
      folded += 1;
      return;
    }
    fold();
    rows.push(diffRow(step));
  });
  fold();
  return el("div", { class: "diff", tabindex: "0", role: "region", "aria-label": label }, rows);
}

function diffRow(step) {
  const sign = { same: " ", add: "+", del: "−" }[step.kind];
  const said = { same: null, add: "added: ", del: "removed: " }[step.kind];
  return el(
    "div",
    { class: step.kind === "same" ? "line" : `line ${step.kind}` },
    el("span", { class: "no", "aria-hidden": "true" }, step.a ?? ""),
    el("span", { class: "no", "aria-hidden": "true" }, step.b ?? ""),
    el("span", { "aria-hidden": "true" }, sign),
    el("span", null, said ? el("span", { class: "sr-only" }, said) : null, step.text),
  );
}
