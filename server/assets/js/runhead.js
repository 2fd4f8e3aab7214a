// The head of a run's page: what it is, what the verdict says, what can be done with it.

import { annotate, hasHistory, showComments } from "./annotations.js";
import { get, isSaved, may, segment, send } from "./api.js";
import { confirmed, el, formDialog, icon, toast } from "./dom.js";
import { clock, lasting } from "./format.js";
import { shareRun } from "./share.js";
import { moment, zoneAt } from "./zone.js";

const FORMATS = [
  ["html", "Page as one file"],
  ["json", "JSON"],
  ["csv", "CSV, one row per second"],
  ["hlog", "HdrHistogram log"],
  ["junit", "JUnit"],
];

export function runHead(page) {
  const { run } = page;
  const { card } = run;
  document.title = `${card.name} · Mistress`;
  return [
    el(
      "div",
      { class: "stack" },
      el(
        "div",
        { class: "row" },
        el(
          "div",
          { class: "grow stack tight" },
          crumbs(card),
          el("div", { class: "row" }, el("h1", null, card.name), badges(card)),
        ),
        actions(page),
      ),
      facts(run),
      remarks(card),
    ),
    verdict(run),
  ];
}

function crumbs(card) {
  if (isSaved) return el("p", { class: "muted small" }, card.project);
  return el(
    "nav",
    { class: "small muted", "aria-label": "Where this run is" },
    el("a", { href: "/report/list" }, "Runs"),
    " / ",
    el("a", { href: `/report/list?project=${segment(card.project)}` }, card.project),
  );
}

const RESULTS = {
  passed: ["passed", "met", "it ran to its end, and every threshold held"],
  missed: ["missed", "missed", "a threshold or a rule of fail_on did not hold"],
  failed: ["failed", "missed", "it ended with an error"],
  stopped: ["stopped early", "warn", "somebody ended it before its time"],
};

/** State, result, the verdict on the generator, and model of a run. */
export function badges(card) {
  const model = card.model ? `${card.model.toUpperCase()} MODEL` : null;
  const said = card.state === "live" ? null : card.verdict;
  const [word, kind, meaning] = RESULTS[card.state === "done" ? card.result : null] ?? [];
  return [
    card.state === "done"
      ? null
      : el("span", { class: `badge ${card.problem ? "missed" : card.state}`, title: card.problem }, card.state),
    word ? el("span", { class: `badge ${kind}`, title: meaning, data: { result: card.result } }, word) : null,
    said
      ? el(
          "span",
          { class: `badge ${said === "clean" ? "" : said}`, title: "what the run says about the generator itself" },
          `generator ${said}`,
        )
      : null,
    model ? el("span", { class: `badge model ${card.model}` }, model) : null,
  ];
}

/** Who, when and where, in a line; of a live run it changes. */
export function facts(run) {
  const { card } = run;
  const all = [
    ["started", `${moment(card.started_us)} ${zoneAt(card.started_us)}`],
    ["lasted", card.duration_s > 0 ? lasting(card.duration_s) : null],
    ["target", card.target],
    ["seed", run.seed],
    ["version", run.program],
    ["id", card.id],
  ];
  const shown = all.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el(
    "p",
    { class: "facts", id: "facts" },
    shown.map(([name, value]) => el("span", { class: "facts-long" }, `${name} `, el("b", null, String(value)))),
  );
}

function remarks(card) {
  const tags = (card.tags ?? []).map((tag) => el("span", { class: "tag", title: tag }, tag));
  const baseline = card.baseline ? el("span", { class: "badge info" }, "baseline of its project") : null;
  if (!card.comment && !tags.length && !baseline) return null;
  return el(
    "div",
    { class: "row" },
    baseline,
    tags,
    card.comment ? el("span", { class: "muted", id: "comment" }, card.comment) : null,
  );
}

function verdict(run) {
  const reasons = run.verdict?.reasons ?? [];
  const notes = run.verdict?.notes ?? [];
  if (run.card.state === "lost")
    reasons.unshift({ text: "no node has reported for a minute and none said that the run ended" });
  if (!reasons.length && !notes.length) return null;
  const state = run.verdict?.state ?? "suspect";
  const words = {
    suspect: "The generator shaped part of these figures",
    invalid: "These figures are incomplete or contradict each other",
    clean: "The generator did its part",
  };
  return el(
    "section",
    { class: `panel verdict ${state}`, "aria-label": "Verdict" },
    el("div", { class: "head" }, el("h2", null, words[state] ?? state)),
    el(
      "ul",
      { class: "body" },
      reasons.map(reason),
      notes.map((note) => el("li", { class: "muted" }, note.text ?? note)),
    ),
  );
}

