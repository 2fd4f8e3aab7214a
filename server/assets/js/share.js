// A link to one run for whoever has it, until it ends.

import { segment, send } from "./api.js";
import { el, formDialog } from "./dom.js";
import { moment } from "./format.js";

const HOURS = 72;

/** Asks how long the link is to hold, and shows it once: only its hash is kept. */
export function shareRun(card) {
  formDialog(
    "Share this run by a link",
    [{ name: "hours", label: "Hours until it ends", type: "number", min: 1, value: HOURS }],
    async ({ hours }) => {
      const made = await send("POST", `/runs/${segment(card.id)}/links`, { hours: Number(hours) });
      showLink(new URL(made.path, location.href).href, made.expires_us);
    },
  );
}

function showLink(address, endsUs) {
  const field = el("input", { type: "text", readonly: true, id: "share-link" });
  field.value = address;
  const dialog = el(
    "dialog",
    { "aria-labelledby": "share-title" },
    el("h2", { id: "share-title" }, "The link"),
    el(
      "p",
      { class: "muted" },
      `Whoever has it sees this run and nothing else, until ${moment(endsUs)}. It is shown only now.`,
    ),
    el("div", { class: "form" }, el("div", { class: "field" }, el("label", { for: "share-link" }, "Address"), field)),
    el(
      "div",
      { class: "acts" },
      el("button", { class: "button primary", type: "button", on: { click: () => dialog.close() } }, "Done"),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}
