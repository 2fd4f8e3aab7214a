// The page of one run: loads it, keeps one window for all plots and tabs, follows it while it is live.

import { get, isSaved, listen, segment } from "./api.js";
import { byId, el, refill } from "./dom.js";
import { learnNodes, learnPhases } from "./charts.js";
import { joinSeries } from "./columns.js";
import { clock, readClock } from "./format.js";
import { missedMarkers } from "./limits.js";
import { ofChooser, ofWord, readOf } from "./of.js";
import { Overview } from "./overview.js";
import { readPlace, writePlace } from "./place.js";
import { Axis } from "./plot.js";
import { facts, runHead } from "./runhead.js";
import { tilesOf } from "./tiles.js";
import { tabList } from "./tabs.js";
import { Transactions } from "./transactions.js";
import { Distribution } from "./distribution.js";
import { Failures } from "./failures.js";
import { Checks } from "./checks.js";
import { Nodes } from "./nodes.js";
import { Files } from "./files.js";
import { Events } from "./events.js";
import { startFrame } from "./frame.js";

/** Steps asked for; a plot has about as many pixels. */
const POINTS = 600;
/** Steps kept before the whole series is asked for anew, in coarser steps. */
const POINTS_MAX = 900;
/** Seconds that are asked for again, because late nodes may have added to them. */
const OVERLAP_S = 4;

class RunPage {
  constructor(root) {
    this.root = root;
    this.path = `/runs/${segment(root.dataset.run)}`;
    this.place = readPlace();
    this.axis = new Axis("run", (window) => this.zoomed(window));
    this.axis.window = this.place.window;
    this.of = readOf(this.place.words);
    this.withWarmup = this.place.words.get("warmup") === "include";
    this.run = null;
    this.series = null;
    this.busy = false;
    this.again = false;
  }

  get window() {
    return this.axis.window;
  }

  /** The window, whether figures include the warm-up, and which requests latencies are of, as the words of a query. */
  get query() {
    const window = this.window ? { from: this.window[0], to: this.window[1] } : {};
    return { ...window, of: ofWord(this.of), warmup: this.withWarmup ? "include" : null };
  }

  get isLive() {
    return this.run.card.state === "live";
  }

  async start() {
    try {
      this.run = await get(this.path);
    } catch (error) {
      const text = error.status === 404 ? "There is no such run, or you may not see it." : error.message;
      refill(this.root, el("h1", null, "Run"), el("p", { class: "error", role: "alert" }, text));
      return;
    }
    learnPhases(this.run.phases);
    this.build();
    await this.loadSeries();
    this.follow();
    addEventListener("popstate", () => this.returned());
  }

  /** Back or forward: the window that the address names. */
  returned() {
    this.axis.show(readPlace().window, false);
    this.showWindow();
  }

  build() {
    const make = [
      ["overview", "Overview", new Overview(this)],
      ["transactions", "Transactions", new Transactions(this)],
      ["distribution", "Distribution", new Distribution(this)],
      ["failures", "Failures", new Failures(this)],
      ["checks", "Checks and thresholds", new Checks(this)],
      ["nodes", "Nodes and cores", new Nodes(this)],
      ["files", "Script and profile", new Files(this)],
      ["events", "Events", new Events(this)],
    ];
    this.parts = new Map(make.map(([key, , part]) => [key, part]));
    this.tabs = tabList(
      "Views of the run",
      make.map(([key, label, part]) => ({ key, label, panel: part.panel })),
      (key) => this.choose(key),
    );
    this.headNode = el("div", { class: "stack" });
    this.tilesNode = el("div");
    this.bar = this.makeBar();
    refill(
      this.root,
      this.headNode,
      this.tilesNode,
      el("div", null, this.tabs.node, this.bar),
      ...make.map(([, , part]) => part.panel),
    );
    this.drawHead();
    this.choose(this.tabs.has(this.place.tab) ? this.place.tab : "overview", false);
  }

