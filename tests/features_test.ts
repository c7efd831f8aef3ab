import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type Columns, labels, take } from "../lib/data/columns.ts";
import { readCsv } from "../lib/data/csv.ts";
import { category } from "../lib/features/category.ts";
import { encode, fit } from "../lib/features/encode.ts";
import { numeric } from "../lib/features/numeric.ts";
import type { UnfittedFeature } from "../lib/features/table.ts";
import type { Tabular } from "../lib/features/tabular.ts";
import { random } from "../lib/data/random.ts";
import { compile, cpu, define, inits, layer, regression, type Spec } from "../mod.ts";
import { matmul } from "../lib/ops.ts";
import { parametersOf, type Tensor } from "../lib/graph.ts";

Deno.test("fit() gives mean and standard deviation of the transformed numbers, in float64", () => {
  const source = random("fit");
  for (const transform of ["none", "log1p"] as const) {
    for (const [offset, size] of [[0, 1], [1e4, 10], [3, 1e-3], [1e6, 1e6]]) {
      const x = Float32Array.from({ length: 5000 }, () => offset + size * source.uniform());
      const values = Array.from(x, (value) => transform === "log1p" ? Math.log(1 + value) : value);
      const mean = values.reduce((sum, value) => sum + value, 0) / 5000;
      const scale = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 5000);
      const { x: found } = fit({ x: numeric({ transform }) }, { x });
      assert(found.kind === "numeric" && found.transform === transform);
      assertAlmostEquals(found.mean, mean, 1e-9 * Math.abs(mean));
      assertAlmostEquals(found.scale, scale, 1e-6 * scale);
    }
  }
});

Deno.test("fit() gives a constant column scale 1 and its exact value as mean", () => {
  for (const value of [0, 0.1, 1e30, -7]) {
    const { x } = fit({ x: numeric() }, { x: new Float32Array(1000).fill(value) });
    assertEquals(x, { kind: "numeric", transform: "none", mean: Math.fround(value), scale: 1 });
  }
});

Deno.test("fit() without standardising gives mean 0 and scale 1", () => {
  const { x } = fit({ x: numeric({ transform: "log1p", standardise: false }) }, { x: [1, 2, 3] });
  assertEquals(x, { kind: "numeric", transform: "log1p", mean: 0, scale: 1 });
});

Deno.test("fit() sorts words, and leaves out rare ones and those of no row", () => {
  const job = ["smith", "Clerk", "é", "clerk", "smith", "z"];
  const words = (minCount: number, rows: Tabular) => fit({ job: category({ minCount }) }, rows).job;
  assertEquals(words(1, { job }), { kind: "category", words: ["Clerk", "clerk", "smith", "z", "é"] });
  assertEquals(words(2, { job }), { kind: "category", words: ["smith"] });
  assertEquals(words(3, { job }), { kind: "category", words: [] });
  const columns: Columns = {
    count: 2,
    columns: { job: { kind: "text", codes: Int32Array.of(2, 0), words: ["b", "unused", "a"] } },
  };
  assertEquals(words(1, columns), { kind: "category", words: ["a", "b"] });
});

Deno.test("encode() gives raw numbers and codes in the order of the features, unknown words code 1", () => {
  const features = fit(
    { job: category(), age: numeric(), town: category({ minCount: 2 }), pay: numeric({ transform: "log1p" }) },
    { age: [1, 2, 3], job: ["a", "b", "a"], pay: [0, 10, 20], town: ["x", "y", "x"] },
  );
  assertEquals(Object.keys(features), ["job", "age", "town", "pay"]);
  const rows = { pay: [5, 6], town: ["y", "x"], age: [7.5, -8], job: ["b", "c"], other: ["", "", ""] };
  assertEquals(encode(features, rows), {
    count: 2,
    inputs: { numeric: Float32Array.of(7.5, 5, -8, 6), category: Int32Array.of(3, 1, 1, 2) },
  });
  assertEquals(encode(features, { pay: [], town: [], age: [], job: [] }), {
    count: 0,
    inputs: { numeric: new Float32Array(0), category: new Int32Array(0) },
  });
});

