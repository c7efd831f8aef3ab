import type { Column } from "../data/columns.ts";
import type { Json } from "../data/dataset.ts";
import type { Rows } from "../data/rows.ts";
import { isRecord } from "../errors/kinds.ts";
import { sha256, sha256Of } from "../files/sha256.ts";
import { graphOf, print } from "../graph/graph.ts";
import type { Model } from "../model/model.ts";
import { type Data, isDataset } from "../model/pieces.ts";
import { input } from "../ops/leaves.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import { mapEntries } from "../trace/entries.ts";
import type { Settings } from "./settings.ts";

/**
 * Returns what a training is made of, beside the model's table, as checkpoints keep it: all that must be the same for a
 * training to go on to the same numbers, as far as it can be written down. Of functions that is their name.
 */
export function identityOf(model: Pick<Model, "seed">, data: Data, given: Settings): { readonly [name: string]: Json } {
  const {
    batch,
    accumulate,
    average,
    shuffle,
    from,
    weighting,
    validation,
    stopping,
    evaluateEvery,
  } = given;
  return {
    seed: model.seed,
    batch,
    accumulate,
    average: average ?? null,
    shuffle,
    from: { epoch: from.epoch, step: from.step },
    ...rulesOf(given),
    weighting: weighting === undefined ? null : { name: weighting.name, settings: weighting.settings ?? null },
    validation: validation === undefined ? null : dataOf(validation),
    ...evaluateEvery !== Infinity && { evaluate: { every: { steps: evaluateEvery } } },
    stopping: stopping === undefined ? null : JSON.parse(JSON.stringify(stopping)),
    ...watchedBy(given),
    data: dataOf(data),
  };
}

/** Returns the settings of the judge by which a training stops, if it does by one. */
function watchedBy({ judges, stopping }: Settings): { readonly judge?: Json } {
  const name = stopping?.metric;
  return name !== undefined && Object.hasOwn(judges, name) ? { judge: judges[name].settings } : {};
}

/** Returns the rules by which parameters and vectors move, without their rates; those of parts and tables if there are any. */
export function rulesOf({ optimiser, parts, vectors, tables }: Settings): { readonly [name: string]: Json } {
  const ofParts = mapEntries(parts, (_, part) => optimiserIn(part));
  const ofTables = mapEntries(tables, (_, table) => vectorsIn(table));
  return {
    optimiser: optimiserIn(optimiser),
    ...Object.keys(parts).length > 0 && { parts: ofParts },
    vectors: vectorsIn(vectors),
    ...Object.keys(tables).length > 0 && { tables: ofTables },
  };
}

function optimiserIn(optimiser: Optimiser): Json {
  const { name, weightDecay, clipNorm } = optimiser;
  return { name, weightDecay, clipNorm: clipNorm ?? null, rule: ruleOf(optimiser) };
}

function vectorsIn(optimiser: VectorOptimiser): Json {
  const { name, vectors: { touchedDecay } } = optimiser;
  return { name, touchedDecay, rule: vectorRuleOf(optimiser) };
}

/** Returns the digest of an optimiser's rule: its graph, and its scalars in two steps. */
function ruleOf({ slots, scalars, update }: Optimiser): string {
  const names = ["rate", ...Object.keys(scalars(1, 1))];
  const given = (of: readonly string[], word: string, shape: readonly number[]) =>
    Object.fromEntries(of.map((name) => [name, input(`${word}/${name}`, shape)]));
  const rule = update(input("gradient", [1]), given(Object.keys(slots), "slot", [1]), given(names, "scalar", []));
  const graph = graphOf({ change: rule.change, ...rule.slots });
  return short(JSON.stringify([slots, [1, 2].map((step) => scalars(step, 0.5)), print(graph)]));
}

/** Returns the digest of what a rule makes of a vector in two steps. */
function vectorRuleOf({ vectors: { state: length, initial, update } }: VectorOptimiser): string {
  const [table, state] = [Float32Array.of(1, -2), new Float32Array(length(2)).fill(initial)];
  for (const step of [1, 2]) {
    const gradient = Float32Array.of(0.5, step);
    update({ table, state, rows: Int32Array.of(0), count: 1, units: 2, gradient, scale: 1, rate: 0.5, step });
  }
  return short(JSON.stringify([...table, ...state]));
}

/** Returns what makes data this data and no other. */
export function dataOf(data: Data): Json {
  if (isDataset(data)) return { kind: "dataset", identity: data.identity };
  if (typeof data === "function") return { kind: "function", name: data.name };
  return { kind: "rows", count: data.count, digest: digestOf(data) };
}

/** Returns the digest of rows: of every number in them. */
function digestOf({ count, inputs, lists, labels, weights, by = {} }: Rows): string {
  const hash = sha256Of();
  const add = (name: string, columns: Readonly<Record<string, ArrayBufferView | undefined>> = {}): void => {
    for (const key of Object.keys(columns).sort()) {
      const column = columns[key];
      if (column === undefined) continue;
      hash.update(new TextEncoder().encode(JSON.stringify([name, key, column.constructor.name, column.byteLength])));
      hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    }
  };
  add(`${count} inputs`, inputs);
  for (const name of Object.keys(lists ?? {}).sort()) add(`list ${name}`, { ...lists![name] });
  add("labels", labels);
  add("weights", weights);
  for (const name of Object.keys(by).sort()) add(`keys ${name}`, bytesOf(by[name]));
  return hash.digest().slice(0, 16);
}

/** Returns the numbers of keys, and the bytes of their words. */
function bytesOf(keys: Column): Record<string, ArrayBufferView> {
  if (keys.kind === "number") return { values: keys.values };
  return { codes: keys.codes, words: new TextEncoder().encode(JSON.stringify(keys.words)) };
}

/** Returns the first digits of the SHA-256 of a text. */
function short(text: string): string {
  return sha256(text).slice(0, 16);
}

/**
 * Returns the first difference of two values, in words; undefined if they are equal.
 *
 * @param path The place of the values, for the words. Default: none.
 * @param saver The thing that has the saved one. Default: the checkpoint.
 */
export function differenceOf(found: unknown, saved: unknown, path = "", saver = "the checkpoint"): string | undefined {
  const lists = Array.isArray(found) && Array.isArray(saved) && !isFile(found, saved);
  if (lists || isRecord(found) && isRecord(saved)) {
    const [a, b] = [found, saved] as Readonly<Record<string, unknown>>[];
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const difference = differenceOf(a[name], b[name], path === "" ? name : `${path}.${name}`, saver);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (found === saved || isFile(found, saved) && JSON.stringify(found) === JSON.stringify(saved)) return undefined;
  return `${path}: found ${shown(found)}, ${saver} has ${shown(saved)}`;
}

/** Returns true for a file's name with its size, and another with that name: shown whole, so that the name is read. */
function isFile(found: unknown, saved: unknown): boolean {
  const [a, b] = [found, saved].map((value) => Array.isArray(value) ? value : []);
  return typeof a[0] === "string" && a[0] === b[0] && (typeof a[1] === "number" || typeof b[1] === "number");
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}...`;
}
