import { assert, assertEquals } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { category } from "../lib/features/category.ts";
import { columnsIn } from "../lib/features/columns.ts";
import { cross } from "../lib/features/cross.ts";
import { encode } from "../lib/features/encode.ts";
import { fit } from "../lib/features/fit.ts";
import { type Features, inputWidth } from "../lib/features/input.ts";
import { hashed } from "../lib/features/hashed.ts";
import { numeric } from "../lib/features/numeric.ts";
import { inputValues, partsOf } from "../lib/features/parts.ts";
import { columnKinds, type Feature, featureForm, isFitted, isUnfitted, kinds } from "../lib/features/table.ts";
import type { UnfittedFeature } from "../lib/features/table.ts";
import { define, pipe, regression } from "../mod.ts";
import { filesUnder } from "./sources.ts";

/** Features of every kind to be fitted, in all their forms. */
const samples: Readonly<Record<Feature["kind"], readonly UnfittedFeature[]>> = {
  numeric: [
    numeric(),
    numeric({ transform: "log1p" }),
    numeric({ standardise: false }),
    numeric({ missing: 3 }),
    numeric({ missing: "mean", indicator: true }),
  ],
  category: [
    category(),
    category({ minCount: 3 }),
    category({ minCount: 1000 }),
    category({ missing: "unknown" }),
    category({ most: 2, unknowns: 3 }),
  ],
  bucketed: [numeric({ boundaries: [2, 3.5, 7] }), numeric({ quantiles: 4 })],
  hashed: [hashed(1), hashed(7)],
  cross: [cross(["left", "right"], { buckets: 5 }), cross(["right", "middle", "left"], { buckets: 50 })],
};

/** Some features of given kinds in a random order, and columns that they can be fitted to. */
function drawn(of: readonly Feature["kind"][], seed: string) {
  const source = random(seed);
  const any = <T>(list: readonly T[]): T => list[Math.floor(source.uniform() * list.length)];
  const features = Object.fromEntries(
    Array.from({ length: 1 + Math.floor(source.uniform() * 6) }, (_, at) => [`f${at}`, any(samples[any(of)])]),
  );
  const rows = 1 + Math.floor(source.uniform() * 20);
  const columns = Object.fromEntries(
    Object.entries(columnKinds(features)).map(([name, holds]) => {
      const column = Array.from({ length: rows }, () => Math.floor(source.uniform() * 9));
      return [name, holds === "number" ? column : column.map((word) => `word ${word}`)];
    }),
  );
  return { features, rows, columns };
}

const everyKind = Object.keys(kinds) as Feature["kind"][];

Deno.test("kinds: what a row promises of inputs, widths and places is what it encodes and computes", () => {
  for (let seed = 0; seed < 60; seed++) {
    const of = seed % 3 === 0 ? everyKind : [everyKind[seed % everyKind.length]];
    const { features, rows, columns } = drawn(of, `kinds:${seed}`);
    const fitted = fit(features, columns);
    const encoded = encode(fitted, columns);
    const input = { features: fitted };
    const parts = partsOf(input);

    const promised = parts.flatMap(({ inputs }) => inputs);
    assertEquals(promised.map(({ name }) => name), Object.keys(encoded.inputs));
    for (const { name, type, width } of promised) {
      const data = encoded.inputs[name];
      assert(data instanceof (type === "int" ? Int32Array : Float32Array));
      assertEquals(data.length, rows * width, name);
    }
    for (const { wrong } of parts) assertEquals(wrong(encoded.inputs), undefined);

    const values = inputValues(input);
    assertEquals(values.reduce((sum, { shape }) => sum + (shape[1] as number), 0), inputWidth(input));
    for (const { shape, type } of values) assertEquals([shape.length, shape[0], type], [2, "batch", "float"]);
    const ordered = everyKind.flatMap((kind) => Object.keys(fitted).filter((name) => fitted[name].kind === kind));
    assertEquals(columnsIn(input)(ordered), [[0, inputWidth(input)]]);
  }
});

Deno.test("kinds: a row knows its features before and after they are fitted, in JSON too, and no others", () => {
  for (const kind of everyKind) {
    const { features, columns } = drawn([kind], kind);
    const fitted = fit(features, columns);
    for (const name of Object.keys(features)) {
      assertEquals([features[name].kind, fitted[name].kind], [kind, kind]);
      assertEquals([isUnfitted(features[name]), isFitted(features[name])], [true, false]);
      assertEquals([isUnfitted(fitted[name]), isFitted(fitted[name])], [false, true]);
      assertEquals(featureForm(fitted[name], ""), []);
      for (const other of everyKind) {
        if (other === kind) continue;
        assert(kinds[other].fitted(fitted[name], "").length > 0);
        assert(kinds[other].unfitted(features[name], "").length > 0);
      }
    }
    assertEquals(JSON.parse(JSON.stringify(fitted)), fitted);
    assertEquals(define({ input: fitted, tasks: { y: regression(pipe()) } }).input, { features: fitted as Features });
  }
});

Deno.test("kinds: no file of lib but its own names a kind in a string", () => {
  const named = filesUnder("lib").filter((path) => path.endsWith(".ts")).flatMap((path) => {
    const code = Deno.readTextFileSync(path).replaceAll(/\/\*\*.*?\*\//gs, "");
    return everyKind.filter((kind) => code.includes(`"${kind}"`)).map((kind) => `${kind} in ${path}`);
  });
  assertEquals(named.sort(), everyKind.map((kind) => `${kind} in lib/features/${kind}.ts`).sort());
});
