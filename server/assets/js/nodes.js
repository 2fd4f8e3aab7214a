// The machines and cores that made the load, in the window shown.

import { coreName, nodeName, ring } from "./charts.js";
import { el } from "./dom.js";
import { count, isNumber, lasting, percent, us } from "./format.js";
import { Plot } from "./plot.js";
import { replaceTable, sortable } from "./table.js";

export class Nodes {
  constructor(page) {
    this.page = page;
    this.nodes = el("div", { class: "body" });
    this.cores = el("div", { class: "body" });
    this.plotsNode = el("div", { class: "plots" });
    const part = (title, node) =>
      el("section", { class: "panel", "aria-label": title }, el("div", { class: "head" }, el("h2", null, title)), node);
    this.panel = el("div", { class: "stack" }, part("Nodes", this.nodes), part("Cores", this.cores), this.plotsNode);
    this.order = { key: "core", isDown: false };
    this.nodeOrder = {};
  }

  async refresh() {
    const nodes = this.page.run.nodes ?? [];
    replaceTable(
      this.nodes,
      nodes.length
        ? sortable("Nodes", nodeColumns(nodes), nodes, this.nodeOrder)
        : el("p", { class: "muted" }, "none has reported yet"),
    );
    const cores = this.page.series.cores ?? [];
    replaceTable(
      this.cores,
      cores.length
        ? sortable("Cores", coreColumns(), cores.map(summed), this.order)
        : el("p", { class: "muted" }, "no figures of cores here"),
    );
    this.plots ??= this.make();
    const lines = (key) =>
      cores.map((core, at) => ({
        key: coreName(core),
        label: coreName(core),
        colour: ring(at),
        values: core[key] ?? [],
      }));
    for (const [key, plot] of this.plots) plot.update(this.page.series.time_s, lines(key));
  }

  make() {
    const specs = [
      ["busy", { id: "core-busy", title: "Busy share", note: "of each core", format: percent, max: 1, isWide: true }],
      ["lag_max_us", { id: "core-lag", title: "Greatest lag", note: "log axis", format: us, isLog: true }],
      ["turn_max_us", { id: "core-turn", title: "Longest turn", note: "log axis", format: us, isLog: true }],
    ];
    return new Map(
      specs.map(([key, spec]) => {
        const plot = new Plot(spec, this.page.axis);
        this.plotsNode.append(plot.node);
        return [key, plot];
      }),
    );
  }
}

function summed(core) {
  const numbers = (values) => (values ?? []).filter(isNumber);
  const most = (values) => {
    const all = numbers(values);
    return all.length ? all.reduce((a, b) => Math.max(a, b)) : null;
  };
  const busy = numbers(core.busy);
  return {
    name: coreName(core),
    mean: busy.length ? busy.reduce((sum, value) => sum + value, 0) / busy.length : null,
    most: most(core.busy),
    lag: most(core.lag_max_us),
    turn: most(core.turn_max_us),
  };
}

function coreColumns() {
  return [
    { key: "core", label: "core", isName: true, text: (row) => row.name },
    { key: "mean", label: "busy, mean", isNumber: true, figure: percent, sort: (row) => row.mean },
    { key: "most", label: "busy, most", isNumber: true, figure: percent, sort: (row) => row.most },
    { key: "lag", label: "greatest lag", isNumber: true, figure: us, sort: (row) => row.lag },
    { key: "turn", label: "longest turn", isNumber: true, figure: us, sort: (row) => row.turn },
  ];
}

/** How far the clock of a node was ahead of the server's, and how well that is known. */
function clockAhead(node) {
  const ms = (value) => (value / 1000).toFixed(3);
  const sign = node.clock_offset_us < 0 ? "−" : "+";
  return `${sign}${ms(Math.abs(node.clock_offset_us))} ± ${ms(node.clock_uncertainty_us)} ms`;
}

/** Columns of nodes that have joined the others at this server. */
function joinedColumns() {
  const drift = (node) => node.clock_drift_us;
  return [
    {
      key: "clock",
      label: "clock ahead",
      isNumber: true,
      sort: (node) => node.clock_offset_us,
      text: (node) => (isNumber(node.clock_offset_us) ? clockAhead(node) : "–"),
    },
    {
      key: "drift",
      label: "drift",
      isNumber: true,
      sort: drift,
      text: (node) => (isNumber(drift(node)) ? `${(drift(node) / 1000).toFixed(3)} ms` : "–"),
    },
    { key: "start", label: "started late by", isNumber: true, figure: us, sort: (node) => node.start_lag_us },
    {
      key: "lost",
      label: "lost at",
      isNumber: true,
      sort: (node) => node.lost_s,
      text: (node) => (isNumber(node.lost_s) ? `${count(node.lost_s)} s` : "–"),
    },
  ];
}

function nodeColumns(nodes) {
  const cores = (node) => node.cores?.length ?? null;
  const columns = [
    { key: "name", label: "node", isName: true, text: (node) => nodeName(node.node) },
    {
      key: "cores",
      label: "cores",
      isNumber: true,
      sort: cores,
      text: (node) => (isNumber(cores(node)) ? `${count(cores(node))} (${node.cores.join(", ")})` : "–"),
    },
    { key: "segment", label: "part of the load", text: (node) => (node.segment ? String(node.segment) : "all") },
    { key: "program", label: "version", text: (node) => node.program ?? "–" },
    { key: "ended", label: "ended", text: (node) => node.ended ?? node.stage ?? "–" },
    {
      key: "duration",
      label: "lasted",
      isNumber: true,
      sort: (node) => node.duration_s,
      text: (node) => lasting(node.duration_s),
    },
  ];
  return [
    ...columns,
    ...(nodes.some((node) => isNumber(node.clock_offset_us)) ? joinedColumns() : []),
    {
      key: "verdict",
      label: "verdict",
      sort: (node) => node.verdict,
      node: (node) => (node.verdict ? el("span", { class: `badge ${node.verdict}` }, node.verdict) : "–"),
    },
  ];
}
