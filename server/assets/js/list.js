// The history: projects, and the runs of them.

import { get, may, segment, send } from "./api.js";
import { byId, confirmed, el, icon, refill, toast } from "./dom.js";
import { columnFormat, count, lasting, middleCut, percent, perSecond, us } from "./format.js";
import { failureShare } from "./of.js";
import { readPlace, writePlace } from "./place.js";
import { projectPanel } from "./project.js";
import { badges, editRemarks } from "./runhead.js";
import { sparkline } from "./spark.js";
import { startFrame } from "./frame.js";
import { ListFilters } from "./listfilters.js";
import { shortName } from "./table.js";
import { moment } from "./zone.js";

const PAGE_SIZE = 50;
const COMPARED_MAX = 6;
/** While a run is live its figures are asked for this often. */
const LIVE_PAUSE_MS = 2000;
/** More projects than this are chosen in a list, not by buttons. */
const PROJECT_BUTTONS_MAX = 10;
/** Letters of the name of a run or a project before its middle is left out. */
const RUN_NAME_LENGTH = 90;
const PROJECT_NAME_LENGTH = 32;
/** The columns of figures: key of the order, head, how one is shown, the value of a run. */
const COLUMNS = [
  ["requests", "requests", count, (run) => run.totals?.sent],
  ["failed", "failed", percent, (run) => (run.totals ? failureShare(run.totals) : null)],
  ["p50", "p50", us, (run) => run.latency?.p50_us],
  ["p99", "p99", us, (run) => run.latency?.p99_us],
];

class ListPage {
  constructor(root) {
    this.root = root;
    const { words } = readPlace();
    this.filters = new ListFilters(words, () => this.load());
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
    const sorter = (key, label) =>
      el("button", { type: "button", title: `Sort by ${label}`, on: { click: () => this.filters.sortBy(key) } }, label);
    const head = el(
      "div",
      { class: "runs-head" },
      el("span"),
      el("span", null, sorter("date", "date"), " · ", sorter("name", "name")),
      el("span", null, sorter("result", "result")),
      el("span", null, "rate"),
      COLUMNS.map(([key, label]) => el("span", { class: "num" }, sorter(key, label))),
      el("span", { class: "num" }, sorter("duration", "lasted")),
      el("span"),
    );
    refill(
      this.root,
      el("div", { class: "row" }, el("h1", { class: "grow" }, "Runs"), this.summary),
      this.projectsNode,
      this.projectNode,
      this.filters.node,
      el("section", { class: "panel", "aria-label": "Runs" }, head, this.listNode, this.moreNode),
      this.dock,
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
    const chosen = this.filters.values.project;
    const button = (name, label, runs) =>
      el(
        "button",
        {
          class: "button small",
          type: "button",
          title: label,
          "aria-pressed": String(chosen === name),
          on: { click: () => this.chooseProject(name) },
        },
        middleCut(label, PROJECT_NAME_LENGTH),
        el("span", { class: "count" }, count(runs)),
      );
    const isMany = this.projects.length > PROJECT_BUTTONS_MAX;
    refill(
      this.projectsNode,
      button("", "All projects", all),
      isMany ? this.projectList(chosen) : this.projects.map((one) => button(one.name, one.name, one.runs)),
    );
    const found = this.projects.find((one) => one.name === chosen);
    refill(this.projectNode, found ? projectPanel(found, () => this.loadProjects()) : null);
  }

  /** A list to choose one of many projects from. */
  projectList(chosen) {
    const control = el(
      "select",
      { "aria-label": "Project", on: { change: () => this.chooseProject(control.value) } },
      el("option", { value: "" }, `one of ${count(this.projects.length)} projects`),
      this.projects.map(({ name, runs }) =>
        el("option", { value: name, title: name }, `${middleCut(name, RUN_NAME_LENGTH)} (${count(runs)})`),
      ),
    );
    control.value = chosen;
    return control;
  }

  chooseProject(name) {
    this.filters.set("project", name);
    this.drawProjects();
  }

  async load() {
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const { runs } = await get("/runs", { ...this.filters.query, limit: PAGE_SIZE }, this.loading.signal);
      this.runs = runs;
      this.isWhole = runs.length < PAGE_SIZE;
      this.draw();
    } catch (error) {
      if (error.name !== "AbortError")
        refill(this.listNode, el("li", null, el("p", { class: "error", role: "alert" }, error.message)));
    }
  }

  async loadMore() {
    const { runs } = await get("/runs", { ...this.filters.query, limit: PAGE_SIZE, offset: this.runs.length });
    this.isWhole = runs.length < PAGE_SIZE;
    const known = new Set(this.runs.map((run) => run.id));
    this.runs.push(...runs.filter((run) => !known.has(run.id)));
    this.draw();
  }

  draw() {
    this.rows.clear();
    const isFiltered = this.filters.isAny;
    this.formats = COLUMNS.map(([, , show, value]) => columnFormat(show, this.runs.map(value)));
    this.root.dataset.sort = this.filters.sortedBy;
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
              "More runs",
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
    const { throughput } = run;
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
        el("a", { class: "name", href: `/report/${segment(run.id)}` }, shortName(run.name, RUN_NAME_LENGTH)),
        el(
          "div",
          { class: "under" },
          el("span", null, moment(run.started_us)),
          el("span", null, shortName(run.project, PROJECT_NAME_LENGTH)),
          run.baseline ? el("span", { class: "badge info" }, "baseline") : null,
          (run.tags ?? []).map((tag) => this.tag(tag)),
        ),
        run.comment ? el("p", { class: "comment" }, run.comment) : null,
      ),
      el("div", { class: "state row" }, badges(run), missedBadge(run)),
      el(
        "div",
        { class: "figures" },
        el("div", { class: "spark-cell" }, sparkline(run.sparkline ?? [], rate)),
        COLUMNS.map(([key, label, , value], at) =>
          figure(label, this.formats[at](value(run)), key === "failed" && value(run) > 0 ? "worse" : ""),
        ),
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
            this.filters.set("tag", text);
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
      const { runs } = await get("/runs", { ...this.filters.query, limit: PAGE_SIZE });
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

/** How many of a run's thresholds were missed; their words show on hover. */
function missedBadge(run) {
  const { met = 0, missed = [] } = run.thresholds ?? {};
  if (!missed.length) return null;
  const title = `missed: ${missed.join("; ")}`;
  return el("span", { class: "muted small", title }, `${missed.length} of ${met + missed.length} missed`);
}

startFrame();
new ListPage(byId("list")).start();
