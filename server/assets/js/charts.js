// What each plot of a run shows, from the columns of the series.

import { bytesPerSecond, count, percent, perSecond, shortCount, us } from "./format.js";

const PERCENTILES = [
  ["mean", "mean", "c9", true],
  ["p50", "p50", "c6", false],
  ["p75", "p75", "c3", true],
  ["p90", "p90", "c1", false],
  ["p95", "p95", "c5", true],
  ["p99", "p99", "c7", false],
  ["p999", "p99.9", "c2", false],
  ["max", "max", "c4", true],
];
const STATS = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["max", "max"],
];
const RING = ["c1", "c2", "c3", "c5", "c6", "c7", "c8", "c4"];
/** Ticks of bytes stand at powers of two, so that they are round in KiB and MiB. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, at) => 2 ** at);
/** More cores than this are drawn as one band. */
const CORES_DRAWN_MAX = 8;

/** The names of percentiles with their labels, for choosers. */
export const CHOICES = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p95", "p95"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "max"],
  ["mean", "mean"],
];

/** The colour of the n-th of many. */
export function ring(at) {
  return RING[at % RING.length];
}

function isAny(values) {
  return Array.isArray(values) && values.some((value) => value > 0);
}

function orNull(series) {
  return series.time_s.map(() => null);
}

/** Lines of latency: of the requests chosen, and of the failed where others are chosen. */
function latencyLines(series) {
  const lines = percentileLines(series.latency, series);
  const failed = series.latency_failed;
  if ((series.of ?? "ok") !== "ok" || !isAny(failed?.max)) return lines;
  return [
    ...lines,
    { key: "failed_p50", label: "failed p50", colour: "c4", isHidden: true, values: failed.p50, dash: [2, 3] },
    { key: "failed_p99", label: "failed p99", colour: "c4", values: failed.p99, dash: [5, 3] },
  ];
}

/** Lines of percentiles of one kind of time. */
export function percentileLines(times, series) {
  return PERCENTILES.map(([key, label, colour, isHidden]) => ({
    key,
    label,
    colour,
    isHidden,
    values: times?.[key] ?? orNull(series),
  }));
}

function throughput(series) {
  const lines = [];
  if (isAny(series.planned))
    lines.push({ key: "planned", label: "planned arrivals", colour: "c9", values: series.planned });
  if (isAny(series.started)) lines.push({ key: "started", label: "started", colour: "c6", values: series.started });
  if (isAny(series.dropped)) lines.push({ key: "dropped", label: "dropped", colour: "c2", values: series.dropped });
  lines.push({ key: "done", label: "requests done", colour: "c1", area: true, values: series.done });
  lines.push({ key: "failed", label: "failures", colour: "c4", values: series.failed });
  return lines;
}

function users(series) {
  return [
    { key: "users", label: "users", colour: "c1", values: series.users_max, low: series.users_min },
    {
      key: "connections",
      label: "connections",
      colour: "c3",
      values: series.connections_max,
      low: series.connections_min,
    },
    {
      key: "sessions",
      label: "sessions started",
      colour: "c2",
      values: series.sessions ?? orNull(series),
      isRight: true,
      format: perSecond,
    },
  ];
}

const CLASS_COLOURS = { 1: ["c9"], 2: ["c3", "c6", "c8"], 3: ["c1", "c5"], 4: ["c2", "c7"], 5: ["c4", "c7"] };

function statuses(series) {
  const seen = {};
  return Object.keys(series.status ?? {})
    .sort()
    .map((code) => {
      const kind = code[0];
      seen[kind] = (seen[kind] ?? -1) + 1;
      const colours = CLASS_COLOURS[kind] ?? ["c9"];
      return { key: code, label: code, colour: colours[seen[kind] % colours.length], values: series.status[code] };
    });
}

function failures(series) {
  const kinds = Object.keys(series.failures ?? {}).sort();
  return kinds.map((kind, at) => ({
    key: kind,
    label: kind,
    colour: ["c4", "c2", "c7", "c5", "c8", "c1"][at % 6],
    values: series.failures[kind],
  }));
}

/** Colours of the parts of a request, in the order they come. */
const PART_COLOURS = ["c9", "c8", "c3", "c5", "c2", "c1", "c6"];
/** What is measured of a request, as the API lists it: `name`, `is_part`, `meaning`. */
let measured = [];

/** Learns what is measured of a request. */
export function learnPhases(phases) {
  measured = phases;
}

/** Names and labels of the times of a request; of its parts only, in the order they come. */
export function phaseLabels(onlyParts = false) {
  return measured.filter((phase) => phase.is_part || !onlyParts).map(({ name }) => [name, name.replaceAll("_", " ")]);
}

