// Thresholds by their words: what they are of, their limit as a line of a plot, figures in their own unit.

import { count, isNumber, percent, perSecond, us } from "./format.js";

/** `latency p99 of "login" < 250ms over any 10s`, as profiles are told. */
const THRESHOLD_TEXT =
  /^(\w+)(?: (p[\d.]+|mean|min|max|count|rate|share))?(?: of (ok|failed|all) (?:requests|iterations))?(?: of (tag )?("(?:[^"\\]|\\.)*"))? ([<>]=?) (.+?)(?: over any \d+s)?$/;
const TIME_UNITS = { ns: 1e-3, us: 1, µs: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9, d: 8.64e10 };
const RATE_UNITS = { s: 1, m: 60, h: 3600 };
/** A time below this share of the unit of its limit is told in its own. */
const UNIT_SHARE = 0.01;
const TIMES = ["latency", "service_time", "lag", "first_byte", "connect"];
/** The plots that show a metric, and the value that their lines have. */
const LIMIT_PLOTS = {
  latency: "latency",
  service_time: "phases",
  first_byte: "phases",
  connect: "phases",
  lag: "lag",
  rate: "throughput",
};

/** Text in quotes as Rust writes it. */
function unquoted(text) {
  const escapes = { n: "\n", r: "\r", t: "\t", 0: "\0" };
  return text
    .slice(1, -1)
    .replace(/\\(?:u\{([0-9a-f]+)\}|(.))/g, (_, code, one) =>
      code ? String.fromCodePoint(parseInt(code, 16)) : (escapes[one] ?? one),
    );
}

/** A limit as it is written: { limit, unit }; times in microseconds, shares from 0 to 1. */
function readLimit(written) {
  const rate = /^([\d.]+)\/([smh])$/.exec(written);
  if (rate) return { limit: Number(rate[1]) / RATE_UNITS[rate[2]], unit: "rate" };
  const share = /^([\d.]+) ?%$/.exec(written);
  if (share) return { limit: Number(share[1]) / 100, unit: "share" };
  const parts = [...written.matchAll(/([\d.]+) ?(ns|us|µs|ms|s|m|h|d)/g)];
  if (parts.length) {
    const limit = parts.reduce((sum, [, value, unit]) => sum + Number(value) * TIME_UNITS[unit], 0);
    return { limit, unit: parts.length === 1 ? parts[0][2] : null };
  }
  return { limit: Number(written), unit: null };
}

/** What a threshold is of: { metric, stat, of, kind, name, sign, limit, unit }; null for other rules. */
export function readThreshold(text) {
  const found = THRESHOLD_TEXT.exec(text);
  if (!found) return null;
  const [, metric, stat, of, tag, quoted, sign, written] = found;
  const { limit, unit } = readLimit(written);
  if (!isNumber(limit)) return null;
  return {
    metric,
    stat,
    of: of ?? "ok",
    isTag: Boolean(tag),
    name: quoted ? unquoted(quoted) : null,
    sign,
    limit,
    unit,
  };
}

/** What was measured, in the unit in which the limit is written. */
export function measuredText(row) {
  if (!isNumber(row.value)) return row.finding ?? "–";
  const told = readThreshold(row.text);
  if (!told) return row.finding ?? count(row.value);
  if (TIMES.includes(told.metric)) {
    const scale = TIME_UNITS[told.unit];
    // far below the limit its unit would only be zeros
    if (!scale || row.value < scale * UNIT_SHARE) return us(row.value);
    return `${count(row.value / scale)} ${told.unit === "us" ? "µs" : told.unit}`;
  }
  if (told.unit === "share" || told.stat === "share") return percent(row.value);
  if (told.unit === "rate" || told.stat === "rate") return perSecond(row.value);
  if (["failures", "checks", "arrivals"].includes(told.metric) && told.stat !== "count") return percent(row.value);
  return count(row.value);
}

/**
 * The limits to draw in a plot: { key, label, value, isMissed, missedAt }. `of` names the requests
 * whose latency is shown, `stat` the only statistic shown where that is so, `names` rows of names
 * where the plot shows some instead of all requests.
 */
export function limitsOf(thresholds, plot, { of = null, stat = null, names = null } = {}) {
  return (thresholds ?? []).flatMap((row) => {
    const told = readThreshold(row.text);
    if (!told || LIMIT_PLOTS[told.metric] !== plot || told.stat === "count") return [];
    if (plot === "latency" && of && told.of !== of) return [];
    if (stat && told.stat !== (stat === "p999" ? "p99.9" : stat)) return [];
    const isShown = names
      ? names.some((one) => one.name === told.name && (one.kind === "tag") === told.isTag)
      : told.name === null;
    if (!isShown) return [];
    return [
      {
        key: row.text,
        label: row.text,
        value: isNumber(row.limit) ? row.limit : told.limit,
        isMissed: row.met === false,
        missedAt: isNumber(row.first_missed_s) ? row.first_missed_s : null,
      },
    ];
  });
}

/** Markers of when thresholds were first missed, for all plots. */
export function missedMarkers(thresholds) {
  return (thresholds ?? [])
    .filter((row) => row.met === false && isNumber(row.first_missed_s))
    .map((row) => ({ time_s: row.first_missed_s, label: `missed: ${row.text}`, isMissed: true }));
}
