// A link to one run for whoever has it, until it ends.

import { segment, send } from "./api.js";
import { el, formDialog, infoDialog } from "./dom.js";
import { moment } from "./zone.js";

const HOURS = 72;

/** Asks how long the link is to hold, and shows it once: only its hash is kept. */
export function shareRun(card) {
  formDialog(
    "Share this run by a link",
    [
      { name: "hours", label: "Hours until it ends", type: "number", min: 1, value: HOURS },
      { name: "script", label: "Show profile and script too", type: "checkbox", value: "yes" },
    ],
    async ({ hours, script }) => {
      const wanted = { hours: Number(hours), script: script === "yes" };
      const made = await send("POST", `/runs/${segment(card.id)}/links`, wanted);
      showLink(made);
    },
  );
}

function showLink(made) {
  const field = el("input", { type: "text", readonly: true, id: "share-link" });
  field.value = new URL(made.path, location.href).href;
  infoDialog(
    "The link",
    el(
      "p",
      { class: "muted" },
      `Whoever has it sees this run and nothing else${made.script ? ", with its profile and script" : ""}, until ${moment(made.expires_us)}. It is shown only now.`,
    ),
    el("div", { class: "form" }, el("div", { class: "field" }, el("label", { for: "share-link" }, "Address"), field)),
  );
  field.select();
}
