// Talks to the server's JSON interface, or to the data a saved page carries in itself.

import { byId } from "./dom.js";

const BASE = "/api/v1";
const saved = readSaved();

function readSaved() {
  const node = byId("saved-data");
  return node ? JSON.parse(node.textContent) : null;
}

/** True in a page that was saved as one file: there is no server behind it. */
export const isSaved = saved !== null;

/** Part of a path, safe for any text. */
export function segment(text) {
  return encodeURIComponent(text);
}

function address(path, query) {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") words.set(key, String(value));
  }
  const text = words.toString();
  return `${BASE}${path}${text ? `?${text}` : ""}`;
}

/** Reads; `signal` gives up. */
export async function get(path, query, signal) {
  if (isSaved) return fromSaved(path, query);
  return answer(await fetch(address(path, query), { signal, headers: { accept: "application/json" } }));
}

/** Changes something: PATCH, PUT, POST or DELETE. */
export async function send(method, path, body) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  return answer(
    await fetch(address(path), { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }),
  );
}

async function answer(response) {
  const text = await response.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch (_) {
    value = null;
  }
  if (!response.ok) {
    const error = new Error(value?.error ?? `the server answered with status ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return value;
}

function fromSaved(path, query) {
  const what = path.split("/")[3] ?? "run";
  const isWhole = !query?.kind;
  if (isWhole && saved[what] !== undefined && saved[what] !== null) return ofSaved(what, query?.of);
  throw new Error("this saved page does not hold it");
}

/** What is saved of a part, with the latencies of failed or of all requests where those are asked for. */
function ofSaved(what, of) {
  const part = structuredClone(saved[what]);
  if (!of) return part;
  if (what === "names") {
    part.of = of;
    for (const row of part.names) row.latency = row[`latency_${of}`] ?? row.latency;
  }
  return { ...part, ...structuredClone(saved[of]?.[what] ?? {}) };
}

/** Events of a live run; returns a function that ends it. */
export function listen(path, handlers) {
  if (isSaved) return () => {};
  const source = new EventSource(address(path));
  for (const [name, handler] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handler(event.data ? JSON.parse(event.data) : null));
  }
  return () => source.close();
}

/** Whether the visitor's role allows something here: "edit", "delete" or "admin". */
export function may(what) {
  return !isSaved && (document.body.dataset.can ?? "").split(" ").includes(what);
}
