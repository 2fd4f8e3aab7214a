// Annotations of moments and spans of a run: on the plots, in a list, and their dialogs.

import { isSaved, may, segment, send } from "./api.js";
import { confirmed, el, formDialog, infoDialog, toast } from "./dom.js";
import { clock, readClock } from "./format.js";
import { sortable } from "./table.js";
import { colour, faded } from "./theme.js";
import { moment } from "./zone.js";

/** How near the pointer must be to a moment, in pixels. */
const NEAR_PX = 6;

/** Draws annotations: a line at a moment, a bar above a span. */
export function drawAnnotations(u, annotations) {
  const { ctx } = u;
  const ratio = window.uPlot.pxRatio;
  const height = 4 * ratio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour("accent");
  ctx.lineWidth = ratio;
  for (const one of annotations) {
    const from = Math.round(u.valToPos(one.at_s, "x", true)) + 0.5;
    const to = one.until_s === null ? from : u.valToPos(one.until_s, "x", true);
    ctx.fillStyle = faded("accent", 0.08);
    ctx.fillRect(from, u.bbox.top, to - from, u.bbox.height);
    ctx.fillStyle = colour("accent");
    ctx.fillRect(from - (to > from ? 0 : height), u.bbox.top, Math.max(to - from, 2 * height), height);
    ctx.beginPath();
    ctx.moveTo(from, u.bbox.top);
    ctx.lineTo(from, u.bbox.top + u.bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** Shows the annotations at the pointer as a tooltip. */
export function hoverAnnotations(u, annotations) {
  const left = u.cursor.left ?? -1;
  const near = (one) => {
    const from = u.valToPos(one.at_s, "x") - NEAR_PX;
    const to = u.valToPos(one.until_s ?? one.at_s, "x") + NEAR_PX;
    return left >= from && left <= to;
  };
  const text = left < 0 ? "" : annotations.filter(near).map(annotationText).join("\n");
  if (u.over.title !== text) u.over.title = text;
}

function annotationText(one) {
  return `${annotatedTime(one)} ${one.kind}: ${one.text} (${one.author})`;
}

function annotatedTime(one) {
  return one.until_s === null ? clock(one.at_s) : `${clock(one.at_s)} – ${clock(one.until_s)}`;
}

/** A dialog for a new annotation, or a present one; `saved` is called after it was saved. */
export function annotate(page, present, saved) {
  const [from, to] = page.window ?? [null, null];
  const start = present ? present.at_s : (from ?? 0);
  const end = present ? present.until_s : to;
  const isNow = !present && page.isLive && !page.window;
  formDialog(
    present ? "Annotation" : "Annotate this run",
    [
      { name: "text", label: "What happened", value: present?.text ?? "" },
      { name: "kind", label: "Kind, one word", value: present?.kind ?? "note" },
      { name: "from", label: isNow ? "At; empty for now" : "At, as in 1:30", value: isNow ? "" : clock(start) },
      { name: "to", label: "Until, for a span", value: end === null || end === undefined ? "" : clock(end) },
    ],
    async (fields) => {
      const body = {
        text: fields.text,
        kind: fields.kind.trim().toLowerCase(),
        at_s: readTime(fields.from),
        until_s: readTime(fields.to),
      };
      if (present) await send("PUT", annotationPath(page, present), body);
      else await send("POST", annotationPath(page), body);
      await saved();
    },
  );
}

function readTime(text) {
  if (!text.trim()) return null;
  const seconds = readClock(text);
  if (seconds === null) throw new Error(`${text.trim()} is not a time; write it as 0:10 or 1:30`);
  return seconds;
}

function annotationPath(page, annotation) {
  return `${page.path}/annotations${annotation ? `/${annotation.id}` : ""}`;
}

/** The table of annotations, with its buttons; null when there are none and none can be added. */
export function annotationList(page, order, changed) {
  const rows = page.run.annotations ?? [];
  const mayEdit = may("edit");
  if (!rows.length && !mayEdit) return null;
  const add = mayEdit
    ? el(
        "button",
        { class: "button small", type: "button", id: "annotate", on: { click: () => annotate(page, null, changed) } },
        "Annotate",
      )
    : null;
  return el(
    "section",
    { class: "panel", "aria-label": "Annotations", id: "annotations" },
    el("div", { class: "head" }, el("h2", { class: "grow" }, "Annotations"), add),
    el(
      "div",
      { class: "body" },
      rows.length
        ? sortable("Annotations", annotationColumns(page, mayEdit, changed), rows, order)
        : el("p", { class: "empty" }, "No annotations yet: say what happened when."),
    ),
  );
}

function annotationColumns(page, mayEdit, changed) {
  const remove = async (row) => {
    if (!(await confirmed("Remove this annotation?", row.text, "Remove"))) return;
    try {
      await send("DELETE", annotationPath(page, row));
      await changed();
    } catch (error) {
      toast(error.message);
    }
  };
  const acts = (row) =>
    el(
      "span",
      { class: "row nowrap" },
      el(
        "button",
        {
          class: "button small",
          type: "button",
          "aria-label": `Edit the annotation ${row.text}`,
          on: { click: () => annotate(page, row, changed) },
        },
        "Edit",
      ),
      el(
        "button",
        {
          class: "button danger small",
          type: "button",
          "aria-label": `Remove the annotation ${row.text}`,
          on: { click: () => remove(row) },
        },
        "Remove",
      ),
    );
  const columns = [
    { key: "when", label: "time", sort: (row) => row.at_s, text: annotatedTime },
    { key: "kind", label: "kind", text: (row) => row.kind },
    { key: "text", label: "what happened", isLong: true, text: (row) => row.text },
    { key: "author", label: "by", text: (row) => row.author },
    { key: "created", label: "written", sort: (row) => row.created_us, text: (row) => moment(row.created_us) },
  ];
  if (mayEdit) columns.push({ key: "acts", label: "change", text: () => "", node: acts });
  return columns;
}

/** A dialog with all versions of the comment of a run. */
export async function showComments(card, get) {
  const { comments } = await get(`/runs/${segment(card.id)}/comments`);
  infoDialog(
    "History of the comment",
    el(
      "ol",
      { class: "stack", id: "comments" },
      comments.map((one) =>
        el(
          "li",
          null,
          el(
            "p",
            { class: "muted small" },
            `${one.author ?? "unknown author"}, ${one.at_us ? moment(one.at_us) : "time unknown"}`,
          ),
          el("p", null, one.text || el("i", { class: "muted" }, "no comment")),
        ),
      ),
    ),
  );
}

/** Whether the history of the comment can be looked at. */
export function hasHistory(run) {
  return !isSaved && run.comment_versions > 0;
}