function reason(one) {
  const windows = (one.windows ?? []).map(([from, to]) =>
    from === to ? clock(from) : `${clock(from)} – ${clock(to)}`,
  );
  const shown = windows.slice(0, 8).join(", ") + (windows.length > 8 ? ` and ${windows.length - 8} more` : "");
  const cores = (one.cores ?? []).length ? ` (${one.cores.length > 1 ? "cores" : "core"} ${one.cores.join(", ")})` : "";
  return el("li", null, one.text, cores, shown ? el("span", { class: "muted small" }, ` · ${shown}`) : null);
}

function actions(page) {
  if (isSaved) return null;
  const { card } = page.run;
  const path = `/runs/${segment(card.id)}`;
  const change = async (body, said) => {
    await send("PATCH", path, body);
    Object.assign(card, body);
    if ("comment" in body) page.run.comment_versions = (page.run.comment_versions ?? 0) + 1;
    page.drawHead();
    toast(said);
  };
  const guarded = (action) => () => action().catch((error) => toast(error.message));
  const pin =
    may("edit") &&
    el(
      "button",
      {
        class: "button quiet icon",
        type: "button",
        "aria-pressed": String(Boolean(card.pinned)),
        "aria-label": "Pin: keep this run whatever the retention",
        on: { click: guarded(() => change({ pinned: !card.pinned }, card.pinned ? "no longer pinned" : "pinned")) },
      },
      icon("pin"),
    );
  const edit =
    may("edit") &&
    el(
      "button",
      { class: "button", type: "button", on: { click: () => editRemarks(card, change) } },
      icon("edit"),
      "Comment",
    );
  return el("div", { class: "row acts" }, pin, edit, more(page, path, guarded), exportMenu(card));
}

/** A dialog for comment and tags. */
export function editRemarks(card, change) {
  formDialog(
    "Comment and tags",
    [
      { name: "comment", label: "Comment", long: true, value: card.comment ?? "" },
      { name: "tags", label: "Tags, separated by commas", value: (card.tags ?? []).join(", ") },
    ],
    (fields) =>
      change(
        {
          comment: fields.comment.trim(),
          tags: fields.tags
            .split(",")
            .map((tag) => tag.trim())
            .filter(Boolean),
        },
        "saved",
      ),
  );
}

function more(page, path, guarded) {
  const { card } = page.run;
  const baseline = async () => {
    await send("PUT", `/projects/${segment(card.project)}/baseline`, { run: card.id });
    card.baseline = true;
    page.drawHead();
    toast("the project is compared with this run from now on");
  };
  const remove = async () => {
    if (!(await confirmed("Delete this run?", `“${card.name}” and all its figures go for ever.`, "Delete"))) return;
    await send("DELETE", path);
    location.href = "/report/list";
  };
  const against =
    page.run.baseline && page.run.baseline !== card.id
      ? el(
          "a",
          { href: `/report/compare?runs=${segment(page.run.baseline)},${segment(card.id)}` },
          "Compare with the baseline",
        )
      : null;
  const history = () => showComments(card, get);
  const items = [
    may("edit")
      ? el("button", { type: "button", on: { click: () => annotate(page, null, () => page.remarked()) } }, "Annotate")
      : null,
    hasHistory(page.run)
      ? el("button", { type: "button", on: { click: guarded(history) } }, "History of the comment")
      : null,
    against,
    el(
      "a",
      { href: `/report/list?project=${segment(card.project)}&pick=${segment(card.id)}` },
      "Compare with other runs",
    ),
    may("edit") && !card.baseline
      ? el("button", { type: "button", on: { click: guarded(baseline) } }, "Make it the baseline")
      : null,
    may("delete") ? el("button", { type: "button", on: { click: () => shareRun(card) } }, "Share by a link") : null,
    may("delete") && card.state !== "live"
      ? el("button", { type: "button", class: "worse", on: { click: guarded(remove) } }, "Delete")
      : null,
  ];
  return menu("More", items);
}

function exportMenu(card) {
  const links = FORMATS.map(([format, label]) =>
    el("a", { href: `/api/v1/runs/${segment(card.id)}/export/${format}`, download: true }, label),
  );
  return menu([icon("download"), "Export"], links);
}

/** A button that opens a short list; Escape and a click elsewhere close it. */
export function menu(label, items) {
  const node = el("details", { class: "menu" }, el("summary", { class: "button" }, label), el("div", null, items));
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !node.open) return;
    node.open = false;
    node.querySelector("summary").focus();
  });
  node.addEventListener("focusout", (event) => {
    if (!node.contains(event.relatedTarget)) node.open = false;
  });
  return node;
}
