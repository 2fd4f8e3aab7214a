// A plot whose horizontal axis is not time: spectra, histograms, one figure against another.

import { el, refill } from "./dom.js";
import { foldedTable, plain, tableHolder } from "./table.js";
import { FONT, colour, dashOf, faded, onTheme, swatch } from "./theme.js";

/**
 * `spec`: id, title, note, x { format, isLog, ticks(values) }, y { format, tick, isLog }.
 * `update(lines)`: { key, label, colour, points: [[x, y]…], isDots, isSteps }.
 */
export class FreePlot {
  constructor(spec) {
    this.spec = spec;
    const titleId = `plot-${spec.id}`;
    this.legend = el("div", { class: "legend" });
    this.canvas = el("div", {
      class: "canvas",
      role: "img",
      "aria-label": `Plot: ${spec.title}. The table below says the same.`,
    });
    this.nothing = el("div", { class: "nothing" }, "nothing measured here");
    this.canvas.append(this.nothing);
    this.tableHolder = tableHolder(spec.title);
    this.details = foldedTable(spec.title, this.tableHolder, () => this.fillTable());
    this.node = el(
      "section",
      { class: `panel plot${spec.isWide ? " wide" : ""}`, "aria-labelledby": titleId, data: { plot: spec.id } },
      el(
        "div",
        { class: "head" },
        el("h3", { id: titleId }, spec.title),
        el("span", { class: "note" }, spec.note ?? ""),
      ),
      this.legend,
      this.canvas,
      this.details,
    );
    this.lines = [];
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    onTheme(() => this.lines.length && this.update(this.lines));
  }

  update(lines) {
    this.lines = lines;
    this.chart?.destroy();
    this.chart = null;
    const isEmpty = lines.every((line) => !line.points.length);
    this.nothing.hidden = !isEmpty;
    if (!isEmpty) {
      const width = Math.max(200, this.canvas.clientWidth - 16);
      this.chart = new window.uPlot(this.options(width), this.columns(), this.canvas);
    }
    this.drawLegend();
    this.fillTable();
  }

  columns() {
    return window.uPlot.join(
      this.lines.map((line) => {
        const points = [...line.points].sort((a, b) => a[0] - b[0]);
        return separate(points);
      }),
    );
  }

  options(width) {
    const { x, y } = this.spec;
    const shared = {
      stroke: () => colour("muted"),
      font: FONT,
      grid: { stroke: () => colour("grid"), width: 1 },
      ticks: { show: false },
    };
    const log = (_u, low, high) => (low > 0 ? window.uPlot.rangeLog(low, high, 10, false) : [1, 10]);
    const axisX = {
      ...shared,
      size: 28,
      gap: 6,
      space: x.space ?? 60,
      values: (_u, splits) => splits.map((v) => (v === null ? "" : x.format(v))),
    };
    const axisY = {
      ...shared,
      size: 62,
      gap: 6,
      values: (_u, splits) => splits.map((v) => (v === null ? "" : (y.tick ?? y.format)(v))),
    };
    if (x.isLog) axisX.filter = wholeDecades;
    if (y.isLog) axisY.filter = wholeDecades;
    return {
      width,
      height: this.spec.height ?? 280,
      legend: { show: false },
      padding: [10, 26, 0, 0],
      series: [{}, ...this.lines.map((line) => this.series(line))],
      scales: {
        x: x.isLog
          ? { time: false, distr: 3, range: x.range ?? log }
          : { time: false, range: (_u, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.04] },
        y: y.isLog ? { distr: 3, range: log } : { range: (_u, _low, high) => [0, (high || 1) * 1.06] },
      },
      axes: [axisX, axisY],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      hooks: { setCursor: [(u) => this.readout(u.cursor.idx ?? null)] },
    };
  }

  series(line) {
    const shared = {
      label: line.label,
      stroke: () => colour(line.colour),
      spanGaps: true,
      width: 1.8,
      dash: dashOf(line),
      points: { show: false },
    };
    if (line.isDots) {
      return {
        ...shared,
        paths: () => null,
        points: { show: true, size: 5, stroke: () => colour(line.colour), fill: () => faded(line.colour, 0.35) },
      };
    }
    if (line.isMarked) return { ...shared, points: { show: true, size: 6 } };
    if (line.isSteps)
      return {
        ...shared,
        paths: window.uPlot.paths.stepped({ align: 1 }),
        fill: () => faded(line.colour, 0.18),
        width: 1,
        dash: undefined,
      };
    return shared;
  }

  drawLegend() {
    this.values = this.lines.map(() => el("span", { class: "value" }));
    refill(
      this.legend,
      this.lines.map((line, at) => {
        const item = el(
          "button",
          { type: "button", "aria-pressed": "true" },
          swatch(line),
          line.label,
          this.values[at],
        );
        item.addEventListener("click", () => {
          const isShown = item.getAttribute("aria-pressed") !== "true";
          item.setAttribute("aria-pressed", String(isShown));
          this.chart?.setSeries(at + 1, { show: isShown });
        });
        return item;
      }),
    );
  }

  readout(index) {
    if (!this.chart) return;
    this.lines.forEach((_line, at) => {
      const value = index === null ? null : this.chart.data[at + 1][index];
      const text =
        value === null || value === undefined
          ? ""
          : `${this.spec.y.format(value)} at ${this.spec.x.format(this.chart.data[0][index])}`;
      if (this.values[at]) this.values[at].textContent = text;
    });
  }

  fillTable() {
    if (!this.details.open) return;
    const rows = this.lines.flatMap((line) => line.points.map(([x, y]) => [this.spec.x.format(x), line.label, y]));
    const { x, y } = this.spec;
    const heads = [x.label, "line", { label: y.label, isNumber: true, figure: y.format }];
    refill(this.tableHolder, plain(this.spec.title, heads, rows));
  }

  resize() {
    const width = Math.max(200, this.canvas.clientWidth - 16);
    if (this.chart && this.canvas.clientWidth && width !== this.chart.width)
      this.chart.setSize({ width, height: this.spec.height ?? 280 });
  }
}

/** Columns of points whose x never repeats: uPlot wants it so. */
function separate(points) {
  const xs = [];
  const ys = [];
  for (const [x, y] of points) {
    const last = xs.at(-1);
    xs.push(last !== undefined && x <= last ? last * (1 + 1e-9) + 1e-12 : x);
    ys.push(y);
  }
  return [xs, ys];
}

function wholeDecades(_u, splits) {
  return splits.map((value) => (Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6 ? value : null));
}
