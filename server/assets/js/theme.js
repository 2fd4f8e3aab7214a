// The switch between light and dark, and the colours of the page for those who draw.

import { byId, svg } from "./dom.js";

/** What the axes of plots are written in. */
export const FONT = "11px system-ui, sans-serif";

const KEY = "mistress-theme";
const listeners = [];
let colours = new Map();

/** The value of a colour token of the style sheet, such as "c1". */
export function colour(name) {
  if (!colours.has(name)) {
    const value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colours.set(name, value || name);
  }
  return colours.get(name);
}

/** A token's colour, see-through. */
export function faded(name, alpha) {
  const hex = colour(name);
  const part = (at) => parseInt(hex.slice(at, at + 2), 16);
  return /^#[0-9a-f]{6}$/i.test(hex) ? `rgb(${part(1)} ${part(3)} ${part(5)} / ${alpha})` : hex;
}

/** Each colour of lines has dashes of its own, so that lines differ without colours too. */
const DASHES = {
  c2: [10, 4],
  c3: [3, 3],
  c4: [16, 3],
  c5: [14, 4, 3, 4],
  c6: [6, 3],
  c7: [8, 3, 2, 3],
  c8: [8, 3, 2, 3, 2, 3],
  c9: [2, 4],
};

/** The dashes of a line { colour, dash }; undefined for a solid one. */
export function dashOf(line) {
  return line.dash ?? DASHES[line.colour];
}

/** A piece of a line as the legend shows it. */
export function swatch(line) {
  const stroke = { stroke: `var(--${line.colour})`, "stroke-dasharray": dashOf(line)?.join(" ") };
  return svg(
    "svg",
    { class: "swatch", viewBox: "0 0 22 8", "aria-hidden": "true" },
    svg("path", { d: "M0 4H22", ...stroke }),
  );
}

/** Calls back whenever other colours hold. */
export function onTheme(listener) {
  listeners.push(listener);
}

function changed() {
  colours = new Map();
  for (const listener of listeners) listener();
}

function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

/** What the user chose here earlier, if anything. */
function chosenTheme() {
  try {
    return localStorage.getItem(KEY);
  } catch (_) {
    return null;
  }
}

/** Makes the button of the top bar work, and follows the system while nothing was chosen. */
export function startTheme() {
  const button = byId("theme");
  let isChosen = chosenTheme() !== null;
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    button?.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
    changed();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    if (!isChosen) set(event.matches ? "dark" : "light");
  });
  if (!button) return;
  button.hidden = false;
  set(isDark() ? "dark" : "light");
  button.addEventListener("click", () => {
    isChosen = true;
    const next = isDark() ? "light" : "dark";
    try {
      localStorage.setItem(KEY, next);
    } catch (_) {
      // Without storage the choice holds for this page.
    }
    set(next);
  });
}
