// Numbers, times and sizes as people read them.

const NONE = "–";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const grouped = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });

/** True for what can be shown as a number. */
export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1000) return whole.format(value);
  return grouped.format(value);
}

/** How many: exact up to ten million, then four digits. */
export function count(value) {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) >= 1e9) return `${grouped.format(value / 1e9)} G`;
  if (Math.abs(value) >= 1e7) return `${grouped.format(value / 1e6)} M`;
  return digits(value);
}

/** A count as short as the ticks of an axis need it. */
export function shortCount(value) {
  if (!isNumber(value)) return "";
  const size = Math.abs(value);
  if (size >= 1e9) return `${grouped.format(value / 1e9)}G`;
  if (size >= 1e6) return `${grouped.format(value / 1e6)}M`;
  if (size >= 1e4) return `${grouped.format(value / 1e3)}k`;
  return grouped.format(value);
}

export function perSecond(value) {
  return isNumber(value) ? `${count(value)}/s` : NONE;
}

/** Microseconds. */
export function us(value) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size < 1000) return `${grouped.format(value)} µs`;
  if (size < 1e6) return `${grouped.format(value / 1e3)} ms`;
  if (size < 6e7) return `${grouped.format(value / 1e6)} s`;
  return `${grouped.format(value / 6e7)} min`;
}

/** Bytes in decimal units. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 1000 && at < units.length - 1) {
    left /= 1000;
    at += 1;
  }
  return `${grouped.format(left)} ${units[at]}`;
}

export function bytesPerSecond(value) {
  return isNumber(value) ? `${bytes(value)}/s` : NONE;
}

/** A share from 0 to 1 as a percentage; only what is all reads as 100 %. */
export function percent(value) {
  if (!isNumber(value)) return NONE;
  const hundred = value * 100;
  if (hundred !== 0 && Math.abs(hundred) < 0.001) return `${hundred.toExponential(1)} %`;
  if (hundred > 99.9 && hundred < 100) return `${Math.min(99.9999, Number(hundred.toFixed(4)))} %`;
  return `${Number(hundred.toPrecision(3))} %`;
}

/** Seconds of the run as a clock. */
export function clock(seconds) {
  if (!isNumber(seconds)) return NONE;
  const tenths = Math.round(Math.abs(seconds) * 10);
  const all = Math.floor(tenths / 10);
  const rest = tenths % 10 ? `.${tenths % 10}` : "";
  const two = (value) => String(value).padStart(2, "0");
  const sign = seconds < 0 ? "-" : "";
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor(all / 60) % 60;
  return hours
    ? `${sign}${hours}:${two(minutes)}:${two(all % 60)}${rest}`
    : `${sign}${minutes}:${two(all % 60)}${rest}`;
}

/** Reads what `clock` writes, and plain seconds; null when it is neither. */
export function readClock(text) {
  const parts = text.trim().split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+(\.\d+)?$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** A length of time in words. */
export function lasting(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds < 60) return `${grouped.format(seconds)} s`;
  const all = Math.round(seconds);
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor(all / 60) % 60;
  const rest = all % 60;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
}

/** A moment (microseconds since 1970) in the visitor's own time zone. */
export function moment(us1970) {
  if (!isNumber(us1970)) return NONE;
  const date = new Date(us1970 / 1000);
  return date.toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** A difference as a signed percentage. */
export function signedPercent(value) {
  if (!isNumber(value)) return NONE;
  const text = percent(value);
  return value > 0 ? `+${text}` : text;
}

/** What a threshold or a metric of this kind holds, by the words in its name. */
export function metricText(metric, value) {
  if (!isNumber(value)) return NONE;
  if (/latency|service_time|lag|first_byte|connect$|tls|dns|_us$/.test(metric)) return us(value);
  if (/share|ratio|busy/.test(metric)) return percent(value);
  if (/bytes/.test(metric)) return bytes(value);
  return count(value);
}
