// Joins the columns of a series that is there with those that came later.

/** The old columns up to where the fresh ones begin, and the fresh ones. */
export function joinSeries(old, fresh) {
  if (!fresh.time_s.length) return old;
  const first = fresh.time_s[0];
  const found = old.time_s.findIndex((time) => time >= first);
  const cut = found < 0 ? old.time_s.length : found;
  return joinColumns(old, fresh, cut, fresh.time_s.length);
}

function joinColumns(a, b, cut, more) {
  if (isColumn(a) || isColumn(b)) {
    return [...(a ?? empties(cut)).slice(0, cut), ...(b ?? empties(more))];
  }
  if (Array.isArray(a) || Array.isArray(b)) return joinParts(a ?? [], b ?? [], cut, more);
  if (isObject(a) || isObject(b)) {
    const joined = {};
    for (const key of new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])) {
      joined[key] = joinColumns(a?.[key], b?.[key], cut, more);
    }
    return joined;
  }
  return b ?? a;
}

/** Lists of parts with columns of their own, such as cores. */
function joinParts(a, b, cut, more) {
  const key = (part) => `${part.node ?? ""}/${part.core ?? ""}/${part.name ?? ""}`;
  const fresh = new Map(b.map((part) => [key(part), part]));
  const joined = a.map((part) => {
    const other = fresh.get(key(part));
    fresh.delete(key(part));
    return joinColumns(part, other, cut, more);
  });
  return [...joined, ...[...fresh.values()].map((part) => joinColumns(undefined, part, cut, more))];
}

function isObject(value) {
  return value !== null && typeof value === "object";
}

function isColumn(value) {
  return Array.isArray(value) && (value.length === 0 || !isObject(value[0]));
}

function empties(length) {
  return new Array(length).fill(null);
}
