// Figures as the pages write them, read back, and held against those of a result.

import assert from "node:assert/strict";

const UNITS = {
  µs: 1,
  ms: 1e3,
  s: 1e6,
  min: 6e7,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  M: 1e6,
  G: 1e9,
  "%": 0.01,
};
/** Acceptance: within 0.1 %. */
const SHARE_MAX = 0.001;

/** The number in a text such as "12.34 ms"; times come as microseconds, percentages as shares. */
export function readFigure(text) {
  const found = /^([+-]?[\d,.]+)(?:\s+(\S+?))?(?:\/s)?$/.exec(text.trim());
  assert.ok(found, `no figure: ${JSON.stringify(text)}`);
  const unit = found[2] === undefined ? 1 : UNITS[found[2]];
  assert.ok(unit, `no unit: ${JSON.stringify(text)}`);
  return Number(found[1].replaceAll(",", "")) * unit;
}

/** Fails unless the text shows the value within the acceptance. */
export function shows(text, value, what) {
  const shown = readFigure(text);
  const isClose = Math.abs(shown - value) <= SHARE_MAX * Math.abs(value) + 1e-9;
  assert.ok(isClose, `${what}: the page shows ${text} (${shown}), the result has ${value}`);
}
