// The history: projects, and the runs of them.

import { get, may, segment, send } from "./api.js";
import { byId, confirmed, el, icon, refill, toast } from "./dom.js";
import { count, lasting, moment, percent, perSecond, us } from "./format.js";
import { failureShare } from "./of.js";
import { readPlace, writePlace } from "./place.js";
import { projectPanel } from "./project.js";
import { badges, editRemarks } from "./runhead.js";
import { sparkline } from "./spark.js";
import { startTheme } from "./theme.js";

const PAGE_SIZE = 50;
const COMPARED_MAX = 6;
/** While a run is live its figures are asked for this often. */
const LIVE_PAUSE_MS = 2000;
const TYPING_PAUSE_MS = 250;

class ListPage {
  constructor(root) {
    this.root = root;
    const { words } = readPlace();
    this.filter = {
      project: words.get("project") ?? "",
      q: words.get("q") ?? "",
      tag: words.get("tag") ?? "",
      verdict: words.get("verdict") ?? "",
    };
    this.picked = new Map(words.getAll("pick").map((id) => [id, null]));
    this.runs = [];
    this.rows = new Map();
  }

  async start() {
    this.build();
    await Promise.all([this.loadProjects(), this.load()]);
    setInterval(() => this.renewLive(), LIVE_PAUSE_MS);
  }

  build() {
    this.projectsNode = el("nav", { class: "projects", "aria-label": "Projects" });
    this.projectNode = el("div");
    this.listNode = el("ul", { class: "runs", "aria-label": "Runs" });
    this.moreNode = el("div");
    this.dock = el("div", { class: "dock", role: "region", "aria-label": "Runs to compare", hidden: true });
    this.summary = el("p", { class: "muted small", role: "status" });
    const head = el(
      "div",
      { class: "runs-head", "aria-hidden": "true" },
      el("span"),
      el("span", null, "run"),
      el("span", null, "state"),
      el("span", null, "rate"),
      ["requests", "failed", "p50", "p99", "lasted"].map((name) => el("span", { class: "num" }, name)),
      el("span"),
    );
    refill(
      this.root,
      el("div", { class: "row" }, el("h1", { class: "grow" }, "Runs"), this.summary),
      this.projectsNode,
      this.projectNode,
      this.filters(),
      el("section", { class: "panel", "aria-label": "Runs" }, head, this.listNode, this.moreNode),
      this.dock,
    );
  }