function phases(series, stat) {
  const parts = phaseLabels(true).map(([key, label], at) => ({
    key,
    label,
    colour: PART_COLOURS[at % PART_COLOURS.length],
  }));
  const filled = parts.filter(({ key }) => isAny(series.phases?.[key]?.max));
  return filled.map((part) => ({ ...part, values: series.phases[part.key][stat] ?? orNull(series) }));
}

function busy(series) {
  const cores = series.cores ?? [];
  if (cores.length <= CORES_DRAWN_MAX) {
    return cores.map((core, at) => ({
      key: coreName(core),
      label: coreName(core),
      colour: ring(at),
      values: core.busy,
    }));
  }
  const over = (pick) =>
    series.time_s.map((_, at) => {
      const values = cores.map((core) => core.busy[at]).filter((value) => value !== null && value !== undefined);
      return values.length ? pick(values) : null;
    });
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return [
    {
      key: "band",
      label: `${cores.length} cores, least – most`,
      colour: "c1",
      values: over((v) => Math.max(...v)),
      low: over((v) => Math.min(...v)),
    },
    { key: "mean", label: "mean", colour: "c5", values: over(mean) },
  ];
}

let nodeNames = new Map();

/** Learns what the nodes of the run are called. */
export function learnNodes(nodes) {
  nodeNames = new Map(nodes.map((node) => [node.node, node.name || `node ${node.node}`]));
}

/** A node as people call it. */
export function nodeName(node) {
  return nodeNames.get(node) ?? (node === undefined || node === null ? "" : `node ${node}`);
}

/** A core as people call it; its node is named when there are several. */
export function coreName(core) {
  return nodeNames.size > 1 ? `${nodeName(core.node)} · core ${core.core}` : `core ${core.core}`;
}

/** The plots of the overview, in order. `lines(series)` gives what to draw. */
export function overview(refresh) {
  const stat = { label: "Which value of each step", options: STATS, value: "p50", changed: refresh };
  const lag = ["p50", "p99", "max"];
  return [
    {
      id: "throughput",
      title: "Throughput",
      note: "per second",
      format: perSecond,
      tick: shortCount,
      isWide: true,
      lines: throughput,
    },
    {
      id: "latency",
      title: "Latency",
      note: "from due to done, log axis",
      isOfSome: true,
      format: us,
      isLog: true,
      isWide: true,
      height: 260,
      lines: latencyLines,
    },
    { id: "heatmap", isHeat: true, isOfSome: true, isWide: true },
    {
      id: "users",
      title: "Users and connections",
      note: "least and most of each step",
      format: count,
      tick: shortCount,
      right: shortCount,
      lines: users,
    },
    {
      id: "status",
      title: "Status codes",
      note: "per second",
      format: perSecond,
      tick: shortCount,
      lines: statuses,
      empty: "no replies yet",
    },
    {
      id: "failures",
      title: "Failures",
      note: "per second, by kind",
      format: perSecond,
      tick: shortCount,
      lines: failures,
      empty: "no failures",
    },
    {
      id: "phases",
      title: "Phases of a request",
      note: "log axis",
      format: us,
      isLog: true,
      choice: stat,
      empty: "nothing measured yet",
      lines: (s) => phases(s, stat.value),
    },
    {
      id: "network",
      title: "Network",
      note: "bytes per second",
      format: bytesPerSecond,
      incrs: BYTE_STEPS,
      lines: (s) => [
        { key: "in", label: "received", colour: "c1", area: true, values: s.bytes_in },
        { key: "out", label: "sent", colour: "c2", values: s.bytes_out },
      ],
    },
    {
      id: "checks",
      title: "Checks",
      note: "per second",
      format: perSecond,
      tick: shortCount,
      empty: "the script checks nothing",
      lines: (s) =>
        isAny(s.checks?.passed) || isAny(s.checks?.failed)
          ? [
              { key: "passed", label: "passed", colour: "c3", values: s.checks.passed },
              { key: "failed", label: "failed", colour: "c4", values: s.checks.failed },
            ]
          : [],
    },
    {
      id: "lag",
      title: "Lag of the generator",
      note: "its own lateness, log axis",
      format: us,
      isLog: true,
      lines: (s) =>
        percentileLines(s.lag, s)
          .filter((line) => lag.includes(line.key))
          .map((line) => ({ ...line, isHidden: false })),
    },
    { id: "busy", title: "Busy share of the cores", note: "of the generator", format: percent, max: 1, lines: busy },
  ];
}