Deno.test("a missing text is a code of its own, or counts as unknown, in lists and in every column of a CSV file", async () => {
  const job = ["smith", null, "clerk", undefined, "baker", "smith"];
  const cases: [Parameters<typeof category>[0], number[]][] = [
    [{}, [4, 0, 3, 0, 2, 4, 1]],
    [{ missing: "unknown" }, [3, 0, 2, 0, 1, 3, 0]],
  ];
  const text = ["job,listed\n", ...job.map((word) => `${word ?? "\\N"},${word ?? ""}\n`)];
  for (const quotes of [false, true]) {
    const lines = quotes ? text.map((line) => line.replace(/^(smith|\\N)/, '"$1"')) : text;
    const columns = { job: "text", listed: ["baker", "clerk", "smith"] } as const;
    const table = await readCsv(new Blob(lines).stream(), { columns, missing: ["\\N", ""] });
    for (const [options, codes] of cases) {
      const unfitted = { job: category(options) };
      const features = fit(unfitted, { job });
      assertEquals(features.job, { kind: "category", words: ["baker", "clerk", "smith"], ...options });
      assertEquals([...encode(features, { job: [...job, "cook"] }).inputs.category], codes);
      assertEquals(fit(unfitted, table), features);
      assertEquals([...encode(features, table).inputs.category], codes.slice(0, 6));
      const listed = { count: table.count, columns: { job: table.columns.listed } };
      assertEquals(fit(unfitted, listed), features);
      assertEquals([...encode(features, listed).inputs.category], codes.slice(0, 6));
    }
  }
  const none = fit({ job: category() }, { job: [null, null] });
  assertEquals(none.job, { kind: "category", words: [] });
  assertEquals([...encode(none, { job: [null, "x"] }).inputs.category], [0, 1]);
});

Deno.test("encode() of a CSV file and of plain lists are equal, and whole numbers in lists are words", async () => {
  const source = random("encode");
  const age = Array.from({ length: 300 }, () => Math.floor(source.uniform() * 90));
  const code = age.map((years) => years % 7);
  const file = new Blob(["age,code\n", ...age.map((years, i) => `${years},${code[i]}\n`)]).stream();
  const columns = await readCsv(file, { columns: { age: "number", code: "text" } });
  const train = take(columns, Array.from({ length: 200 }, (_, i) => i));
  const unfitted = { age: numeric(), code: category() };
  const features = fit(unfitted, train);
  assertEquals(features, fit(unfitted, { age: age.slice(0, 200), code: code.slice(0, 200) }));
  assertEquals(encode(features, columns), encode(features, { age: Float64Array.from(age), code: code.map(String) }));
  assertEquals(encode(features, columns), encode(features, { age, code }));
});

Deno.test("encode() of a part is the part of what encode() gives", () => {
  const rows: Columns = {
    count: 4,
    columns: {
      x: { kind: "number", values: Float32Array.of(1, 2, 3, 4) },
      y: { kind: "text", codes: Int32Array.of(0, 1, 0, 2), words: ["p", "q", "r"] },
    },
  };
  const features = fit({ x: numeric(), y: category() }, take(rows, [0, 1]));
  const order = [3, 1, 1];
  const whole = encode(features, rows).inputs, part = encode(features, take(rows, order)).inputs;
  assertEquals([...part.numeric], order.map((row) => whole.numeric[row]));
  assertEquals([...part.category], order.map((row) => whole.category[row]));
  assertEquals([...whole.category], [2, 3, 2, 1]);
});

