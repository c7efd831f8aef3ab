import { category, type Columns, encode, fit, labels, numeric, rows, take } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { attempt, type End, ensure, type Kind, pick, several } from "./kind.ts";
import { textOf, withWrong } from "./wrong.ts";

/** Tables of columns and lists, and what is made of them: features, codes, labels, rows. */
export const tables: Kind = { share: 200, run };

async function run(source: Random): Promise<End> {
  const count = 1 + source.bits() % 5;
  const age = several(count, (at) => at * 7.5 + source.bits() % 3);
  const job = several(count, () => pick(source, ["clerk", "smith", "", "ä"]));
  const click = several(count, () => pick(source, [0, 1, NaN]));
  const asLists = source.uniform() < 0.4;
  const words = [...new Set(job)];
  const columns: Columns = {
    count,
    columns: {
      age: { kind: "number", values: Float64Array.from(age) },
      job: { kind: "text", codes: Int32Array.from(job, (word) => words.indexOf(word)), words },
      click: { kind: "number", values: Float64Array.from(click) },
    },
  };
  const given = {
    features: { age: numeric(), job: category({ minCount: 1 + source.bits() % 2 }) },
    table: asLists ? { age, job } : columns,
    labels: { click: "click" },
    rows: several(count, (at) => count - 1 - at),
    weights: { click: several(count, () => source.uniform()) },
  };
  const damaged = source.uniform() < 0.9;
  const used = (damaged ? withWrong(given, source) : given) as typeof given;
  const input = textOf(used);
  const made = await attempt(
    input,
    /^Cannot (?:fit features|encode rows|read labels|take rows|make rows|read)\b/,
    () => {
      if (!(typeof used === "object" && used !== null)) return undefined;
      const fitted = fit(used.features, used.table);
      const encoded = encode(fitted, used.table);
      if (asLists) return { fitted, encoded, whole: encoded };
      const known = labels(used.table as Columns, used.labels);
      const picked = take(used.table as Columns, used.rows);
      encode(fitted, picked);
      return { fitted, encoded, whole: rows(encoded, { labels: known, weights: used.weights }) };
    },
  );
  if (made === undefined) {
    ensure(damaged, "a valid table was refused", input);
    return "refused";
  }
  const { encoded, whole } = made;
  for (const data of Object.values(encoded.inputs)) {
    ensure(data.length % encoded.count === 0 && data.every(Number.isFinite), "inputs are not whole", input);
  }
  for (const data of [...Object.values(whole.labels ?? {}), ...Object.values(whole.weights ?? {})]) {
    ensure(data.length === encoded.count, "labels or weights are of other rows", input);
  }
  return "valid";
}