  filters() {
    const change = (key, value) => {
      this.filter[key] = value;
      writePlace({ [key]: value || null });
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.load(), key === "verdict" ? 0 : TYPING_PAUSE_MS);
    };
    const q = el("input", {
      type: "search",
      id: "q",
      placeholder: "Name, comment, target",
      on: { input: () => change("q", q.value.trim()) },
    });
    this.tagField = el("input", {
      type: "search",
      id: "tag",
      placeholder: "any",
      on: { input: () => change("tag", this.tagField.value.trim()) },
    });
    const verdict = el(
      "select",
      { id: "verdict", on: { change: () => change("verdict", verdict.value) } },
      [
        ["", "any"],
        ["clean", "clean"],
        ["suspect", "suspect"],
        ["invalid", "invalid"],
      ].map(([value, text]) => el("option", { value }, text)),
    );
    q.value = this.filter.q;
    this.tagField.value = this.filter.tag;
    verdict.value = this.filter.verdict;
    const field = (id, label, control, kind) =>
      el("div", { class: kind ? `field ${kind}` : "field" }, el("label", { for: id }, label), control);
    return el(
      "form",
      {
        class: "filters",
        role: "search",
        "aria-label": "Filter the runs",
        on: { submit: (event) => event.preventDefault() },
      },
      field("q", "Search", q, "search"),
      field("tag", "Tag", this.tagField),
      field("verdict", "Verdict", verdict),
    );
  }

  async loadProjects() {
    try {
      this.projects = (await get("/projects")).projects;
    } catch (error) {
      refill(this.projectsNode, el("p", { class: "error", role: "alert" }, error.message));
      return;
    }
    this.drawProjects();
  }

  drawProjects() {
    const all = this.projects.reduce((sum, one) => sum + one.runs, 0);
    const button = (name, label, runs) =>
      el(
        "button",
        {
          class: "button small",
          type: "button",
          "aria-pressed": String(this.filter.project === name),
          on: { click: () => this.chooseProject(name) },
        },
        label,
        el("span", { class: "count" }, count(runs)),
      );
    refill(
      this.projectsNode,
      button("", "All projects", all),
      this.projects.map((one) => button(one.name, one.name, one.runs)),
    );
    const chosen = this.projects.find((one) => one.name === this.filter.project);
    refill(this.projectNode, chosen ? projectPanel(chosen, () => this.loadProjects()) : null);
  }

  chooseProject(name) {
    this.filter.project = name;
    writePlace({ project: name || null });
    this.drawProjects();
    this.load();
  }

  async load() {
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const { runs } = await get("/runs", { ...this.filter, limit: PAGE_SIZE }, this.loading.signal);
      this.runs = runs;
      this.isWhole = runs.length < PAGE_SIZE;
      this.draw();
    } catch (error) {
      if (error.name !== "AbortError")
        refill(this.listNode, el("li", null, el("p", { class: "error", role: "alert" }, error.message)));
    }
  }

  async loadMore() {
    const { runs } = await get("/runs", { ...this.filter, limit: PAGE_SIZE, before: this.runs.at(-1).arrived_us });
    this.isWhole = runs.length < PAGE_SIZE;
    const known = new Set(this.runs.map((run) => run.id));
    this.runs.push(...runs.filter((run) => !known.has(run.id)));
    this.draw();
  }

  draw() {
    this.rows.clear();
    const isFiltered = Object.values(this.filter).some(Boolean);
    const none = isFiltered
      ? el("li", { class: "empty" }, el("strong", null, "No run fits"), "Take a filter away.")
      : el("li", { class: "empty" }, el("strong", null, "No runs yet"), "mistress run PROFILE.toml shows itself here.");
    refill(this.listNode, this.runs.length ? this.runs.map((run) => this.row(run)) : none);
    refill(
      this.moreNode,
      this.isWhole
        ? null
        : el(
            "p",
            { class: "empty" },
            el(
              "button",
              {
                class: "button",
                type: "button",
                on: { click: () => this.loadMore().catch((error) => toast(error.message)) },
              },
              "Older runs",
            ),
          ),
    );
    this.summary.textContent = this.runs.length ? `${this.runs.length}${this.isWhole ? "" : " or more"} shown` : "";
    for (const run of this.runs) if (this.picked.has(run.id)) this.picked.set(run.id, run);
    this.drawDock();
    this.root.dataset.ready = "true";
  }

  row(run) {
    const node = el("li", { class: run.pinned ? "run pinned" : "run", data: { run: run.id } }, this.cells(run));
    this.rows.set(run.id, node);
    return node;
  }

  cells(run) {
    const { totals, latency, throughput } = run;
    const failed = failureShare(totals);
    const figure = (label, value, kind) =>
      el(
        "span",
        { class: kind ? `figure ${kind}` : "figure" },
        el("span", { class: "label muted" }, label),
        el("span", { class: "sr-only" }, `${label}: `),
        value,
      );
    const box = el("input", {
      type: "checkbox",
      "aria-label": `Compare ${run.name} of ${moment(run.started_us)}`,
      on: { change: () => this.pick(run, box) },
    });
    box.checked = this.picked.has(run.id);
    const rate = throughput?.load_s > 0 ? perSecond(throughput.requests_per_s) : "";
    return [
      box,
      el(
        "div",
        { class: "what" },
        el("a", { class: "name", href: `/report/${segment(run.id)}` }, run.name),
        el(
          "div",
          { class: "under" },
          el("span", null, moment(run.started_us)),
          el("span", null, run.project),
          run.baseline ? el("span", { class: "badge info" }, "baseline") : null,
          (run.tags ?? []).map((tag) => this.tag(tag)),
        ),
        run.comment ? el("p", { class: "comment" }, run.comment) : null,
      ),
      el("div", { class: "state row" }, badges(run)),
      el(
        "div",
        { class: "figures" },
        el("div", { class: "spark-cell" }, sparkline(run.sparkline ?? [], rate)),
        figure("requests", count(totals.sent)),
        figure("failed", failed === null ? "–" : percent(failed), failed ? "worse" : ""),
        figure("p50", us(latency?.p50_us)),
        figure("p99", us(latency?.p99_us)),
        figure("lasted", lasting(run.duration_s)),
      ),
      this.acts(run),
    ];
  }

  tag(text) {
    return el(
      "button",
      {
        class: "tag",
        type: "button",
        title: `Only runs with the tag ${text}`,
        on: {
          click: () => {
            this.tagField.value = text;
            this.tagField.dispatchEvent(new Event("input"));
          },
        },
      },
      text,
    );
  }

  acts(run) {
    const path = `/runs/${segment(run.id)}`;
    const change = async (body, said) => {
      await send("PATCH", path, body);
      Object.assign(run, body);
      this.redraw(run);
      toast(said);
    };
    const guarded = (action) => () => action().catch((error) => toast(error.message));
    const remove = async () => {
      if (
        !(await confirmed(
          "Delete this run?",
          `“${run.name}” of ${moment(run.started_us)} and all its figures go for ever.`,
          "Delete",
        ))
      )
        return;
      await send("DELETE", path);
      this.picked.delete(run.id);
      this.runs = this.runs.filter((one) => one !== run);
      this.draw();
      this.loadProjects();
      toast("deleted");
    };
    const button = (name, label, action, pressed) =>
      el(
        "button",
        {
          class: "button quiet icon small",
          type: "button",
          "aria-label": `${label}: ${run.name}`,
          title: label,
          "aria-pressed": pressed,
          on: { click: action },
        },
        icon(name),
      );
    return el(
      "div",
      { class: "acts" },
      may("edit") &&
        button(
          "pin",
          "Pin",
          guarded(() => change({ pinned: !run.pinned }, run.pinned ? "no longer pinned" : "pinned")),
          String(Boolean(run.pinned)),
        ),
      may("edit") && button("edit", "Comment and tags", () => editRemarks(run, change)),
      may("delete") && run.state !== "live" && button("trash", "Delete", guarded(remove)),
    );
  }

  redraw(run) {
    const node = this.rows.get(run.id);
    if (!node) return;
    node.classList.toggle("pinned", Boolean(run.pinned));
    refill(node, this.cells(run));
  }

  pick(run, box) {
    if (box.checked && this.picked.size >= COMPARED_MAX) {
      box.checked = false;
      toast(`at most ${COMPARED_MAX} runs are compared`);
      return;
    }
    if (box.checked) this.picked.set(run.id, run);
    else this.picked.delete(run.id);
    this.drawDock();
  }

  drawDock() {
    const ids = [...this.picked.keys()];
    this.dock.hidden = !ids.length;
    const isEnough = ids.length > 1;
    const clear = () => {
      this.picked.clear();
      writePlace({ pick: null });
      this.draw();
    };
    refill(
      this.dock,
      el("span", null, `${ids.length} of ${COMPARED_MAX} chosen`),
      el(
        "a",
        {
          class: "button primary",
          href: isEnough ? `/report/compare?runs=${ids.map(segment).join(",")}` : null,
          "aria-disabled": String(!isEnough),
          role: "link",
        },
        icon("scale"),
        "Compare",
      ),
      el(
        "button",
        { class: "button quiet icon", type: "button", "aria-label": "Choose none", on: { click: clear } },
        icon("close"),
      ),
    );
  }

  /** Live runs move; and a new one appears. */
  async renewLive() {
    if (document.hidden || this.root.querySelector("dialog")) return;
    try {
      const { runs } = await get("/runs", { ...this.filter, limit: PAGE_SIZE });
      const isOther =
        runs.length < Math.min(this.runs.length, PAGE_SIZE) || runs.some((run, at) => run.id !== this.runs[at]?.id);
      if (isOther) {
        this.runs = [...runs, ...this.runs.slice(PAGE_SIZE)];
        this.draw();
        this.loadProjects();
        return;
      }
      runs.forEach((run, at) => {
        const old = this.runs[at];
        if (old.state !== "live" && run.state === old.state) return;
        Object.assign(old, run);
        this.redraw(old);
      });
    } catch (_) {
      // The server is away for a moment; the next look tells.
    }
  }
}

startTheme();
new ListPage(byId("list")).start();
