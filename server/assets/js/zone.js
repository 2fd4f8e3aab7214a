// Moments in the zone that the visitor chose for all pages: that of the browser, or UTC.

import { byId } from "./dom.js";
import { isNumber } from "./format.js";

const ZONE_KEY = "mistress-zone";
const formatters = new Map();

/** Whether times are shown in UTC; in the browser's zone otherwise. */
export function isUtc() {
  try {
    return localStorage.getItem(ZONE_KEY) === "utc";
  } catch (_) {
    return false;
  }
}

/** The same moment in words of `parts`, in the chosen zone. */
export function inZone(us1970, parts) {
  const key = JSON.stringify(parts);
  if (!formatters.has(key))
    formatters.set(key, new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: isUtc() ? "UTC" : undefined }));
  return formatters.get(key).format(us1970 / 1000);
}

/** The zone at a moment, such as `UTC+2`. */
export function zoneAt(us1970) {
  if (!isNumber(us1970)) return "";
  const text = inZone(us1970, { timeZoneName: "shortOffset", hour: "2-digit" });
  return text.replace(/^.*(GMT|UTC)/, "UTC").replace(/^UTC[+-]0$/, "UTC");
}

const DAY_AND_TIME = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };

/** A moment (microseconds since 1970) as day and time. */
export function moment(us1970, { withSecond = false } = {}) {
  if (!isNumber(us1970)) return "–";
  return inZone(us1970, withSecond ? { ...DAY_AND_TIME, second: "2-digit" } : DAY_AND_TIME);
}

/** The time of the day of a moment, to the second. */
export function timeOfDay(us1970) {
  return inZone(us1970, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

/** When a day such as `2026-11-28` begins in the chosen zone, or the one so many days later; null for no day. */
export function dayStart(text, later = 0) {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text ?? "");
  if (!found) return null;
  const [year, month, day] = found.slice(1).map(Number);
  const start = isUtc() ? Date.UTC(year, month - 1, day + later) : new Date(year, month - 1, day + later).getTime();
  return start * 1000;
}

/** Makes the switch of the top bar work, and shows times that the server wrote in the chosen zone. */
export function startZone() {
  const now = Date.now() * 1000;
  const button = byId("zone");
  if (button) {
    button.hidden = false;
    button.textContent = zoneAt(now);
    const other = isUtc() ? "times of this browser's zone" : "times in UTC";
    button.title = `Times are in ${zoneAt(now)}. Show ${other}.`;
    button.setAttribute("aria-label", `${zoneAt(now)}: show ${other}`);
    button.addEventListener("click", () => {
      try {
        localStorage.setItem(ZONE_KEY, isUtc() ? "browser" : "utc");
      } catch (_) {
        // Without storage the browser's zone stays.
      }
      // the address holds what is shown
      location.reload();
    });
  }
  for (const node of document.querySelectorAll("main :is(td, th, p, span)")) showInZone(node);
}

/** Times that the server wrote, as in `2026-11-24 15:32 UTC` or `2026-11-24 15:32:07 UTC`. */
function showInZone(element) {
  for (const node of element.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE) continue;
    node.textContent = node.textContent.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d)(:\d\d)? UTC/g, (_, day, time, second) =>
      moment(Date.parse(`${day}T${time}${second ?? ""}Z`) * 1000, { withSecond: Boolean(second) }),
    );
  }
}
