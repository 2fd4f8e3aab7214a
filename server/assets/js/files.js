// The profile and the scripts as they ran.

import { el, refill } from "./dom.js";
import { codeView } from "./highlight.js";

export class Files {
  constructor(page) {
    this.page = page;
    this.panel = el("div", { class: "stack" });
  }

  async refresh() {
    if (this.isDrawn) return;
    this.isDrawn = true;
    const files = filesOf(this.page.run);
    refill(
      this.panel,
      files.length
        ? files.map(file)
        : el("p", { class: "empty" }, "The run brought no files, or this link does not show them."),
    );
  }
}

/** Profile first, then the scripts. */
export function filesOf(run) {
  const files = (run.files ?? []).map((one) => ({ name: one.name, text: one.text ?? "" }));
  const profile = typeof run.profile === "string" && run.profile ? [{ name: "profile.toml", text: run.profile }] : [];
  return [
    ...profile.filter(() => !files.some((one) => one.text === run.profile || one.name === "profile.toml")),
    ...files,
  ];
}

function file(one) {
  return el(
    "section",
    { class: "panel", "aria-label": one.name },
    el("div", { class: "head" }, el("h2", { class: "mono grow" }, one.name), copyButton(one.text)),
    codeView(one.name, one.text),
  );
}

function copyButton(text) {
  if (!navigator.clipboard) return null;
  const button = el("button", { class: "button small", type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1500);
  });
  return button;
}
