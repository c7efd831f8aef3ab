import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Feature, Features } from "./feature.ts";
import type { InputSpec, StreamSpec } from "./feature.ts";

/**
 * The columns of the stream `input` that make a part of it, as runs `[start, length]` in the order of the part.
 *
 * @throws {RangeError} saying what is wrong with it.
 */
export function columnsOf(input: InputSpec, part: StreamSpec): readonly (readonly [start: number, length: number])[] {
  if (part.length === 0) throw new RangeError("the part holds nothing of the input: wanted at least one of it");
  const places = "width" in input ? undefined : placesOf(input.features);
  const runs: [number, number][] = [];
  const seen = new Set<string | number>();
  for (const item of part) {
    if (seen.has(item)) throw new RangeError(`${textOf(item)} stands twice`);
    seen.add(item);
    const [start, length] = "width" in input ? [columnOf(input.width, item), 1] : placeIn(places!, item);
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === start) last[1] += length;
    else runs.push([start, length]);
  }
  return runs;
}

function columnOf(width: number, item: string | number): number {
  if (Number.isSafeInteger(item) && (item as number) >= 0 && (item as number) < width) return item as number;
  throw new RangeError(`the input has columns 0 to ${width - 1}, found ${textOf(item)}`);
}

/** Where the features lie in the stream `input`, numeric ones first, and their widths. */
function placesOf(features: Features): Map<string, readonly [start: number, length: number]> {
  const places = new Map<string, readonly [number, number]>();
  let start = 0;
  for (const kind of ["numeric", "category"]) {
    for (const [name, feature] of Object.entries(features)) {
      if (feature.kind !== kind) continue;
      places.set(name, [start, featureWidth(feature)]);
      start += featureWidth(feature);
    }
  }
  return places;
}

function placeIn(
  places: ReadonlyMap<string, readonly [number, number]>,
  item: string | number,
): readonly [number, number] {
  const place = places.get(String(item));
  if (place !== undefined) return place;
  const advised = typeof item === "string" ? advice(item, places.keys()) : ": wanted one";
  throw new RangeError(`no feature is named ${textOf(item)}${advised}`);
}

/** The units of one feature: 1, or a slot for each word and one for whatever is no word. */
export function featureWidth(feature: Feature): number {
  return feature.kind === "numeric" ? 1 : feature.words.length + 1;
}

function textOf(item: string | number): string {
  return typeof item === "string" ? quoted(item) : String(item);
}
