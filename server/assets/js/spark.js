// A small line of how a run went.

import { el, svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 30;

/** `values` from 0 upwards; `text` is what it amounts to, shown beside and read out. */
export function sparkline(values, text) {
  // what nobody reported is no value
  const known = values.filter((value) => value !== null);
  const top = Math.max(...known, 1e-9);
  const x = (at) => (known.length > 1 ? (at / (known.length - 1)) * WIDTH : 0);
  const y = (value) => HEIGHT - 2 - (value / top) * (HEIGHT - 4);
  const line = known.map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const picture = svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    known.length > 1
      ? [svg("path", { class: "area", d: `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }), svg("path", { d: line })]
      : null,
  );
  return el("div", null, picture, el("span", { class: "muted small" }, text));
}
