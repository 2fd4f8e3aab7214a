// The switch between light and dark, and the colours of the page for those who draw.

import { byId } from "./dom.js";

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

/** Calls back whenever other colours hold. */
export function onTheme(listener) {
  listeners.push(listener);
}

function changed() {
  colours = new Map();
  for (const listener of listeners) listener();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Makes the button of the top bar work. */
export function startTheme() {
  const button = byId("theme");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  if (!button) return;
  const name = () => button.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
  button.hidden = false;
  name();
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem(KEY, next);
    } catch (_) {
      // Without storage the choice holds for this page.
    }
    name();
    changed();
  });
}
