// One plot on the shared time axis: legend with values at the crosshair, limits, markers, shaded
// windows, a table that says the same. Drawing is uPlot's.

import { el, refill } from "./dom.js";
import { clock } from "./format.js";
import { drawLimits, drawMarkers, drawShaded, drawWarmup } from "./paint.js";
import { foldedTable, plain, tableHolder } from "./table.js";
import { FONT, colour, dashOf, faded, onTheme, swatch } from "./theme.js";
import { inZone, timeOfDay, zoneAt } from "./zone.js";

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
/** More rows than this make a table that nobody reads and browsers build slowly. */
const TABLE_ROWS_MAX = 1000;
const DAY_S = 86400;
/** A limit that is this many times the greatest value of a plot, or less, is brought into view. */
const LIMIT_REACH = 3;
/** The same where the axis is logarithmic, to both sides. */
const LIMIT_REACH_LOG = 10;

/** What all plots of a page share: crosshair, window, markers, shaded windows. */
export class Axis {
  constructor(key, zoomed) {
    this.key = key;
    this.plots = new Set();
    this.markers = [];
    this.shaded = [];
    /** The second at which the warm-up ends. */
    this.warmupEnd = 0;
    this.window = null;
    this.end = 10;
    /** When second 0 was, in microseconds since 1970; null where runs of several times are shown. */
    this.startedUs = null;
    /** Without a crosshair the legends tell the last step of a live run, and nothing of one that ended. */
    this.isLive = false;
    this.zoomed = zoomed;
    onTheme(() => {
      for (const plot of this.plots) plot.redraw();
    });
  }

  /** The seconds shown: [from, to]. */
  range() {
    return this.window ?? [0, Math.max(this.end, 1)];
  }

  /** Shows a window, or everything for null, in all plots; tells the page when `isTold`. */
  show(window, isTold = true) {
    const same = String(window) === String(this.window);
    this.window = window;
    for (const plot of this.plots) plot.rescale();
    if (isTold && !same) this.zoomed?.(window);
  }

  /** Selects from one plot; a stroke too short to be meant is none. */
  select(from, to) {
    const low = Math.max(0, Math.floor(from));
    const high = Math.ceil(to);
    if (high > low) this.show([low, high]);
  }

  /** Zooms about a second by a factor. */
  scale(centre, factor) {
    const [from, to] = this.range();
    const width = Math.max(2, (to - from) * factor);
    if (width >= this.end) return this.show(null);
    const share = (centre - from) / (to - from);
    const low = Math.max(0, Math.round(centre - width * share));
    return this.show([low, Math.max(low + 1, Math.round(low + width))]);
  }

  /** The time of the day of a second, with its day where the axis spans several; null where none is known. */
  wallTime(second) {
    if (this.startedUs === null) return null;
    const at = this.startedUs + second * 1e6;
    const [from, to] = this.range();
    const day = to - from > DAY_S ? `${inZone(at, { day: "numeric", month: "short" })} ` : "";
    return day + timeOfDay(at);
  }

  /** What that time is told in, such as `UTC+2`. */
  get zone() {
    return this.startedUs === null ? null : zoneAt(this.startedUs);
  }

  /** Puts the crosshair of all plots at a second. */
  point(second) {
    for (const plot of this.plots) plot.point(second);
  }
}

/**
 * A plot. `spec`: id, title, note, format(value), isLog, isWide, right (format of a second axis),
 * choice { label, options, value }, min, max, incrs (steps of the ticks).
 * Lines: { key, label, colour, values, low, dash, width, area, isHidden, isRight, isPoints, format }.
 * A line with `low` is a band from `low` to `values`. Limits: { key, label, value, isMissed, missedAt }.
 */
export class Plot {
  constructor(spec, axis) {
    this.spec = spec;
    this.axis = axis;
    this.lines = [];
    this.limits = [];
    this.time = [];
    this.hidden = new Map();
    this.chart = null;
    this.shape = "";
    this.build();
    axis.plots.add(this);
  }

