import { bag, category, type Columns, cross, encode, fit, hashed, labels, numeric, rows } from "../../mod.ts";
import { type Rows, sequence, take, type UnfittedFeature } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { attempt, type End, ensure, type Kind, pick, several } from "./kind.ts";
import { textOf, withWrong } from "./wrong.ts";

/** Tables of columns and lists, and what is made of them: features, codes, labels, rows. */
export const tables: Kind = { share: 200, run };

/** Returns features of every kind, some of them left out. */
function featuresOf(source: Random): Record<string, UnfittedFeature> {
  const list = { separator: "|", most: 1 + source.bits() % 3 };
  const named = {
    ...pick(source, [{ age: numeric() }, { age: numeric({ boundaries: [20, 30] }) }]),
    job: pick(source, [category({ minCount: 1 + source.bits() % 2 }), category({ unknowns: 3 }), hashed(5)]),
    both: cross(["job", "city"], { buckets: 7 }),
    tags: bag({ ...list, ...pick(source, [{ weights: "shares" }, { like: "job" }, { pooling: "sum" as const }]) }),
    seen: sequence({ ...list, ...pick(source, [{ like: "job" }, { group: "seen" }, {}]) }),
    when: sequence({ ...list, ...pick(source, [{ group: "seen" }, { mostWords: 2 }]) }),
  };
  const kept = Object.entries(named).filter(([name]) => name === "job" || source.uniform() < 0.6);
  return Object.fromEntries(kept);
}

function textsOf(texts: readonly string[]): Columns["columns"][string] {
  const words = [...new Set(texts)];
  return { kind: "text", codes: Int32Array.from(texts, (word) => words.indexOf(word)), words };
}

async function run(source: Random): Promise<End> {
  const count = 1 + source.bits() % 5;
  const age = several(count, (at) => at * 7.5 + source.bits() % 3);
  const job = several(count, () => pick(source, ["clerk", "smith", "", "ä"]));
  const click = several(count, () => pick(source, [0, 1, NaN]));
  const asLists = source.uniform() < 0.4;
  const items = several(count, () => several(source.bits() % 4, () => pick(source, ["clerk", "1", "zoe"])));
  const weights = items.map((list) => list.map(() => source.bits() % 3));
  const joined = (lists: readonly (readonly unknown[])[]) => lists.map((list) => list.join("|"));
  const columns: Columns = {
    count,
    columns: {
      age: { kind: "number", values: Float64Array.from(age) },
      job: textsOf(job),
      city: textsOf(job),
      tags: textsOf(joined(items)),
      seen: textsOf(joined(items)),
      shares: textsOf(joined(weights)),
      when: textsOf(joined(items)),
      click: { kind: "number", values: Float64Array.from(click) },
    },
  };
  const given = {
    features: featuresOf(source),
    table: asLists ? { age, job, city: job, tags: items, seen: items, shares: weights, when: items } : columns,
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
  ensureWhole(made.encoded, made.whole, input);
  return "valid";
}

/** Makes sure that encoded rows, and rows made of them, hold as much as they have rows. */
function ensureWhole(encoded: Rows, whole: Rows, input: string): void {
  for (const data of Object.values(encoded.inputs)) {
    ensure(data.length % encoded.count === 0 && data.every(Number.isFinite), "inputs are not whole", input);
  }
  for (const { starts, codes } of Object.values(encoded.lists ?? {})) {
    ensure(starts.length === encoded.count + 1 && starts[encoded.count] === codes.length, "lists are not whole", input);
  }
  for (const data of [...Object.values(whole.labels ?? {}), ...Object.values(whole.weights ?? {})]) {
    ensure(data.length === encoded.count, "labels or weights are of other rows", input);
  }
}
