import type { Rows } from "../data/rows.ts";
import { quoted } from "../errors/quoted.ts";
import type { InputSpec } from "../features/input.ts";
import { groupsOf } from "../features/table.ts";

/**
 * Returns a note on each feature of a model that knows words which no row has, so that nothing trains their weights. The
 * time grows with the rows and words.
 */
export function unseenWords(input: InputSpec, rows: Rows): string[] {
  if ("width" in input) return [];
  return groupsOf(input.features).flatMap(({ kind, features }) => {
    const unseen = kind.unseen?.(features, rows) ?? [];
    return unseen.flatMap((words, at) => words.length === 0 ? [] : [noteOf(features[at][0], words)]);
  });
}

function noteOf(feature: string, words: readonly string[]): string {
  const few = words.slice(0, mostShown).map(quoted).join(", ");
  const shown = words.length > mostShown ? `${few} and ${words.length - mostShown} more` : few;
  const count = words.length === 1 ? "1 word" : `${words.length} words`;
  const advice = "nothing trains their weights. Fit features to the rows that train";
  return `Training: feature ${quoted(feature)} knows ${count} that no row has (${shown}): ${advice}`;
}

/** The most words that a note shows. */
const mostShown = 3;
