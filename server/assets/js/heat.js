// The heat map of latencies: time across, latency up (log), how many as colour.

import { el, refill } from "./dom.js";
import { clock, count, us } from "./format.js";
import { Plot, spread } from "./plot.js";
import { plain } from "./table.js";
import { colour } from "./theme.js";

const SHADES = 6;

/** Between two colours of the ramp; `share` from 0 to 1. */
function shade(share) {
  const at = Math.min(SHADES - 1.001, Math.max(0, share * (SHADES - 1)));
  const low = rgb(colour(`heat-${Math.floor(at)}`));
  const high = rgb(colour(`heat-${Math.floor(at) + 1}`));
  const part = at - Math.floor(at);
  return `rgb(${low.map((value, channel) => Math.round(value + (high[channel] - value) * part)).join(" ")})`;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) || 0);
}

/** The plot of the heat map; `update` takes what the API gives. */
export class HeatMap extends Plot {
  constructor(axis) {
    super(
      {
        id: "heatmap",
        title: "Latency heat map",
        note: "how many requests took how long, log axis",
        isLog: true,
        isWide: true,
        format: us,
        height: 260,
        range: () => this.bounds(),
        paint: (u) => this.paintCells(u),
        pointed: (u) => this.describe(u),
        empty: "nothing measured yet",
      },
      axis,
    );
    this.scale = el("span", { class: "heat-scale" });
    this.head.append(this.scale);
    this.map = null;
  }

  show(map) {
    this.map = map;
    const most = Math.max(0, ...map.counts.map((column) => Math.max(0, ...column)));
    this.most = most;
    this.update(map.time_s, [
      {
        key: "cells",
        label: "at the crosshair",
        colour: "heat-3",
        width: 0,
        isPoints: false,
        values: map.time_s.map(() => this.bounds()[0]),
      },
    ]);
    this.drawScale();
  }

  bounds() {
    const edges = this.map?.edges_us ?? [];
    const isUsed = (row) => this.map.counts.some((column) => column[row] > 0);
    let low = 0;
    let high = edges.length - 2;
    while (low < high && !isUsed(low)) low += 1;
    while (high > low && !isUsed(high)) high -= 1;
    return high >= 0 && edges.length > 1
      ? spread(Math.max(1, edges[low]), Math.max(2, edges[high + 1]))
      : [100, 100000];
  }

  drawScale() {
    const ramp = el("span", { class: "ramp", "aria-hidden": "true" });
    for (let at = 0; at < SHADES; at += 1) {
      const step = el("i");
      step.style.background = shade(at / (SHADES - 1));
      ramp.append(step);
    }
    refill(this.scale, "1", ramp, count(this.most));
  }

  redraw() {
    super.redraw();
    if (this.map) this.drawScale();
  }

  paintCells(u) {
    if (!this.map || !this.most) return;
    const { ctx, bbox } = u;
    const { time_s: times, step_s: step, edges_us: edges, counts } = this.map;
    const top = Math.log(this.most + 1);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const rows = edges.map((edge) => Math.round(u.valToPos(Math.max(1, edge), "y", true)));
    times.forEach((time, at) => {
      const left = Math.round(u.valToPos(time, "x", true));
      const right = Math.max(left + 1, Math.round(u.valToPos(time + step, "x", true)));
      if (right < bbox.left || left > bbox.left + bbox.width) return;
      counts[at].forEach((cellCount, row) => {
        if (!cellCount) return;
        ctx.fillStyle = shade(Math.log(cellCount + 1) / top);
        ctx.fillRect(left, rows[row + 1], right - left, Math.max(1, rows[row] - rows[row + 1]));
      });
    });
    ctx.restore();
  }

  describe(u) {
    if (!this.map || !this.values?.length) return;
    const value = this.values[0];
    const left = u?.cursor.left ?? -1;
    if (left < 0) {
      value.textContent = "";
      return;
    }
    const second = u.posToVal(left, "x");
    const at = this.map.time_s.findLastIndex((time) => time <= second);
    const latency = u.posToVal(u.cursor.top, "y");
    const row = this.map.edges_us.findLastIndex((edge) => edge <= latency);
    const cellCount = this.map.counts[at]?.[row];
    const total = this.map.counts[at]?.reduce((sum, one) => sum + one, 0);
    if (total === undefined) value.textContent = "";
    else if (cellCount === undefined) value.textContent = `${clock(this.map.time_s[at])}: ${count(total)} requests`;
    else
      value.textContent = `${clock(this.map.time_s[at])}: ${count(cellCount)} of ${count(total)} took ${us(this.map.edges_us[row])} – ${us(this.map.edges_us[row + 1])}`;
  }

  fillTable() {
    if (!this.details.open || !this.map) return;
    const rows = this.map.time_s.map((time, at) => {
      const column = this.map.counts[at];
      const total = column.reduce((sum, one) => sum + one, 0);
      const fullest = column.indexOf(Math.max(...column));
      const most = total ? `${us(this.map.edges_us[fullest])} – ${us(this.map.edges_us[fullest + 1])}` : "–";
      const highest = column.findLastIndex((one) => one > 0);
      return [clock(time), count(total), most, total ? us(this.map.edges_us[highest + 1]) : "–"];
    });
    refill(this.tableHolder, plain("Latency heat map", ["time", "requests", "most took", "none above"], rows));
  }
}
