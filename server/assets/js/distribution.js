// How times are distributed in the window shown: spectrum, histogram, latency against rate.

import { get, isSaved } from "./api.js";
import { phaseLabels } from "./charts.js";
import { el, refill } from "./dom.js";
import { count, middleCut, perSecond, shortCount, us } from "./format.js";
import { FreePlot } from "./freeplot.js";
import { nameKey, nameLabel } from "./transactions.js";

/** Bars of the histogram per decade of time. */
const BARS_PER_DECADE = 24;
/** Letters of a name to choose. */
const OPTION_LENGTH = 40;

/** A quantile as people say it, from 1/(1-q). */
export function quantileLabel(spread) {
  const percentage = 100 * (1 - 1 / spread);
  return `${Number(percentage.toFixed(Math.max(0, Math.ceil(Math.log10(spread)) - 1)))} %`;
}

/** Points of a spectrum for a plot: x is 1/(1-q). */
export function spectrumPoints(spectrum) {
  return spectrum
    .filter(([quantile, value]) => quantile < 1 && value > 0)
    .map(([quantile, value]) => [1 / (1 - quantile), value]);
}

/** The plot of a percentile spectrum. */
export function spectrumPlot(id) {
  return new FreePlot({
    id,
    title: "Percentile spectrum",
    note: "both axes logarithmic",
    isWide: true,
    x: { label: "percentile", format: quantileLabel, isLog: true, range: (_u, _low, high) => [1, Math.max(10, high)] },
    y: { label: "time", format: us, isLog: true },
  });
}

export class Distribution {
  constructor(page) {
    this.page = page;
    this.phase = this.select(
      "phase",
      "Time",
      phaseLabels().filter(([key]) => key !== "latency_failed"),
    );
    this.name = this.select("name", "Of", [["", "all requests"]]);
    this.total = el("span", { class: "muted small" });
    this.spectrum = spectrumPlot("spectrum");
    this.histogram = new FreePlot({
      id: "histogram",
      title: "Histogram",
      note: "log time axis",
      x: { label: "from", format: us, isLog: true },
      y: { label: "requests", format: count, tick: shortCount },
    });
    this.against = new FreePlot({
      id: "against",
      title: "Latency against rate",
      note: "one dot per step of the window",
      x: { label: "done per second", format: perSecond },
      y: { label: "latency", format: us, isLog: true },
    });
    const controls = isSaved
      ? el("div", { class: "row" }, this.total)
      : el("div", { class: "row" }, this.phase.node, this.name.node, this.total);
    this.panel = el(
      "div",
      { class: "stack" },
      controls,
      el("div", { class: "plots" }, this.spectrum.node, this.histogram.node, this.against.node),
    );
  }

  select(key, label, options) {
    const id = `distribution-${key}`;
    const control = el(
      "select",
      { id, on: { change: () => this.refresh() } },
      options.map(([value, text]) => el("option", { value }, text)),
    );
    return { control, node: el("span", { class: "row" }, el("label", { class: "label", for: id }, label), control) };
  }

  async refresh() {
    const { page } = this;
    if (!isSaved) await this.offerNames();
    const row = this.names?.get(this.name.control.value);
    const answer = await get(`${page.path}/distribution`, {
      ...page.query,
      phase: this.phase.control.value,
      kind: isSaved ? null : row?.kind,
      name: isSaved ? null : row?.name,
    });
    this.total.textContent = `${count(answer.count)} values`;
    this.spectrum.update([
      { key: "spectrum", label: "this window", colour: "c1", points: spectrumPoints(answer.spectrum) },
    ]);
    this.histogram.update([
      { key: "bars", label: "requests", colour: "c1", isSteps: true, points: bars(answer.buckets) },
    ]);
    this.drawAgainst();
  }

  async offerNames() {
    if (this.names && !this.page.isLive) return;
    const { names } = await get(`${this.page.path}/names`);
    const { control } = this.name;
    const chosen = control.value;
    this.names = new Map(names.map((row) => [nameKey(row), row]));
    refill(
      control,
      el("option", { value: "" }, "all requests"),
      names.map((row) => el("option", { value: nameKey(row) }, middleCut(nameLabel(row), OPTION_LENGTH))),
    );
    control.value = this.names.has(chosen) ? chosen : "";
  }

  drawAgainst() {
    const { series } = this.page;
    const points = (key) =>
      series.time_s
        .map((_, at) => [series.done[at], series.latency[key][at]])
        .filter(([rate, value]) => rate > 0 && value > 0);
    this.against.update([
      { key: "p50", label: "p50", colour: "c6", isDots: true, points: points("p50") },
      { key: "p99", label: "p99", colour: "c7", isDots: true, points: points("p99") },
    ]);
  }
}

/** Buckets joined to bars of equal width on a log axis, with an end at nothing. */
function bars(buckets) {
  if (!buckets.length) return [];
  const slot = (value) => Math.floor(Math.log10(Math.max(1, value)) * BARS_PER_DECADE + 1e-9);
  const sums = new Map();
  for (const [low, high, many] of buckets) {
    const first = slot(low);
    const last = Math.max(first, slot(high - 1));
    for (let at = first; at <= last; at += 1) sums.set(at, (sums.get(at) ?? 0) + many / (last - first + 1));
  }
  const slots = [...sums.keys()].sort((a, b) => a - b);
  const points = [];
  for (let at = slots[0]; at <= slots.at(-1) + 1; at += 1)
    points.push([10 ** (at / BARS_PER_DECADE), sums.get(at) ?? 0]);
  return points;
}
