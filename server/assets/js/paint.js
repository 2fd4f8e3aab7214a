// What is painted on plots besides their lines: warm-up, shaded windows, markers, limits.

import { colour, faded } from "./theme.js";

/** Where labels are, from the top or from the bottom, in rows of so many pixels. */
const LABEL_ROW = 12;
/** Rows of labels of markers; what fits into none is left to the line alone. */
const LABEL_ROWS = 2;
/** Letters of a label at most, and at least. */
const LABEL_LENGTH = 48;
const LABEL_LENGTH_MIN = 8;

/** The context with the font of labels, and the ratio of its pixels. */
function labelled(u) {
  const { ctx } = u;
  const ratio = window.uPlot.pxRatio;
  ctx.save();
  ctx.font = `${10 * ratio}px system-ui, sans-serif`;
  ctx.lineWidth = ratio;
  return { ctx, ratio };
}

/** The warm-up, which is in no figure but in the plots: shaded, and called so where there is room. */
export function drawWarmup(u, end) {
  const left = Math.max(u.bbox.left, u.valToPos(0, "x", true));
  const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(end, "x", true));
  if (right <= left) return;
  const { ctx, ratio } = labelled(u);
  ctx.fillStyle = faded("muted", 0.14);
  ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  ctx.fillStyle = colour("muted");
  ctx.textBaseline = "bottom";
  const text = "warm-up";
  if (ctx.measureText(text).width + 8 * ratio < right - left)
    ctx.fillText(text, left + 4 * ratio, u.bbox.top + u.bbox.height - 2 * ratio);
  ctx.restore();
}

/** Windows in which the generator was limited. */
export function drawShaded(u, windows) {
  const { ctx } = u;
  ctx.save();
  ctx.fillStyle = colour("limited");
  for (const [from, to] of windows) {
    const left = Math.max(u.bbox.left, u.valToPos(from, "x", true));
    const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(to, "x", true));
    if (right > left) ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  }
  ctx.restore();
}

/** The part of a text that fits a width; empty when hardly any does. */
function fitted(ctx, text, width) {
  let shown = text.slice(0, LABEL_LENGTH);
  while (shown.length >= LABEL_LENGTH_MIN) {
    const told = shown === text ? text : `${shown}…`;
    if (ctx.measureText(told).width <= width) return told;
    shown = shown.slice(0, -2);
  }
  return "";
}

/**
 * Where the labels of markers stand: [{ text, x, row }], no two over each other. A label is shortened
 * so that the next ones have room; where they are too close, they are left out.
 */
export function placeLabels(ctx, markers, left, right, gap) {
  const ends = new Array(LABEL_ROWS).fill(left);
  const placed = [];
  markers.forEach(({ x, label }, at) => {
    const row = ends.findIndex((end) => end <= x);
    if (row < 0) return;
    // with a free row below, the next label may go there
    const next = markers[at + (row < LABEL_ROWS - 1 ? 2 : 1)]?.x ?? right;
    // what would hide the next one anyway may as well be whole
    const text = fitted(ctx, label, Math.min(next, right) - x - gap) || fitted(ctx, label, right - x - gap);
    if (!text) return;
    placed.push({ text, x, row });
    ends[row] = x + ctx.measureText(text).width + gap;
  });
  return placed;
}

/** Moments: where phases begin, and where a threshold was first missed. */
export function drawMarkers(u, markers) {
  const { ctx, ratio } = labelled(u);
  const { left, top, width, height } = u.bbox;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  const seen = markers
    .map((marker) => ({ ...marker, x: Math.round(u.valToPos(marker.time_s, "x", true)) + 0.5 }))
    .filter(({ x }) => x >= left - 1 && x <= left + width)
    .sort((a, b) => a.x - b.x);
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  for (const { x, isMissed } of seen) {
    ctx.strokeStyle = colour(isMissed ? "bad" : "line-strong");
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
  }
  for (const { text, x, row } of placeLabels(ctx, seen, left, left + width, 6 * ratio)) {
    ctx.fillStyle = faded("surface", 0.92);
    const y = top + (2 + row * LABEL_ROW) * ratio;
    ctx.fillRect(x + 2 * ratio, y, ctx.measureText(text).width + 4 * ratio, LABEL_ROW * ratio);
    ctx.fillStyle = colour(text.startsWith("missed") ? "bad" : "muted");
    ctx.fillText(text, x + 4 * ratio, y + ratio);
  }
  ctx.restore();
}

/** Limits of thresholds: a line across, or an arrow where it is out of view. */
export function drawLimits(u, limits) {
  if (!limits.length) return;
  const { ctx, ratio } = labelled(u);
  const { left, top, width, height } = u.bbox;
  ctx.textAlign = "right";
  for (const limit of limits) {
    const y = Math.round(u.valToPos(limit.value, "y", true)) + 0.5;
    const isAbove = y < top;
    const isBelow = y > top + height;
    ctx.strokeStyle = colour(limit.isMissed ? "bad" : "muted");
    ctx.fillStyle = ctx.strokeStyle;
    if (!isAbove && !isBelow) {
      ctx.setLineDash([6 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
    }
    const arrow = isAbove ? "↑ " : isBelow ? "↓ " : "";
    const text = fitted(ctx, arrow + limit.label, width * 0.6);
    const atTop = isAbove || (!isBelow && y < top + (LABEL_ROW + 4) * ratio);
    ctx.textBaseline = atTop ? "top" : "bottom";
    const base = isAbove ? top : isBelow ? top + height : y;
    ctx.fillText(text, left + width - 4 * ratio, base + (atTop ? 2 : -2) * ratio);
    if (limit.missedAt !== null && !isAbove && !isBelow) dot(u, limit.missedAt, y, ratio);
  }
  ctx.restore();
}

/** Where a limit was first missed. */
function dot(u, second, y, ratio) {
  const x = u.valToPos(second, "x", true);
  if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
  u.ctx.beginPath();
  u.ctx.arc(x, y, 4 * ratio, 0, 2 * Math.PI);
  u.ctx.fill();
}
