// What is asked for in the list of runs: filters and order, kept in the address.

import { el } from "./dom.js";
import { writePlace } from "./place.js";
import { dayStart } from "./zone.js";

const TYPING_PAUSE_MS = 250;
const CHOICES_OF = {
  result: [
    ["", "any"],
    ["passed", "passed"],
    ["missed", "missed a threshold"],
    ["failed", "failed"],
    ["stopped", "stopped early"],
  ],
  verdict: [
    ["", "any"],
    ["clean", "clean"],
    ["suspect", "suspect"],
    ["invalid", "invalid"],
  ],
  lasted: [
    ["", "any"],
    ["-60", "under a minute"],
    ["60-600", "1 to 10 min"],
    ["600-3600", "10 to 60 min"],
    ["3600-", "an hour or more"],
  ],
  sort: [
    ["", "newest first"],
    ["date-asc", "oldest first"],
    ["name-asc", "name"],
    ["result-asc", "result, worst first"],
    ["missed-desc", "most thresholds missed"],
    ["duration-desc", "longest"],
    ["duration-asc", "shortest"],
    ["requests-desc", "most requests"],
    ["failed-desc", "most failures"],
    ["p50-desc", "highest p50"],
    ["p50-asc", "lowest p50"],
    ["p99-desc", "highest p99"],
    ["p99-asc", "lowest p99"],
  ],
};
/** Filters behind "More filters". */
const RARE = ["verdict", "lasted", "missed", "since", "until"];
const WORDS = ["project", "q", "tag", "result", "sort", ...RARE];

export class ListFilters {
  /** `words` are those of the address; `changed` is called when other runs are asked for. */
  constructor(words, changed) {
    this.values = Object.fromEntries(WORDS.map((key) => [key, words.get(key) ?? ""]));
    this.changed = changed;
    this.fields = {};
    this.node = this.build();
  }

  /** What the API is asked. */
  get query() {
    const { lasted, sort, since, until, ...same } = this.values;
    const [min, max] = lasted.split("-");
    const [key, order] = sort.split("-");
    return { ...same, min_s: min, max_s: max, sort: key, order, since: dayStart(since), until: dayStart(until, 1) };
  }

  /** Whether some runs are left out. */
  get isAny() {
    return Object.entries(this.values).some(([key, value]) => value && key !== "sort");
  }

  get sortedBy() {
    return this.values.sort || "date-desc";
  }

  set(key, value, pause = 0) {
    this.values[key] = value;
    writePlace({ [key]: value || null });
    const field = this.fields[key];
    if (field && field.value !== value) field.value = value;
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.changed(), pause);
  }

  /** Sorts by a figure; once more turns the order round. */
  sortBy(key) {
    const ways = CHOICES_OF.sort.map(([value]) => value || "date-desc").filter((value) => value.startsWith(`${key}-`));
    const next = ways[(ways.indexOf(this.sortedBy) + 1) % ways.length];
    this.set("sort", next === "date-desc" ? "" : next);
  }

  build() {
    const rare = el(
      "details",
      { class: "rare", open: RARE.some((key) => this.values[key]) },
      el("summary", { class: "button" }, "More filters"),
      el(
        "div",
        { class: "filters" },
        this.choice("verdict", "Generator"),
        this.choice("lasted", "Lasted"),
        this.typed("missed", "Missed threshold", { type: "search", placeholder: "latency p99" }),
        this.typed("since", "From", { type: "date" }),
        this.typed("until", "To", { type: "date" }),
      ),
    );
    return el(
      "form",
      {
        class: "filters",
        role: "search",
        "aria-label": "Filter the runs",
        on: { submit: (event) => event.preventDefault() },
      },
      this.typed("q", "Search", { type: "search", placeholder: "Name, comment, target" }, "search"),
      this.typed("tag", "Tag", { type: "search", placeholder: "any" }),
      this.choice("result", "Result"),
      this.choice("sort", "Sorted by"),
      rare,
    );
  }

  field(key, label, control, kind) {
    control.value = this.values[key];
    this.fields[key] = control;
    return el("div", { class: kind ? `field ${kind}` : "field" }, el("label", { for: key }, label), control);
  }

  typed(key, label, attributes, kind) {
    const pause = attributes.type === "date" ? 0 : TYPING_PAUSE_MS;
    const on = { input: () => this.set(key, control.value.trim(), pause) };
    const control = el("input", { id: key, ...attributes, on });
    return this.field(key, label, control, kind);
  }

  choice(key, label) {
    const control = el(
      "select",
      { id: key, on: { change: () => this.set(key, control.value) } },
      CHOICES_OF[key].map(([value, text]) => el("option", { value }, text)),
    );
    return this.field(key, label, control);
  }
}