Deno.test("fit() and encode() survive JSON and names that objects have", () => {
  const rows = JSON.parse('{"__proto__": [1, 2], "constructor": ["a", "b"]}') as Tabular;
  const unfitted = Object.fromEntries([["__proto__", numeric()], ["constructor", category()]]);
  const features = fit(unfitted as Record<string, UnfittedFeature>, rows);
  const again = JSON.parse(JSON.stringify(features));
  const inputs = { numeric: Float32Array.of(1, 2), category: Int32Array.of(2, 3) };
  assertEquals(encode(again, rows), { count: 2, inputs });
});

Deno.test("labels() gives numbers as they are, listed words as their places, and NaN where one is missing", async () => {
  const file = () => new Blob(["pay,sold,town\n", "1.5,yes,x\n", ",no,y\n", "2,,x\n"]).stream();
  const kinds = { pay: "number", sold: ["no", "yes"], town: "text" } as const;
  const columns = await readCsv(file(), { columns: kinds, missing: [""] });
  assertEquals(labels(columns, { sale: "sold", income: "pay" }), {
    sale: Float32Array.of(1, 0, NaN),
    income: Float32Array.of(1.5, NaN, 2),
  });
  assertThrows(() => labels(columns, { town: "town" }), TypeError, 'such as "town": ["x", "y"]');
  const refused = await assertRejects(() => readCsv(file(), { columns: { sold: ["no", "yes"] } }), SyntaxError);
  assertStringIncludes(refused.message, 'line 4, column "sold": found "": wanted "no" or "yes"; missing: [""] lets it');
  const error = assertThrows(() => labels(columns, { sale: "solde" }), TypeError);
  assertEquals(error.message, 'Cannot read labels\n  at sale: no column is named "solde": did you mean "sold"?');
});

Deno.test("encode() names the feature, the row and what was found in every error", () => {
  const features = fit(
    { age: numeric(), pay: numeric({ transform: "log1p" }), job: category() },
    { age: [1, 2], pay: [0, 1], job: ["a", "b"] },
  );
  const right = { age: [1, 2], pay: [3, 4], job: ["a", "b"] };
  const text: Columns["columns"] = { age: { kind: "text", codes: Int32Array.of(0), words: ["x"] } };
  const number: Columns["columns"] = { job: { kind: "number", values: Float32Array.of(0) } };
  const one = {
    age: { kind: "number", values: Float32Array.of(1) },
    pay: { kind: "number", values: Float32Array.of(1) },
  };
  const cases: [unknown, string][] = [
    [{ ...right, age: [1, NaN] }, '"age", row 1: found NaN, wanted a finite number'],
    [{ ...right, age: [Infinity, 1] }, '"age", row 0: found Infinity, wanted a finite number'],
    [{ ...right, age: [1e39, 1] }, '"age", row 0: found 1e+39, wanted a finite number'],
    [{ ...right, age: [1, "2"] }, '"age", row 1: found "2", wanted a finite number'],
    [{ ...right, age: [1, undefined] }, '"age", row 1: found undefined, wanted a finite number'],
    [{ ...right, age: [null, 1] }, '"age", row 0: found null, wanted a finite number'],
    [{ ...right, pay: [0, -1] }, '"pay", row 1: found -1, wanted a number greater than -1 for log1p'],
    [
      { ...right, pay: [-0.999999999999, 0] },
      '"pay", row 0: found -0.999999999999, wanted a number greater than -1 for log1p',
    ],
    [{ ...right, job: ["a", 1.5] }, '"job", row 1: found 1.5, wanted a text or a whole number'],
    [{ ...right, job: ["a", NaN] }, '"job", row 1: found NaN, wanted a text or a whole number'],
    [{ ...right, job: ["a"] }, '"job": found 1 rows, wanted 2'],
    [{ ...right, job: 7 }, '"job": found 7, wanted a list'],
    [{ ...right, job: "ab" }, '"job": found "ab", wanted a list'],
    [{ age: [1], pay: [1], jobs: ["a"] }, '"job": there is no such column: did you mean "jobs"?'],
    [{}, '"age": there is no such column'],
    [{ count: 1, columns: { ...one, ...text, job: text.age } }, '"age": found text, wanted numbers'],
    [{ count: 1, columns: { ...one, ...number } }, '"job": found numbers, wanted text'],
    [{ count: 2, columns: { ...one, job: text.age } }, '"age": found 1 rows, wanted 2'],
  ];
  for (const [rows, message] of cases) {
    const error = assertThrows(() => encode(features, rows as Tabular), Error);
    assert(error instanceof TypeError || error instanceof RangeError);
    assertEquals(error.message, `Cannot encode rows\n  at feature ${message}`);
  }
});

