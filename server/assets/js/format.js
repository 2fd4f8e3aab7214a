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

/** Bytes in binary units, as the terminal has them. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 999.5 && at < units.length - 1) {
    left /= 1024;
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

/** A difference as a signed percentage. */
export function signedPercent(value) {
  if (!isNumber(value)) return NONE;
  const text = percent(value);
  return value > 0 ? `+${text}` : text;
}

/** The units of a column, small to large, by the function that shows one value alone. */
const COLUMN_UNITS = new Map([
  [
    us,
    [
      [1, " µs"],
      [1e3, " ms"],
      [1e6, " s"],
    ],
  ],
  [
    bytes,
    [
      [1, " B"],
      [1024, " KiB"],
      [1024 ** 2, " MiB"],
      [1024 ** 3, " GiB"],
      [1024 ** 4, " TiB"],
    ],
  ],
  [
    bytesPerSecond,
    [
      [1, " B/s"],
      [1024, " KiB/s"],
      [1024 ** 2, " MiB/s"],
      [1024 ** 3, " GiB/s"],
    ],
  ],
  [percent, [[0.01, " %"]]],
  [perSecond, [[1, "/s"]]],
  [count, [[1, ""]]],
]);

/**
 * How a column shows its values: all in one unit, with the same decimals, so that they align.
 * Typical values have three digits or more; smaller ones that would read as 0 are told as below
 * the last digit.
 */
export function columnFormat(show, values) {
  const units = COLUMN_UNITS.get(show);
  const sizes = values.filter((value) => isNumber(value) && value !== 0).map(Math.abs);
  if (!units || !sizes.length) return show;
  sizes.sort((a, b) => a - b);
  const typical = sizes[sizes.length >> 1];
  const [scale, unit] = units.findLast(([one]) => one <= typical * 1.0001) ?? units[0];
  const isWhole = sizes.every((value) => Number.isInteger(value / scale));
  const decimals = isWhole ? 0 : Math.min(2, Math.max(0, 2 - Math.floor(Math.log10(typical / scale))));
  const fixed = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const least = 10 ** -decimals;
  return (value) => {
    if (!isNumber(value)) return NONE;
    const size = Math.abs(value / scale);
    if (size > 0 && size < least / 2) return `<${fixed.format(least)}${unit}`;
    return `${fixed.format(value / scale)}${unit}`;
  };
}

/** A long text without its middle; the whole is its `title`. */
export function middleCut(text, most) {
  const letters = [...text];
  if (letters.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${letters.slice(0, most - 1 - tail).join("")}…${letters.slice(-tail).join("")}`;
}
