// Colours Lua and TOML: cuts a text into words and makes text nodes of them.

import { el } from "./dom.js";

const LUA_WORDS =
  "and|break|do|else|elseif|end|false|for|function|goto|if|in|local|nil|not|or|repeat|return|then|true|until|while";

/** Kinds in the order they are tried. */
const RULES = {
  lua: [
    ["comment", /--\[(=*)\[[\s\S]*?\]\1\]|--[^\n]*/y],
    ["string", /\[(=*)\[[\s\S]*?\]\1\]|"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?/y],
    ["number", /0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?/y],
    ["keyword", new RegExp(`(?:${LUA_WORDS})\\b`, "y")],
    ["name", /[A-Za-z_]\w*(?=\s*[({"])/y],
    ["", /[A-Za-z_]\w*/y],
  ],
  toml: [
    ["comment", /#[^\n]*/y],
    ["string", /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?/y],
    ["keyword", /\[\[?[A-Za-z0-9_."' -]+\]\]?(?=\s*(?:#|\n|$))|(?:true|false)\b/y],
    ["name", /[A-Za-z0-9_-]+(?=\s*=)/y],
    ["number", /[+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?\b/y],
    ["", /[A-Za-z_][\w-]*/y],
  ],
};

/** The text as lines of coloured words. */
export function codeView(name, text) {
  const rules = RULES[name.endsWith(".lua") ? "lua" : name.endsWith(".toml") ? "toml" : "none"] ?? [];
  const lines = [[]];
  for (const [kind, word] of tokens(rules, text)) {
    word.split("\n").forEach((part, at) => {
      if (at > 0) lines.push([]);
      if (part) lines.at(-1).push(kind ? el("span", { class: `tok-${kind}` }, part) : part);
    });
  }
  if (lines.length > 1 && !lines.at(-1).length) lines.pop();
  const code = el(
    "code",
    null,
    lines.map((line) => el("span", { class: "line" }, line)),
  );
  return el("pre", { class: "code", tabindex: "0", role: "region", "aria-label": name }, code);
}

/** Pairs of a kind and its text; together they are the whole text. */
export function tokens(rules, text) {
  const found = [];
  let at = 0;
  let plainFrom = 0;
  const flush = () => {
    if (at > plainFrom) found.push(["", text.slice(plainFrom, at)]);
  };
  while (at < text.length) {
    const hit = rules.map(([kind, rule]) => [kind, matched(rule, text, at)]).find(([, word]) => word);
    if (!hit) {
      at += 1;
      continue;
    }
    flush();
    found.push(hit);
    at += hit[1].length;
    plainFrom = at;
  }
  flush();
  return found;
}

function matched(rule, text, at) {
  rule.lastIndex = at;
  return rule.exec(text)?.[0] ?? "";
}
