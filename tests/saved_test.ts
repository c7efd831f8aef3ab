import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { encode, type Features, featuresOf, load, reference } from "../mod.ts";

/** A folder for each version of the format, as that version wrote it, never written anew. */
const versions = ["v1"];

interface Expected {
  readonly count: number;
  readonly inputs: { readonly numeric: number[]; readonly category: number[] };
  readonly predictions: Readonly<Record<string, number[]>>;
  readonly gates: Readonly<Record<string, number[]>>;
}

Deno.test("load() reads the models of every version of the format as they were", async () => {
  assertEquals([...Deno.readDirSync("tests/saved")].map(({ name }) => name).sort(), versions);
  for (const version of versions) {
    const path = `tests/saved/${version}`;
    const expected: Expected = JSON.parse(Deno.readTextFileSync(`${path}/expected.json`));
    const model = await load(path, { engine: reference() });
    const features = featuresOf(model.spec);
    const found = await model.inspect(encode(features, tableOf(features, expected)));
    assertClose(found.predictions, expected.predictions, version);
    assertClose(found.gates, expected.gates, version);
    assertEquals(model.seed, 7);
    model.dispose();
  }
});

/** Returns the numbers and the words of expected rows, whose numbers were stored raw, and whose words as codes. */
function tableOf(features: Features, { count, inputs }: Expected): Record<string, (number | string)[]> {
  const columns = Object.entries(features).map(([name, feature]) => {
    const alike = Object.keys(features).filter((other) => features[other].kind === feature.kind);
    const values = Array.from(
      { length: count },
      (_, row) => inputs[feature.kind][row * alike.length + alike.indexOf(name)],
    );
    return [name, feature.kind === "numeric" ? values : values.map((code) => feature.words[code - 1] ?? "unknown")];
  });
  return Object.fromEntries(columns);
}

function assertClose(
  found: Readonly<Record<string, Float32Array>>,
  expected: Readonly<Record<string, number[]>>,
  version: string,
): void {
  assertEquals(Object.keys(found), Object.keys(expected), version);
  for (const [name, numbers] of Object.entries(expected)) {
    assertEquals(found[name].length, numbers.length, `${version}: ${name}`);
    assert(new Set(numbers).size > 1, `${version}: ${name} is the same for all rows`);
    numbers.forEach((number, at) => assertAlmostEquals(found[name][at], number, 1e-5, `${version}: ${name}[${at}]`));
  }
}
