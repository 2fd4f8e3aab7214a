// Elements made of names, attributes and text. Text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `attributes.on` holds listeners, children are nodes, strings or nothing. */
export function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (key === "data") {
      for (const [name, text] of Object.entries(value)) node.dataset[name] = text;
    } else {
      node.setAttribute(key, value === true ? "" : String(value));
    }
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Puts other children into an element. */
export function refill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

const ICONS = {
  pin: ["M7 3h6l-1 5 3 3H5l3-3z", "M10 11v6"],
  trash: ["M4 6h12", "M8 6V4h4v2", "M6 6l1 11h6l1-11"],
  edit: ["M4 16l1-4 8-8 3 3-8 8z"],
  close: ["M5 5l10 10", "M15 5L5 15"],
  download: ["M10 3v10", "M6 9l4 4 4-4", "M4 17h12"],
  scale: ["M10 4v13", "M4 6h12", "M4 6l-2 6h4z", "M16 6l-2 6h4z"],
  flag: ["M5 17V3", "M5 4h10l-2 3 2 3H5"],
  share: ["M8 12l6-7", "M9 5h5v5", "M12 12v4H4V8h4"],
};

/** One of the small pictures on buttons. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 20 20", "aria-hidden": "true" },
    ICONS[name].map((d) => svg("path", { d })),
  );
}

let toastTimer = 0;

/** A short message at the foot of the page, read out too. */
export function toast(text) {
  const node = byId("toast");
  if (!node) return;
  node.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    node.textContent = "";
  }, 4000);
}

/** Asks before something that cannot be undone; resolves to true or false. */
export function confirmed(title, text, action) {
  const close = (answer) => () => dialog.close(answer);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "ask-title" },
    el("h2", { id: "ask-title" }, title),
    el("p", { class: "muted" }, text),
    el(
      "div",
      { class: "acts" },
      el("button", { class: "button", type: "button", on: { click: close("no") } }, "Cancel"),
      el("button", { class: "button danger", type: "button", on: { click: close("yes") } }, action),
    ),
  );
  openDialog(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}

/** Shows content until it is dismissed with the button Done. */
export function infoDialog(title, ...content) {
  const done = el("button", { class: "button primary", type: "button", on: { click: () => dialog.close() } }, "Done");
  const dialog = el(
    "dialog",
    { "aria-labelledby": "info-title" },
    el("h2", { id: "info-title" }, title),
    content,
    el("div", { class: "acts" }, done),
  );
  openDialog(dialog);
}

/** Opens a dialog, which leaves the page when it is closed. */
function openDialog(dialog) {
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** A dialog with fields; `save` gets their values and may fail, which is shown. */
export function formDialog(title, fields, save) {
  const problem = el("p", { class: "error", role: "alert", hidden: true });
  const controls = fields.map((field) => {
    const id = `field-${field.name}`;
    const shared = { id, name: field.name };
    const control = field.long
      ? el("textarea", { ...shared, rows: 4, maxlength: field.max ?? 4000 })
      : el("input", {
          ...shared,
          type: field.type ?? "text",
          placeholder: field.placeholder,
          min: field.min,
          autocomplete: "off",
        });
    control.value = field.value ?? "";
    return el("div", { class: "field" }, el("label", { for: id }, field.label), control);
  });
  const form = el(
    "form",
    { class: "form" },
    controls,
    problem,
    el(
      "div",
      { class: "acts" },
      el("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      el("button", { class: "button primary", type: "submit" }, "Save"),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": "form-title" }, el("h2", { id: "form-title" }, title), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await save(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
  openDialog(dialog);
}