  makeBar() {
    const field = (id, label) =>
      el("input", { type: "text", id, "aria-label": label, inputmode: "numeric", placeholder: "0:00" });
    this.fromField = field("from", "Shown from, as minutes and seconds");
    this.toField = field("to", "Shown to, as minutes and seconds");
    this.whole = el(
      "button",
      { class: "button small", type: "button", on: { click: () => this.axis.show(null) } },
      "Whole run",
    );
    this.fresh = el("span", { class: "muted small", id: "fresh" });
    this.problem = el("span", { class: "small worse", role: "alert" });
    const form = el(
      "form",
      { class: "row", "aria-label": "Window shown" },
      el("label", { for: "from" }, "Window"),
      this.fromField,
      el("span", { class: "muted", "aria-hidden": "true" }, "–"),
      this.toField,
      el("button", { class: "button small", type: "submit" }, "Show"),
      this.whole,
      this.problem,
      ofChooser(this.of, (kind) => this.chooseOf(kind)),
      this.warmupChooser(),
      el("span", { class: "grow" }),
      this.fresh,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const from = readClock(this.fromField.value);
      const to = readClock(this.toField.value);
      if (from !== null && to !== null && to > from) this.axis.show([Math.floor(from), Math.ceil(to)]);
      else this.problem.textContent = "as in 0:10 and 1:30";
    });
    return el("div", { class: "bar" }, form);
  }

  /** A control that includes the warm-up in figures, where there is one. */
  warmupChooser() {
    if (!this.run.warmup_s || isSaved) return null;
    const changed = () => {
      this.withWarmup = box.checked;
      writePlace({ warmup: this.withWarmup ? "include" : null });
      this.loadSeries();
    };
    const box = el("input", { type: "checkbox", id: "warmup", checked: this.withWarmup, on: { change: changed } });
    return el("span", { class: "row nowrap" }, box, el("label", { for: "warmup" }, "with warm-up"));
  }

  drawHead() {
    refill(this.headNode, runHead(this));
    this.axis.markers = [...(this.run.markers ?? []), ...missedMarkers(this.run.thresholds)];
    this.axis.startedUs = this.run.card.started_us ?? null;
    this.axis.warmupEnd = this.run.warmup_s ?? 0;
    this.axis.isLive = this.isLive;
    this.drawBar();
  }

  drawBar() {
    const [from, to] = this.axis.range();
    if (![this.fromField, this.toField].includes(document.activeElement)) {
      this.fromField.value = clock(from);
      this.toField.value = clock(to);
    }
    this.whole.disabled = !this.window;
    const isWarmup = this.window && this.window[1] <= this.run.warmup_s && !this.withWarmup && !isSaved;
    this.problem.textContent = isWarmup ? "all of this is warm-up, which figures leave out" : "";
    const at = this.series?.time_s.at(-1);
    this.fresh.textContent =
      this.isLive && at !== undefined
        ? `live, up to ${clock(at + this.series.step_s)}`
        : isSaved
          ? "saved page: zooming shows the steps it holds"
          : "";
  }

  choose(tab, isKept = true) {
    this.tab = tab;
    this.tabs.select(tab);
    if (isKept) writePlace({ tab: tab === "overview" ? null : tab });
    this.refreshPart();
  }

  get part() {
    return this.parts.get(this.tab);
  }

  refreshPart() {
    if (!this.series && this.tab !== "files") return;
    const { tab } = this;
    this.part.refresh().then(
      () => {
        this.root.dataset.shown = tab;
      },
      (error) => {
        // What cannot be shown now may be at the next look; what is shown stays.
        if (error.name !== "AbortError") this.problem.textContent = error.message;
      },
    );
  }

  chooseOf(kind) {
    this.of = kind;
    writePlace({ of: ofWord(kind) });
    this.loadSeries();
  }

  async zoomed(window) {
    writePlace({ from: window?.[0] ?? null, to: window?.[1] ?? null }, true);
    this.showWindow();
  }

  showWindow() {
    this.drawBar();
    clearTimeout(this.zoomTimer);
    this.zoomTimer = setTimeout(() => this.loadSeries(), 80);
  }

  /** The series of the window, or of everything, anew. */
  async loadSeries() {
    this.loading?.abort();
    this.loading = new AbortController();
    this.root.setAttribute("aria-busy", "true");
    try {
      const series = await get(`${this.path}/series`, { ...this.query, points: POINTS }, this.loading.signal);
      this.take(series);
      await this.drawTiles();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.problem.textContent = error.message;
    }
    this.root.setAttribute("aria-busy", "false");
    this.root.dataset.of = this.of;
    this.root.dataset.window = this.window ? this.window.join("-") : "whole";
  }

  take(series) {
    learnNodes(this.run.nodes ?? []);
    this.series = series;
    if (!this.window && series.time_s.length) this.axis.end = series.time_s.at(-1) + series.step_s;
    const limited = [];
    (series.limited ?? []).forEach((is, at) => {
      if (is) limited.push([series.time_s[at], series.time_s[at] + series.step_s]);
    });
    const said = (this.run.verdict?.reasons ?? [])
      .flatMap((reason) => reason.windows ?? [])
      .map(([from, to]) => [from, to + 1]);
    this.axis.shaded = merged([...limited, ...said]);
    this.drawBar();
    this.refreshPart();
  }

  async drawTiles() {
    const isOwn = (this.window || this.withWarmup) && !isSaved;
    const figures = isOwn ? await get(`${this.path}/window`, this.query, this.loading.signal) : null;
    refill(this.tilesNode, tilesOf(this.run, figures, this.axis.range(), this.of));
    const { failed, unfinished } = this.run.summary.totals;
    this.tabs.count("failures", failed || unfinished ? "!" : "", true);
    const missed = (this.run.thresholds ?? []).filter((one) => one.met === false).length;
    this.tabs.count("checks", missed ? String(missed) : "", true);
  }

  /** While the run is live: what is new, once a second. */
  follow() {
    if (isSaved || !this.isLive) return;
    this.close = listen(`${this.path}/live`, {
      second: () => this.tick(),
      event: () => {
        if (this.tab === "events") this.refreshPart();
      },
      end: () => this.ended(),
    });
    addEventListener("pagehide", () => this.close?.());
  }

  async tick() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      await this.fetchNew();
    } catch (error) {
      if (error.name !== "AbortError") this.fresh.textContent = error.message;
    }
    this.busy = false;
    if (this.again) {
      this.again = false;
      this.tick();
    }
  }

  async fetchNew() {
    this.run = await get(this.path);
    byId("facts")?.replaceWith(facts(this.run));
    if (this.window) {
      this.drawBar();
      return;
    }
    const { series } = this;
    const isFine = series?.time_s.length && series.step_s <= 1 && series.time_s.length < POINTS_MAX;
    const from = isFine ? Math.max(0, series.time_s.at(-1) - OVERLAP_S) : null;
    const fresh = await get(`${this.path}/series`, { from, points: POINTS, of: ofWord(this.of) });
    // another window or kind of request was chosen meanwhile, and is being loaded
    if (this.window || fresh.of !== this.of || (series && series.of !== this.of)) return;
    this.take(isFine ? joinSeries(series, fresh) : fresh);
    this.loading ??= new AbortController();
    await this.drawTiles();
    if (!this.isLive) this.drawHead();
  }

  async ended() {
    this.close?.();
    this.run = await get(this.path);
    this.drawHead();
    await this.loadSeries();
  }
}

/** Windows that touch or overlap become one. */
function merged(windows) {
  const sorted = [...windows].sort((a, b) => a[0] - b[0]);
  const kept = [];
  for (const [from, to] of sorted) {
    const last = kept.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else kept.push([from, to]);
  }
  return kept;
}

startFrame();
new RunPage(byId("run")).start();
