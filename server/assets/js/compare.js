// Up to six runs beside each other: over time, in figures, in their distributions, in their files.

import { get, segment } from "./api.js";
import { CHOICES, ring } from "./charts.js";
import { byId, el, icon, refill } from "./dom.js";
import { clock, count, lasting, perSecond, shortCount, us } from "./format.js";
import { differences } from "./differences.js";
import { diffView } from "./diff.js";
import { spectrumPlot, spectrumPoints } from "./distribution.js";
import { filesOf } from "./files.js";
import { NameDifferences } from "./namediff.js";
import { ofChooser, ofText, ofWord, readOf } from "./of.js";
import { readPlace, writePlace } from "./place.js";
import { Axis, Plot } from "./plot.js";
import { badges } from "./runhead.js";
import { shortName } from "./table.js";
import { startFrame } from "./frame.js";
import { moment } from "./zone.js";

const RUNS_MAX = 6;
const POINTS = 500;

/** Runs are called by letters, in the order they were chosen. */
function letter(at) {
  return String.fromCharCode(65 + at);
}

class ComparePage {
  constructor(root) {
    this.root = root;
    const { words, window } = readPlace();
    this.ids = [...new Set((words.get("runs") ?? "").split(",").filter(Boolean))].slice(0, RUNS_MAX);
    this.axis = new Axis("compare", (chosen) => this.zoomed(chosen));
    this.axis.window = window;
    this.of = readOf(words);
  }

  async start() {
    if (this.ids.length < 2) {
      refill(
        this.root,
        el("h1", null, "Compare"),
        el(
          "p",
          { class: "empty" },
          el("strong", null, "Choose two to six runs"),
          el("a", { href: "/report/list" }, "in the list of runs"),
        ),
      );
      return;
    }
    try {
      this.runs = await Promise.all(this.ids.map((id) => get(`/runs/${segment(id)}`)));
    } catch (error) {
      refill(this.root, el("h1", null, "Compare"), el("p", { class: "error", role: "alert" }, error.message));
      return;
    }
    this.build();
    await Promise.all([this.drawTime(), this.drawTable(), this.drawSpectrum(), this.drawNames()]);
    this.drawFiles();
    this.root.dataset.ready = "true";
  }

  build() {
    const stat = { label: "Which value of each step", options: CHOICES, value: "p99", changed: () => this.drawLines() };
    this.stat = stat;
    this.plots = {
      latency: new Plot(
        {
          id: "latency",
          title: "Latency",
          note: "log axis, from the start of each run",
          format: us,
          isLog: true,
          isWide: true,
          height: 280,
          choice: stat,
        },
        this.axis,
      ),
      done: new Plot(
        { id: "done", title: "Requests done", note: "per second", format: perSecond, tick: shortCount },
        this.axis,
      ),
      failed: new Plot(
        {
          id: "failed",
          title: "Failures",
          note: "per second",
          format: perSecond,
          tick: shortCount,
          empty: "no failures",
        },
        this.axis,
      ),
      users: new Plot(
        { id: "users", title: "Users", note: "most of each step", format: count, tick: shortCount },
        this.axis,
      ),
      lag: new Plot(
        { id: "lag", title: "Lag of the generators", note: "p99, log axis", format: us, isLog: true },
        this.axis,
      ),
    };
    this.spectrum = spectrumPlot("spectrum");
    this.tableNode = el("div", { class: "body" });
    this.names = new NameDifferences(
      this.ids,
      this.ids.map((_, at) => letter(at)),
    );
    this.filesNode = el("div");
    this.whole = el(
      "button",
      { class: "button small", type: "button", disabled: !this.axis.window, on: { click: () => this.axis.show(null) } },
      "Whole runs",
    );
    this.windowText = el("span", { class: "muted small" });
    refill(
      this.root,
      el(
        "div",
        { class: "row" },
        el("h1", { class: "grow" }, "Compare"),
        this.windowText,
        this.whole,
        ofChooser(this.of, (kind) => this.chooseOf(kind)),
      ),
      this.lineup(),
      el(
        "section",
        { class: "panel", "aria-labelledby": "table-title" },
        el(
          "div",
          { class: "head" },
          el("h2", { id: "table-title" }, "Differences to A"),
          el("span", { class: "muted small" }, "of the whole runs; 95 % intervals by resampling their seconds"),
        ),
        this.tableNode,
      ),
      this.names.node,
      el(
        "div",
        { class: "plots" },
        Object.values(this.plots).map((plot) => plot.node),
        this.spectrum.node,
      ),
      el(
        "section",
        { class: "panel", "aria-labelledby": "files-title" },
        el(
          "div",
          { class: "head" },
          el("h2", { id: "files-title", class: "grow" }, "Profile and scripts"),
          this.fileChooser(),
        ),
        this.filesNode,
      ),
    );
  }

  lineup() {
    return el(
      "ol",
      { class: "lineup", "aria-label": "Runs compared" },
      this.runs.map(({ card }, at) => {
        const item = el(
          "li",
          null,
          el(
            "div",
            { class: "row" },
            el(
              "span",
              { class: "row nowrap" },
              runLetter(at),
              el("a", { class: "name", href: `/report/${segment(card.id)}` }, shortName(card.name)),
            ),
            this.removeButton(card, at),
          ),
          el("span", { class: "muted small" }, `${moment(card.started_us)} · ${lasting(card.duration_s)}`),
          el("span", { class: "row start" }, badges(card)),
          card.comment ? el("span", { class: "small muted" }, card.comment) : null,
        );
        item.style.borderLeftColor = `var(--${ring(at)})`;
        return item;
      }),
    );
  }

