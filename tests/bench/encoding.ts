import { category, cross, encode, fit, hashed } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { zipf } from "./ids.ts";
import { type Bench, own } from "./lines.ts";
import { measure } from "./measure.ts";

/** The rows that are encoded at once, and the ids that a column is of. */
export interface Encoded {
  /** The rows. */
  readonly rows: number;
  /** The words that a column can have. */
  readonly words: number;
}

/** The features of ten columns of ids, by what they are: words of a list, of no list, pairs of them, and of each some. */
const kinds = {
  category: { category: 10, hashed: 0, cross: 0 },
  hashed: { category: 0, hashed: 10, cross: 0 },
  cross: { category: 0, hashed: 0, cross: 10 },
  "10 ids": { category: 4, hashed: 3, cross: 3 },
} as const;

/**
 * Rows a second that `encode` makes codes of, on one thread: lists of words as a program has them, ten columns of ids,
 * frequent and rare by Zipf's law.
 */
export async function encoding(bench: Bench, { rows, words }: Encoded = { rows: 100_000, words: 100_000 }) {
  const ids = idsOf(rows, words);
  const contestants = Object.entries(kinds).map(([name, of]) => {
    bench.note(`encoding: fitting ${name}`);
    const features = fit(featuresOf(of, words), tableOf(ids));
    const once = () => {
      const table = tableOf(ids); // words that nothing has hashed yet, as those of new rows are
      const start = performance.now();
      encode(features, table);
      return performance.now() - start;
    };
    return { name, times: (count: number) => Promise.resolve(Array.from({ length: count }, once)) };
  });
  bench.note("encoding");
  for (const [name, times] of await measure(contestants, bench)) {
    bench.write(own(`encoding, ${name}`, "encode", "rows_per_s", times.map((time) => rows / time * 1000)));
  }
}

function featuresOf(counts: Readonly<Record<"category" | "hashed" | "cross", number>>, words: number) {
  const columns = Array.from({ length: 10 }, (_, at) => `column ${at}`);
  const one = (kind: keyof typeof counts, at: number) => {
    if (kind === "category") return category();
    if (kind === "hashed") return hashed(10 * words);
    return cross([columns[at], columns[(at + 1) % 10]], { buckets: 10 * words });
  };
  const list = (["category", "hashed", "cross"] as const).flatMap((kind) => Array(counts[kind]).fill(kind));
  return Object.fromEntries(list.map((kind, at) => [kind === "cross" ? `cross ${at}` : columns[at], one(kind, at)]));
}

/** The ids of ten columns. */
function idsOf(rows: number, words: number): readonly Int32Array[] {
  const source = random("bench:encoding");
  return Array.from({ length: 10 }, () => Int32Array.from({ length: rows }, () => zipf(words, source)));
}

/** Columns of ids as words. */
function tableOf(ids: readonly Int32Array[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(ids.map((some, at) => [`column ${at}`, Array.from(some, (id) => `${at}-${id}`)]));
}
