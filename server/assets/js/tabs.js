// Tabs as the ARIA pattern has them: arrows move, the chosen one is in the order of focus.

import { el } from "./dom.js";

/** `items`: { key, label, panel }; `choose(key)` is told of a choice. */
export function tabList(label, items, choose) {
  const list = el("div", { class: "tabs", role: "tablist", "aria-label": label });
  const tabs = new Map();
  for (const item of items) {
    const tab = el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${item.key}`,
        "aria-controls": `panel-${item.key}`,
        on: { click: () => choose(item.key) },
      },
      item.label,
    );
    item.panel.id = `panel-${item.key}`;
    item.panel.setAttribute("role", "tabpanel");
    item.panel.setAttribute("aria-labelledby", tab.id);
    item.panel.tabIndex = -1;
    tabs.set(item.key, { ...item, tab });
    list.append(tab);
  }
  list.addEventListener("keydown", (event) => {
    const keys = [...tabs.keys()];
    const at = keys.indexOf(document.activeElement?.id.replace("tab-", ""));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: keys.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const key = keys[(to + keys.length) % keys.length];
    choose(key);
    tabs.get(key).tab.focus();
  });
  return {
    node: list,
    has: (key) => tabs.has(key),
    select(key) {
      for (const [name, item] of tabs) {
        const isChosen = name === key;
        item.tab.setAttribute("aria-selected", String(isChosen));
        item.tab.tabIndex = isChosen ? 0 : -1;
        item.panel.hidden = !isChosen;
        if (isChosen) item.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
    },
    count(key, text, isBad) {
      const item = tabs.get(key);
      item.tab.querySelector(".count")?.remove();
      if (text) item.tab.append(el("span", { class: isBad ? "count bad" : "count" }, text));
    },
  };
}