Deno.test("fit(), numeric(), category() and take() refuse what is wrong", () => {
  const cases: [() => unknown, string][] = [
    [() => fit({ x: numeric() }, { x: [] }), "Cannot fit features\n  at rows: found none, wanted at least one"],
    [
      () => fit({ age: numeric() }, { agee: [1] }),
      'Cannot fit features\n  at feature "age": there is no such column: did you mean "agee"?',
    ],
    [
      () => fit({ x: numeric({ transform: "log1p" }) }, { x: [0, -2] }),
      'Cannot fit features\n  at feature "x", row 1: found -2, wanted a number greater than -1 for log1p',
    ],
    ...[10, 3].map((apart): [() => unknown, string] => [
      () => fit({ t: numeric() }, { t: Array.from({ length: 8 }, (_, row) => 1_700_000_000 + apart * row) }),
      'Cannot fit features\n  at feature "t": found ' +
      (apart === 10 ? "1700000016 on average and differences of 42" : "1700000000 on average and differences of 0.0") +
      ", too small for float32: subtract an offset first",
    ]),
    [
      () => category({ minCoutn: 2 } as Record<string, number>),
      'Cannot define category: option "minCoutn" is unknown: did you mean "minCount"?',
    ],
    [
      () => category({ missing: "own" as "unknown" }),
      'Cannot define category\n  at missing: found "own", wanted "unknown" or nothing',
    ],
    [
      () => category({ minCount: 0 }),
      "Cannot define category\n  at minCount: found 0, wanted an integer of at least 1",
    ],
    [
      () => numeric({ transform: "log" as "log1p" }),
      'Cannot define numeric feature\n  at transform: found "log", wanted "none" or "log1p"',
    ],
    [
      () => take({ count: 3, columns: {} }, [0, 3]),
      "Cannot take rows\n  at rows[1]: found 3, wanted a row of 3",
    ],
  ];
  for (const [run, message] of cases) assertEquals(assertThrows(run, Error).message, message);
});

Deno.test("numeric() in a model is log(1 + x), small or large, standardised, in float32", async () => {
  const linear = layer((parameter, x) => matmul(x, parameter("kernel", [1, 1], inits.ones)));
  for (const size of [1e-30, 1e-9, 1e-7, 1e-4, 1, 1e6, 1e36]) {
    const x = Float32Array.from({ length: 8 }, (_, row) => size * (row + 1));
    const features = fit({ x: numeric({ transform: "log1p" }) }, { x });
    assert(features.x.kind === "numeric");
    const { mean, scale } = features.x;
    const spec = define({ input: features, tasks: { y: regression(linear) } });
    const model = await compile(spec, { engine: cpu(), parameters: ones(spec) });
    const { y } = await model.predict(encode(features, { x }));
    model.dispose();
    for (const [row, found] of y.entries()) {
      const wanted = (Math.log1p(x[row]) - mean) / scale;
      assertAlmostEquals(found, wanted + 1, 2e-6 * Math.max(1, mean / scale), `${size}: row ${row}`);
    }
  }
});

function ones(spec: Spec): Record<string, Tensor> {
  const parameters = parametersOf(spec);
  return Object.fromEntries(parameters.map(({ path, shape }) => {
    return [path, { shape, data: new Float32Array(shape.reduce((size, length) => size * length, 1)).fill(1) }];
  }));
}