  removeButton(card, at) {
    const others = this.ids.filter((id) => id !== card.id);
    const first = [card.id, ...others];
    const link = (ids, label, ...content) =>
      el(
        "a",
        { class: "button quiet small", href: `?runs=${ids.map(segment).join(",")}`, "aria-label": label, title: label },
        content,
      );
    return el(
      "span",
      { class: "row nowrap" },
      at ? link(first, `Make A: measure the others against ${card.name}`, "Make A") : null,
      others.length > 1 ? link(others, `Leave out ${card.name}`, icon("close")) : null,
    );
  }

  chooseOf(kind) {
    this.of = kind;
    writePlace({ of: ofWord(kind) });
    this.drawTime();
    this.drawTable();
    this.drawSpectrum();
    this.drawNames();
  }

  zoomed(window) {
    writePlace({ from: window?.[0] ?? null, to: window?.[1] ?? null });
    this.whole.disabled = !window;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.drawTime();
      this.drawSpectrum();
      this.drawNames();
    }, 100);
  }

  get query() {
    return { ...(this.axis.window ? { from: this.axis.window[0], to: this.axis.window[1] } : {}), of: ofWord(this.of) };
  }

  async drawTime() {
    this.windowText.textContent = this.axis.window
      ? `${clock(this.axis.window[0])} – ${clock(this.axis.window[1])}`
      : "";
    this.series = await Promise.all(
      this.ids.map((id) => get(`/runs/${segment(id)}/series`, { ...this.query, points: POINTS })),
    );
    if (!this.axis.window)
      this.axis.end = Math.max(
        10,
        ...this.series.map((one) => (one.time_s.length ? one.time_s.at(-1) + one.step_s : 0)),
      );
    this.axis.markers = this.runs[0].markers ?? [];
    this.drawLines();
  }

  drawLines() {
    const times = [...new Set(this.series.flatMap((one) => one.time_s))].sort((a, b) => a - b);
    const lines = (pick) =>
      this.series.map((one, at) => {
        const values = pick(one) ?? [];
        const where = new Map(one.time_s.map((time, index) => [time, index]));
        return {
          key: letter(at),
          label: letter(at),
          colour: ring(at),
          title: this.runs[at].card.name,
          values: times.map((time) =>
            where.has(time) ? (values[where.get(time)] ?? null) : one.step_s > 1 || this.isMixed() ? undefined : null,
          ),
        };
      });
    this.plots.latency.remark(`of ${ofText(this.of)}`);
    this.plots.latency.update(
      times,
      lines((one) => one.latency?.[this.stat.value]),
    );
    this.plots.done.update(
      times,
      lines((one) => one.done),
    );
    this.plots.failed.update(
      times,
      lines((one) => one.failed),
    );
    this.plots.users.update(
      times,
      lines((one) => one.users_max),
    );
    this.plots.lag.update(
      times,
      lines((one) => one.lag?.p99),
    );
  }

  /** True when the runs are shown in steps of different lengths: then times without a value are no gaps. */
  isMixed() {
    return new Set(this.series.map((one) => one.step_s)).size > 1;
  }

  async drawTable() {
    try {
      const answer = await get("/compare", { runs: this.ids.join(","), of: ofWord(this.of) });
      refill(
        this.tableNode,
        differences(
          answer,
          this.runs.map((_, at) => ({ name: letter(at), node: runLetter(at) })),
        ),
      );
    } catch (error) {
      refill(this.tableNode, el("p", { class: "error", role: "alert" }, error.message));
    }
  }

  /** Differences by name, in the window shown. */
  async drawNames() {
    try {
      await this.names.refresh(this.query);
    } catch (error) {
      refill(this.names.body, el("p", { class: "error", role: "alert" }, error.message));
    }
  }

  async drawSpectrum() {
    const answers = await Promise.all(
      this.ids.map((id) => get(`/runs/${segment(id)}/distribution`, { ...this.query, phase: "latency" })),
    );
    this.spectrum.update(
      answers.map((answer, at) => ({
        key: letter(at),
        label: letter(at),
        colour: ring(at),
        points: spectrumPoints(answer.spectrum),
      })),
    );
  }

  fileChooser() {
    const options = () => this.runs.map((run, at) => el("option", { value: at }, `${letter(at)} ${run.card.name}`));
    const select = (id, label, value) => {
      const node = el("select", { id, "aria-label": label, on: { change: () => this.drawFiles() } }, options());
      node.value = String(value);
      return node;
    };
    this.left = select("diff-left", "Files before", 0);
    this.right = select("diff-right", "Files after", 1);
    return el("span", { class: "row files" }, this.left, el("span", { "aria-hidden": "true" }, "→"), this.right);
  }

  drawFiles() {
    const a = filesOf(this.runs[Number(this.left.value)]);
    const b = filesOf(this.runs[Number(this.right.value)]);
    const names = [...new Set([...a, ...b].map((file) => file.name))];
    const text = (files, name) => files.find((file) => file.name === name)?.text ?? "";
    refill(
      this.filesNode,
      names.length
        ? names.map((name) =>
            el(
              "section",
              { "aria-label": name },
              el("h3", { class: "mono file" }, name),
              diffView(name, text(a, name), text(b, name)),
            ),
          )
        : el("p", { class: "empty" }, "These runs brought no files."),
    );
  }
}

/** A run's letter in its colour. */
function runLetter(at) {
  const node = el("span", { class: "letter" }, letter(at));
  node.style.background = `var(--${ring(at)})`;
  return node;
}

startFrame();
new ComparePage(byId("compare")).start();
