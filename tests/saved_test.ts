import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { check, encode, type Features, featuresOf, load, reference } from "../mod.ts";

/** A folder for each version of the format, as that version wrote it, never written anew. */
const versions = ["v1", "v2"];

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
function tableOf(features: Features, { count, inputs }: Expected): Record<string, (number | string | null)[]> {
  const columns = Object.entries(features).map(([name, feature]) => {
    if (feature.kind !== "numeric" && feature.kind !== "category") throw new Error(`${name} is newer than the files`);
    const { kind } = feature;
    const alike = Object.keys(features).filter((other) => features[other].kind === kind);
    const values = Array.from(
      { length: count },
      (_, row) => inputs[kind][row * alike.length + alike.indexOf(name)],
    );
    if (feature.kind === "numeric") return [name, values];
    const reserved = feature.missing === "unknown" ? ["no such word"] : [null, "no such word"];
    return [name, values.map((code) => [...reserved, ...feature.words][code])];
  });
  return Object.fromEntries(columns);
}

Deno.test("check() reads version 1 as version 2 in which missing texts count as unknown words", () => {
  const json = JSON.parse(Deno.readTextFileSync("tests/saved/v1/spec.json"));
  assertEquals(json.gatehouse, 1);
  const { input, ...rest } = check(json);
  const words = json.input.features.job.words as string[];
  assertEquals(rest.gatehouse, 2);
  assertEquals(featuresOf({ input }).job, { kind: "category", words, missing: "unknown" });
  const encoded = encode(featuresOf({ input }), {
    ...Object.fromEntries(Object.keys(json.input.features).map((name) => [name, [1, 1, 1]])),
    job: [null, "no such job", words[0]],
  });
  const column = Object.entries(featuresOf({ input })).filter(([, { kind }]) => kind === "category")
    .findIndex(([name]) => name === "job");
  const width = encoded.inputs.category.length / 3;
  assertEquals([0, 1, 2].map((row) => encoded.inputs.category[row * width + column]), [0, 0, 1]);
});

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
