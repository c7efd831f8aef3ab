import { areFinite } from "../ops/finite.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { areFixed } from "./encoding.ts";
import type { Features, InputSpec } from "./input.ts";
import type { Encoded, GraphInput, Wrong } from "./kind.ts";
import { type Group, groupsOf } from "./table.ts";

/** A part of the stream `input`: the numbers of a model that reads a width, or all features of one kind. */
export interface InputPart {
  /** The inputs of the graph that it is made of. */
  readonly inputs: readonly GraphInput[];
  /** Its columns `[batch, width]` of the stream, from the inputs by name. */
  readonly value: (inputs: Readonly<Record<string, Value>>) => Value;
  /** Those of its columns that are 0 unless something is missing or unknown. */
  readonly reserved: readonly number[];
  /** The first number that it cannot take, of arrays whose types and lengths are right. */
  readonly wrong: (rows: Encoded) => Wrong | undefined;
  /** The lists of rows that its inputs are made of; absent where rows hold the inputs themselves. */
  readonly lists?: {
    /** The names of the features. */
    readonly names: readonly string[];
    /** Returns the inputs, in which all lists are padded to one length. */
    readonly padded: (rows: Encoded) => Encoded["inputs"];
  };
}

/** The parts of the stream `input`, in its order; of features that cannot change found once. */
export function partsOf(input: InputSpec): readonly InputPart[] {
  if ("width" in input) return [numbers(input.width)];
  const known = parts.get(input.features);
  if (known !== undefined) return known;
  const found = groupsOf(input.features).map(({ kind, features }): InputPart => ({
    inputs: kind.inputs(features),
    value: (inputs) => kind.value(features, inputs),
    reserved: reservedIn(kind, features),
    wrong: (rows) => kind.wrong(features, rows),
    ...(kind.padded && {
      lists: { names: features.map(([name]) => name), padded: (rows) => kind.padded!(features, rows) },
    }),
  }));
  if (areFixed(input.features)) parts.set(input.features, found);
  return found;
}

const parts = new WeakMap<Features, readonly InputPart[]>();

/** The values of a batch whose concatenation is the stream `input`: `[batch, width]` for each part. */
export function inputValues(input: InputSpec): readonly Value[] {
  return partsOf(input).map(({ inputs, value }) =>
    value(Object.fromEntries(inputs.map(({ name, type, width }) => {
      return [name, apply("input", [], { name, shape: ["batch", width], type })];
    })))
  );
}

/** The reserved columns of features that stand side by side. */
function reservedIn(kind: Group["kind"], features: Group["features"]): number[] {
  let start = 0;
  return features.flatMap(([, feature]) => {
    const first = start;
    start += kind.width(feature);
    return kind.reserved(feature).map((column) => first + column);
  });
}

/** Numbers without names, read as they are. */
function numbers(width: number): InputPart {
  return {
    inputs: [{ name: "input", type: "float", width }],
    value: ({ input }) => input,
    reserved: [],
    wrong: ({ inputs: { input } }) => {
      if (areFinite(input as Float32Array)) return undefined;
      const at = input.findIndex((number) => !Number.isFinite(number));
      const [row, column] = [Math.floor(at / width), at % width];
      return { row, at: `column ${column}`, message: `${input[at]} is not a finite number` };
    },
  };
}
