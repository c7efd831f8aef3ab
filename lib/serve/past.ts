import type { Column, Columns } from "../data/columns.ts";
import { askedWith, historyOf, timeIn } from "../data/history/history.ts";
import type { HistoryState } from "../data/history/state.ts";
import { places } from "../data/places.ts";
import { quoted } from "../errors/quoted.ts";
import type { PlainColumn } from "../features/tabular.ts";
import type { Past } from "./inputs.ts";

/** Returns the past that a state knows. */
export function pastOf(state: HistoryState): Past {
  const past = historyOf(state);
  const asked = Object.entries(askedWith(state));
  const adds = Object.keys(past.features);
  return {
    inputs: asked.map(([name, holds]) => ({ name, holds, lists: false })),
    adds,
    time: timeIn(state),
    until: state.time,
    over: (columns) => {
      const found = past.at(state, tableOf(asked, columns));
      const made = { ...found.columns, ...found.lists } as Record<string, Column | PlainColumn>;
      return { ...columns, ...Object.fromEntries(adds.map((name) => [name, made[name]])) };
    },
  };
}

/** Returns plain columns as a table: columns with a list in them as lists. */
function tableOf(
  asked: readonly (readonly [name: string, holds: "number" | "text"])[],
  given: Readonly<Record<string, PlainColumn>>,
): Columns {
  const columns: Record<string, Column> = {};
  const lists: Record<string, readonly (readonly (number | string | null)[] | null)[]> = {};
  for (const [name, holds] of asked) {
    const values = Array.from(given[name]);
    const listed = values.filter((value) => Array.isArray(value)).length;
    if (listed > 0 && values.some((value) => value !== null && value !== undefined && !Array.isArray(value))) {
      throw new TypeError(`Cannot add the past\n  at column ${quoted(name)}: wanted a list in each row, or in none`);
    }
    if (listed > 0) lists[name] = values as typeof lists[string];
    else if (holds === "number") {
      columns[name] = {
        kind: "number",
        values: Float64Array.from(values, (value) => value === null || value === undefined ? NaN : Number(value)),
      };
    } else columns[name] = texts(values);
  }
  return { count: given[asked[0][0]].length, columns, lists };
}

function texts(values: readonly unknown[]): Column {
  const known = places();
  const codes = Int32Array.from(
    values,
    (value) => value === null || value === undefined ? -1 : known.add(String(value)),
  );
  return { kind: "text", codes, words: known.words };
}