  build() {
    const { spec } = this;
    const titleId = `plot-${spec.id}`;
    this.legend = el("div", { class: "legend" });
    this.pointed = el("span", { class: "pointed" });
    this.canvas = el("div", {
      class: "canvas",
      tabindex: "0",
      role: "img",
      "aria-label": `Plot: ${spec.title}. Arrow keys move the crosshair, plus and minus zoom, zero shows the whole run. The table below says the same.`,
      on: { keydown: (event) => this.key(event) },
    });
    this.nothing = el("div", { class: "nothing", hidden: true }, spec.empty ?? "nothing measured here");
    this.canvas.append(this.nothing);
    this.tableHolder = tableHolder(spec.title);
    this.details = foldedTable(spec.title, this.tableHolder, () => this.fillTable());
    this.note = el("span", { class: "note grow" }, spec.note ?? "");
    const heading = el("h3", { id: titleId }, spec.title);
    this.head = el("div", { class: "head" }, heading, this.note, this.chooser());
    this.node = el(
      "section",
      { class: `panel plot${spec.isWide ? " wide" : ""}`, "aria-labelledby": titleId, data: { plot: spec.id } },
      this.head,
      this.legend,
      this.canvas,
      this.details,
    );
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.canvas);
  }

  /** Says more about what is shown, behind the note. */
  remark(text) {
    this.note.textContent = [this.spec.note, text].filter(Boolean).join("; ");
  }

  chooser() {
    const { choice } = this.spec;
    if (!choice) return null;
    const id = `choice-${this.spec.id}`;
    const select = el(
      "select",
      {
        id,
        on: {
          change: () => {
            choice.value = select.value;
            choice.changed?.(select.value);
          },
        },
      },
      choice.options.map(([value, text]) => el("option", { value, selected: value === choice.value }, text)),
    );
    return [el("label", { class: "sr-only", for: id }, choice.label), select];
  }

  /** Other data; the same lines in the same order keep what the visitor switched off. */
  update(time, lines, limits = []) {
    this.time = time;
    this.lines = lines;
    this.limits = limits;
    const shape = [...lines, ...limits].map((one) => one.key).join("\n");
    const hasAny = lines.some((line) => line.values.some((value) => value !== null && value !== undefined));
    this.nothing.hidden = hasAny;
    if (!this.chart || shape !== this.shape) {
      this.shape = shape;
      this.make();
    } else {
      this.chart.setData(this.columns(), false);
      this.rescale();
      this.readout(this.chart.cursor.idx ?? null, this.chart);
    }
    this.fillTable();
  }

  isHidden(line) {
    return this.hidden.get(line.key) ?? Boolean(line.isHidden);
  }

  columns() {
    const clean = (values) => (this.spec.isLog ? values.map((value) => (value > 0 ? value : null)) : values);
    const columns = [this.time];
    for (const line of this.lines) {
      columns.push(clean(line.values));
      if (line.low) columns.push(clean(line.low));
    }
    return columns;
  }

  make() {
    this.chart?.destroy();
    const width = Math.max(200, this.canvas.clientWidth - 16);
    this.chart = new window.uPlot(this.options(width), this.columns(), this.canvas);
    this.rescale();
    this.drawLegend();
    this.readout(null);
  }

  options(width) {
    const series = [{}];
    const bands = [];
    for (const line of this.lines) {
      series.push(this.series(line));
      if (line.low) {
        series.push({ ...this.series(line), width: line.isBandOnly ? 0 : 1 });
        bands.push({ series: [series.length - 2, series.length - 1], fill: () => faded(line.colour, 0.22) });
      }
    }
    return {
      width,
      height: this.height(),
      series,
      bands,
      scales: this.scales(),
      axes: this.axes(),
      legend: { show: false },
      padding: [10, this.spec.right ? 4 : this.axis.startedUs === null ? 14 : 30, 0, 0],
      cursor: {
        sync: { key: this.axis.key, scales: ["x", null] },
        points: { size: 6 },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        bind: { dblclick: () => () => this.axis.show(null) },
      },
      hooks: {
        drawClear: [(u) => drawWarmup(u, this.axis.warmupEnd), (u) => drawShaded(u, this.axis.shaded)],
        draw: [
          (u) => this.spec.paint?.(u),
          (u) => drawLimits(u, this.limits),
          (u) => drawMarkers(u, this.axis.markers),
        ],
        setCursor: [(u) => this.readout(u.cursor.idx ?? null, u)],
        setSelect: [(u) => this.selected(u)],
      },
    };
  }

  series(line) {
    return {
      label: line.label,
      show: !this.isHidden(line),
      scale: line.isRight ? "right" : "y",
      spanGaps: false,
      stroke: () => colour(line.colour),
      width: line.isBandOnly ? 0 : (line.width ?? 1.6),
      dash: dashOf(line),
      fill: line.area ? () => faded(line.colour, 0.12) : undefined,
      points: { show: line.isPoints ?? this.time.length < 3, size: 5 },
    };
  }

  scales() {
    const { spec } = this;
    const values = () => this.limits.map((limit) => limit.value).filter((value) => value > 0);
    const linear = (top) => (_u, _low, high) => {
      const all = [high, ...values().filter((value) => value <= high * LIMIT_REACH)];
      return [spec.min ?? 0, spec.max ?? (high > 0 ? Math.max(...all) * 1.08 : top)];
    };
    const log = (_u, low, high) => {
      if (!(low > 0)) return [100, 100000];
      const near = values().filter((value) => value <= high * LIMIT_REACH_LOG && value * LIMIT_REACH_LOG >= low);
      return spread(Math.min(low, ...near), Math.max(high, ...near));
    };
    return {
      x: { time: false, range: () => this.axis.range() },
      y: spec.isLog ? { distr: 3, range: spec.range ?? log } : { range: linear(1) },
      right: { range: (_u, _low, high) => [0, high > 0 ? high * 1.08 : 1] },
    };
  }

  axes() {
    const shared = {
      stroke: () => colour("muted"),
      font: FONT,
      grid: { stroke: () => colour("grid"), width: 1 },
      ticks: { show: false },
    };
    const format = this.spec.tick ?? this.spec.format;
    const axes = [
      {
        ...shared,
        incrs: STEPS_S,
        values: (_u, splits) => splits.map((second) => this.tickText(second)),
        space: this.axis.startedUs === null ? 64 : 76,
        size: this.axis.startedUs === null ? 26 : 40,
        gap: 6,
      },
      {
        ...shared,
        scale: "y",
        size: 62,
        gap: 6,
        incrs: this.spec.incrs,
        values: (_u, splits) => splits.map((v) => (v === null ? "" : format(v))),
      },
    ];
    if (this.spec.isLog) axes[1].filter = decades;
    if (this.spec.right) {
      axes.push({
        ...shared,
        scale: "right",
        side: 1,
        size: 48,
        gap: 6,
        grid: { show: false },
        values: (_u, splits) => splits.map(this.spec.right),
      });
    }
    return axes;
  }

  /** Run time, and below it local time. */
  tickText(second) {
    const wall = this.axis.wallTime(second);
    return wall === null ? clock(second) : `${clock(second)}\n${wall}`;
  }

  height() {
    return this.spec.height ?? (this.canvas.clientWidth < 500 ? 180 : 210);
  }

  selected(u) {
    if (u.select.width < 6) return;
    const from = u.posToVal(u.select.left, "x");
    const to = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.axis.select(from, to);
  }

  rescale() {
    if (!this.chart) return;
    const [min, max] = this.axis.range();
    this.chart.setScale("x", { min, max });
    if (this.details.open) this.fillTable();
  }

  resize() {
    if (!this.chart || !this.canvas.clientWidth) return;
    const width = Math.max(200, this.canvas.clientWidth - 16);
    if (width !== this.chart.width) this.chart.setSize({ width, height: this.height() });
  }

  redraw() {
    this.chart?.redraw(false, true);
    this.drawLegend();
  }

  point(second) {
    if (!this.chart) return;
    const left = second === null ? -10 : this.chart.valToPos(second, "x");
    this.chart.setCursor({ left, top: second === null ? -10 : 10 });
  }

  key(event) {
    const step = event.shiftKey ? 10 : 1;
    const last = this.time.length - 1;
    const at = this.chart?.cursor.idx ?? last;
    const move = { ArrowRight: step, ArrowLeft: -step, Home: -at, End: last - at }[event.key];
    if (move !== undefined) {
      event.preventDefault();
      const to = Math.min(last, Math.max(0, at + move));
      if (to >= 0) this.axis.point(this.time[to]);
    } else if (event.key === "+" || event.key === "-") {
      const [from, end] = this.axis.range();
      this.axis.scale(this.time[at] ?? (from + end) / 2, event.key === "+" ? 0.5 : 2);
    } else if (event.key === "0" || event.key === "Escape") {
      this.axis.show(null);
    }
  }

  drawLegend() {
    this.values = [];
    let at = 1;
    refill(
      this.legend,
      this.lines.map((line) => {
        const value = el("span", { class: "value" });
        this.values.push(value);
        const first = at;
        at += line.low ? 2 : 1;
        const button = el(
          "button",
          { type: "button", "aria-pressed": String(!this.isHidden(line)), title: line.title },
          swatch(line),
          line.label,
          value,
        );
        button.addEventListener("click", () => this.toggle(line, button, first));
        return button;
      }),
      this.limits.map((limit) =>
        el(
          "span",
          { class: `limit${limit.isMissed ? " worse" : ""}`, data: { limit: limit.key } },
          swatch({ colour: limit.isMissed ? "bad" : "muted", dash: [6, 3] }),
          `limit: ${limit.label}`,
        ),
      ),
      this.pointed,
    );
    this.readout(null);
  }

  toggle(line, button, first) {
    const isHidden = !this.isHidden(line);
    this.hidden.set(line.key, isHidden);
    button.setAttribute("aria-pressed", String(!isHidden));
    this.chart.setSeries(first, { show: !isHidden });
    if (line.low) this.chart.setSeries(first + 1, { show: !isHidden });
  }

  /** Shows the values at an index in the legend. */
  readout(index, u) {
    if (!this.values) return;
    const at = index ?? (this.axis.isLive ? this.lastInView() : -1);
    this.lines.forEach((line, number) => {
      this.values[number].textContent = at < 0 ? "" : cell(line, at, this.spec.format);
    });
    const second = this.time[index ?? -1];
    const wall = second === undefined ? null : this.axis.wallTime(second);
    this.pointed.textContent =
      second === undefined ? "" : [clock(second), wall && `${wall} ${this.axis.zone}`].filter(Boolean).join(" · ");
    this.spec.pointed?.(u ?? this.chart, index);
  }

  lastInView() {
    const [, to] = this.axis.range();
    let at = this.time.length - 1;
    while (at > 0 && this.time[at] >= to) at -= 1;
    return at;
  }

  fillTable() {
    if (!this.details.open) return;
    const { axis, lines, spec, time } = this;
    const [from, to] = axis.range();
    const isWall = axis.startedUs !== null;
    const rows = [];
    for (let at = 0; at < time.length && rows.length < TABLE_ROWS_MAX; at += 1) {
      if (time[at] < from || time[at] > to) continue;
      const values = lines.map((line) => (line.low ? [line.low[at], line.values[at]] : line.values[at]));
      rows.push([clock(time[at]), ...(isWall ? [axis.wallTime(time[at])] : []), ...values]);
    }
    const heads = [
      "time",
      ...(isWall ? [{ label: axis.zone }] : []),
      ...lines.map((line) => ({ label: line.label, isNumber: true, figure: line.format ?? spec.format })),
    ];
    refill(this.tableHolder, plain(spec.title, heads, rows));
  }

  remove() {
    this.axis.plots.delete(this);
    this.observer.disconnect();
    this.chart?.destroy();
    this.node.remove();
  }
}

function cell(line, at, format) {
  const show = line.format ?? format;
  return line.low ? `${show(line.low[at])} – ${show(line.values[at])}` : show(line.values[at]);
}

/** Round bounds for a log axis: the next 1, 2 or 5 of a decade outside. */
export function spread(low, high) {
  const nice = [1, 2, 5, 10];
  const power = (value) => 10 ** Math.floor(Math.log10(value) + 1e-9);
  const below = power(low) * Math.max(...nice.filter((n) => n * power(low) <= low * 1.000001));
  const above = power(high) * Math.min(...nice.filter((n) => n * power(high) >= high * 0.999999));
  return above / below < 4 ? [below / 2, above * 2] : [below, above];
}

/** Labels of a log axis at 1, 2 and 5 of each decade when there is room, else at 1 only. */
function decades(u, splits) {
  const decadesShown = Math.log10(u.scales.y.max / u.scales.y.min);
  const room = u.height / Math.max(1, decadesShown);
  const leads = room > 90 ? [1, 2, 5] : room > 60 ? [1, 3] : [1];
  return splits.map((value) => {
    const lead = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
    return leads.includes(lead) ? value : null;
  });
}
