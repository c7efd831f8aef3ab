import { areFinite } from "../ops/finite.ts";
import type { Rows } from "../data/rows.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { InputSpec } from "./input.ts";
import type { GraphInput, Wrong } from "./kind.ts";
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
  readonly wrong: (inputs: Rows["inputs"]) => Wrong | undefined;
}

/** The parts of the stream `input`, in its order. */
export function partsOf(input: InputSpec): readonly InputPart[] {
  if ("width" in input) return [numbers(input.width)];
  return groupsOf(input.features).map(({ kind, features }) => ({
    inputs: kind.inputs(features),
    value: (inputs) => kind.value(features, inputs),
    reserved: reservedIn(kind, features),
    wrong: (inputs) => kind.wrong(features, inputs),
  }));
}

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
    wrong: ({ input }) => {
      if (areFinite(input as Float32Array)) return undefined;
      const at = input.findIndex((number) => !Number.isFinite(number));
      const [row, column] = [Math.floor(at / width), at % width];
      return { row, at: `column ${column}`, message: `${input[at]} is not a finite number` };
    },
  };
}
