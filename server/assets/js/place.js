// What a visitor looks at, kept in the address so that a reload or a link shows the same.

/** The state in the address: from, to, tab, and what is picked. */
export function readPlace() {
  const words = new URLSearchParams(location.search);
  const number = (key) =>
    words.get(key) !== null && Number.isFinite(Number(words.get(key))) ? Number(words.get(key)) : null;
  const from = number("from");
  const to = number("to");
  const window = from !== null && to !== null && to > from && from >= 0 ? [from, to] : null;
  return { window, tab: words.get("tab"), picks: words.getAll("pick"), words };
}

/** Changes some of it; null takes a word away, a list gives it several times. Back undoes a change that is a step. */
export function writePlace(changes, isStep = false) {
  const words = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    words.delete(key);
    if (value === null || value === undefined || value === "") continue;
    for (const one of [value].flat()) words.append(key, String(one));
  }
  const text = words.toString();
  try {
    const address = text ? `?${text}` : location.pathname;
    if (isStep) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  } catch (_) {
    // A saved page opened from a disk has no address that could change.
  }
}
