import type { Verdict } from "../statistics.ts";

/** A verdict in colour and in words. */
export function mark(verdict: Verdict, any = true): string {
  if (!any) return '<span class="verdict undecided">no runs</span>';
  const sign = { holds: "✓ holds", "does not hold": "✗ does not hold", undecided: "? undecided" }[verdict];
  const kind = { holds: "holds", "does not hold": "fails", undecided: "undecided" }[verdict];
  return `<span class="verdict ${kind}">${sign}</span>`;
}

/** A verdict in colour, in one sign. */
export function sign(verdict: Verdict): string {
  const [text, kind] =
    { holds: ["✓", "holds"], "does not hold": ["✗", "fails"], undecided: ["?", "undecided"] }[verdict];
  return `<span class="verdict ${kind}" title="${verdict}">${text}</span>`;
}
