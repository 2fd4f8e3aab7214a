// What works on every page: the theme, the zone of times, questions before what cannot be undone.

import { confirmed } from "./dom.js";
import { startTheme } from "./theme.js";
import { startZone } from "./zone.js";

/** Starts it; each page calls this once. */
export function startFrame() {
  startTheme();
  startZone();
  document.addEventListener("submit", asked);
}

/** Forms whose button says so, or is marked as dangerous, are sent once that was confirmed. */
async function asked(event) {
  const button = event.submitter;
  if (!button?.matches("[data-confirm], .danger") || button.closest("dialog")) return;
  event.preventDefault();
  const title = button.getAttribute("aria-label") ?? button.textContent.trim();
  const text = button.dataset.confirm ?? "This cannot be undone.";
  // sent as it is, without another `submit`
  if (await confirmed(`${title}?`, text, button.textContent.trim())) event.target.submit();
}
