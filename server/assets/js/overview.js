// All plots of a run on one time axis.

import { get } from "./api.js";
import { overview } from "./charts.js";
import { el } from "./dom.js";
import { HeatMap } from "./heat.js";
import { limitsOf } from "./limits.js";
import { ofText } from "./of.js";
import { Plot } from "./plot.js";

const HEAT_COLUMNS = 200;
/** While a run is live the heat map is asked for no more often than this. */
const HEAT_PAUSE_MS = 2000;

export class Overview {
  constructor(page) {
    this.page = page;
    this.specs = overview(() => this.draw());
    this.grid = el("div", { class: "plots" });
    this.panel = el("div", null, this.grid);
    this.plots = new Map();
    this.heatAt = 0;
    this.heatOf = null;
  }

  async refresh() {
    if (!this.plots.size) this.make();
    this.draw();
    const words = JSON.stringify(this.page.query);
    const isDue = words !== this.heatOf || !this.page.isLive || performance.now() - this.heatAt > HEAT_PAUSE_MS;
    if (!isDue) return;
    this.heatOf = words;
    this.heatAt = performance.now();
    this.plots
      .get("heatmap")
      .show(await get(`${this.page.path}/heatmap`, { ...this.page.query, columns: HEAT_COLUMNS }));
  }

  make() {
    for (const spec of this.specs) {
      const plot = spec.isHeat ? new HeatMap(this.page.axis) : new Plot(spec, this.page.axis);
      this.plots.set(spec.id, plot);
      this.grid.append(plot.node);
    }
  }

  draw() {
    const { series } = this.page;
    if (!series) return;
    for (const spec of this.specs) {
      if (spec.isOfSome) this.plots.get(spec.id).remark(`of ${ofText(this.page.of)}`);
      if (spec.isHeat) continue;
      const shown = { of: this.page.of, stat: spec.choice?.value };
      const limits = limitsOf(this.page.run.thresholds, spec.id, shown);
      this.plots.get(spec.id).update(series.time_s, spec.lines(series), limits);
    }
  }
}
