// Times as the pages write them.

/** Seconds of "1:02" or "1:02:03.5". */
export function readClock(text) {
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}
