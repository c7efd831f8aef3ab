import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { concat, slice } from "../ops/functions.ts";
import type { Field, Value } from "../ops/value.ts";
import type { Features, InputSpec, StreamSpec } from "./input.ts";
import { groupsOf } from "./table.ts";

/** Columns that lie side by side, from the first one on. */
export type Run = readonly [start: number, length: number];

/**
 * Returns a function that returns the columns of the stream `input` that make a part of it, as runs in the order of the
 * part; it throws a RangeError that says what is wrong with the part. The places of features are found once for all.
 *
 * @param advised Returns the end of the error about an unknown feature. Default: the nearest name.
 */
export function columnsIn(
  input: InputSpec,
  advised: (name: string, known: () => Iterable<string>) => string = (name, known) => advice(name, known()),
): (part: StreamSpec) => readonly Run[] {
  const places = "width" in input ? undefined : placesOf(input.features);
  const placed = (item: string | number): Run =>
    "width" in input ? [columnOf(input.width, item), 1] : placeIn(places!, item, advised);
  return (part) => runsOf(part, placed);
}

/**
 * Returns a function that returns the features of a part of the stream `input`, or of all of it without a part, in the
 * order of their columns; undefined if the input is a width.
 */
export function fieldsIn(input: InputSpec): (part?: StreamSpec) => readonly Field[] | undefined {
  if ("width" in input) return () => undefined;
  const fields = new Map(
    groupsOf(input.features).flatMap(({ kind, features }) =>
      features.map((named): [string, Field] => {
        const [name, feature] = named;
        const [code] = kind.inputs([named]).flatMap(({ codes = [] }) => codes);
        const items = kind.items?.(feature);
        const table = "like" in feature ? feature.like : undefined;
        const codes = code && {
          missing: code.missing !== undefined,
          ...(items === undefined ? {} : { items }),
          ...(table === undefined ? {} : { table }),
        };
        return [name, { name, width: kind.width(feature), ...(codes && { codes }) }];
      })
    ),
  );
  return (part) => part === undefined ? [...fields.values()] : part.map((name) => fields.get(String(name))!);
}

function runsOf(part: StreamSpec, placed: (item: string | number) => Run): Run[] {
  if (part.length === 0) throw new RangeError("the part holds nothing of the input: wanted at least one of it");
  const runs: [number, number][] = [];
  const seen = new Set<string | number>();
  for (const item of part) {
    if (seen.has(item)) throw new RangeError(`${textOf(item)} stands twice`);
    seen.add(item);
    const [start, length] = placed(item);
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === start) last[1] += length;
    else runs.push([start, length]);
  }
  return runs;
}

/**
 * Runs of columns of values that lie side by side, each cut from the values that it covers.
 *
 * @param parts `[batch, width]` each.
 * @returns `[batch, sum of lengths]`.
 */
export function cut(parts: readonly Value[], runs: readonly Run[]): Value {
  const pieces = runs.flatMap(([start, length]) => {
    let from = 0;
    return parts.flatMap((part) => {
      const width = part.shape[1] as number;
      const [first, last] = [Math.max(start - from, 0), Math.min(start + length - from, width)];
      from += width;
      if (first >= last) return [];
      return [last - first === width ? part : slice(part, first, last - first)];
    });
  });
  return concat(pieces);
}

function columnOf(width: number, item: string | number): number {
  if (Number.isSafeInteger(item) && (item as number) >= 0 && (item as number) < width) return item as number;
  throw new RangeError(`the input has columns 0 to ${width - 1}, found ${textOf(item)}`);
}

/** Returns the place of each feature in the stream `input`: its first column and its width. */
function placesOf(features: Features): Map<string, Run> {
  const places = new Map<string, Run>();
  let start = 0;
  for (const { kind, features: named } of groupsOf(features)) {
    for (const [name, feature] of named) {
      places.set(name, [start, kind.width(feature)]);
      start += kind.width(feature);
    }
  }
  return places;
}

function placeIn(
  places: ReadonlyMap<string, Run>,
  item: string | number,
  advised: (name: string, known: () => Iterable<string>) => string,
): Run {
  const place = places.get(String(item));
  if (place !== undefined) return place;
  const end = typeof item === "string" ? advised(item, () => places.keys()) : ": wanted one";
  throw new RangeError(`no feature is named ${textOf(item)}${end}`);
}

function textOf(item: string | number): string {
  return typeof item === "string" ? quoted(item) : String(item);
}
