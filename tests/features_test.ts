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
import { encode } from "../lib/features/encode.ts";
import { fit } from "../lib/features/fit.ts";
import { encodingOf } from "../lib/features/encoding.ts";
import { numeric } from "../lib/features/numeric.ts";
import type { UnfittedFeature } from "../lib/features/table.ts";
import type { Tabular } from "../lib/features/tabular.ts";
import { transforms } from "../lib/features/transforms.ts";
import { random } from "../lib/data/random.ts";
import { columnsIn } from "../lib/features/columns.ts";
import { inputWidth } from "../lib/features/input.ts";
import { compile, cpu, define, entriesOf, inits, layer, regression, type Spec } from "../mod.ts";
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

Deno.test("encode() gives standardised numbers and codes in the order of the features, unknown words code 1", () => {
  const features = fit(
    { job: category(), age: numeric(), town: category({ minCount: 2 }), pay: numeric({ transform: "log1p" }) },
    { age: [1, 2, 3], job: ["a", "b", "a"], pay: [0, 10, 20], town: ["x", "y", "x"] },
  );
  assertEquals(Object.keys(features), ["job", "age", "town", "pay"]);
  const logs = [0, 10, 20].map(Math.log1p);
  const mean = (logs[1] + logs[2]) / 3;
  const scale = Math.sqrt(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / 3);
  const [pay5, pay6] = [5, 6].map((pay) => (Math.log1p(pay) - mean) / scale);
  const rows = { pay: [5, 6], town: ["y", "x"], age: [7.5, -8], job: ["b", "c"], other: ["", "", ""] };
  const encoding = encodingOf(features);
  assertEquals(Object.keys(encoding), ["age", "pay", "job", "town"]);
  assertEquals(encode(features, rows), {
    count: 2,
    encoding,
    inputs: {
      numeric: Float32Array.of(5.5 / Math.sqrt(2 / 3), pay5, -10 / Math.sqrt(2 / 3), pay6),
      category: Int32Array.of(3, 1, 1, 2),
    },
  });
  assertEquals(encode(features, { pay: [], town: [], age: [], job: [] }), {
    count: 0,
    encoding,
    inputs: { numeric: new Float32Array(0), category: new Int32Array(0) },
  });
});

Deno.test("encode() centres numbers in float64 before it rounds them, and log1p is exact near -1", () => {
  const features = {
    x: { kind: "numeric", transform: "none", mean: 2 ** 40, scale: 2 ** 24 },
    y: { kind: "numeric", transform: "log1p", mean: 0, scale: 1 },
  } as const;
  const { inputs } = encode(features, { x: [2 ** 40 + 1, 2 ** 40 + 3], y: [-0.999999999999, 1e-20] });
  for (const x of [-0, 0, 0.5, 1, 2, 1023, 1023.5, 1024, 1e9]) assertEquals(transforms.log1p.of(x), Math.log1p(x));
  const near = Math.log1p(-0.999999999999);
  assertEquals(inputs.numeric, Float32Array.of(2 ** -24, near, 3 * 2 ** -24, 1e-20));
  const { x } = fit({ x: numeric() }, { x: [2 ** 40 + 1, 2 ** 40 + 2 ** 30 + 1] });
  assertEquals(x, { ...features.x, mean: 2 ** 40 + 2 ** 29 + 1, scale: 2 ** 29 });
});

Deno.test("fit() refuses whole numbers that would be one number, and deviations too small, wherever numbers come from", () => {
  const column = (x: number[]): Tabular[] => [
    { x },
    { x: Float64Array.from(x) },
    { count: x.length, columns: { x: { kind: "number", values: Float64Array.from(x) } } },
  ];
  const apart = (one: number, other: number) =>
    `Cannot fit features\n  at feature "x": ${one} and ${other} would be one number in float32: ` +
    'read identifiers as "text" into category(), amounts with transform "log1p", or divide and round them';
  const refused: [x: number[], options: Parameters<typeof numeric>[0], message: string][] = [
    [[1, 16777217, 5, 16777216], { standardise: false }, apart(16777216, 16777217)],
    [[-16777217, 1, -16777216], { standardise: false }, apart(-16777217, -16777216)],
    [[123456789, 0, 123456790, 1e12], {}, apart(123456789, 123456790)],
    [[0, 1e16, 1e16 + 2], {}, apart(1e16, 1e16 + 2)],
    [
      Array.from({ length: 60 }, (_, i) => 1_700_000_000 + i),
      {},
      'Cannot fit features\n  at feature "x": found 1700000029.5 on average and differences of 17, too small for ' +
      "float32: subtract an offset first",
    ],
    [
      [2 ** 50, 2 ** 50 + 1],
      {},
      'Cannot fit features\n  at feature "x": found 1125899906842624.5 on average and differences of 0.50, too small ' +
      "for float32: subtract an offset first",
    ],
  ];
  for (const [x, options, message] of refused) {
    for (const rows of column(x)) {
      assertEquals(assertThrows(() => fit({ x: numeric(options) }, rows), RangeError).message, message);
    }
  }
  const fine: [x: number[], options: Parameters<typeof numeric>[0]][] = [
    [[16777215, 16777214], { standardise: false }],
    [[16777216, 16777216, 16777218], { standardise: false }],
    [[123456789, 123400000, 123456790], {}],
    [[123456789, 0, 123456790, 1e12], { transform: "log1p" }],
    [[16777216.25, 16777216.5], { standardise: false }],
    [[0.1 + 0.2, 0.3], {}], // errors of rounding: a constant
  ];
  for (const [x, options] of fine) for (const rows of column(x)) fit({ x: numeric(options) }, rows);
  assertEquals(fit({ x: numeric() }, { x: [0.1 + 0.2, 0.3] }).x, {
    kind: "numeric",
    transform: "none",
    mean: 0.30000000000000004,
    scale: 1,
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
      x: { kind: "number", values: Float64Array.of(1, 2, 3, 4) },
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
  const inputs = { numeric: Float32Array.of(-1, 1), category: Int32Array.of(2, 3) };
  assertEquals(encode(again, rows), { count: 2, inputs, encoding: encodingOf(features) });
});

Deno.test("labels() gives numbers as they are, listed words as their places, and NaN where one is missing", async () => {
  const file = () => new Blob(["pay,sold,town\n", "1.5,yes,x\n", ",no,y\n", "2,,x\n"]).stream();
  const kinds = { pay: "number", sold: ["no", "yes"], town: "text" } as const;
  const columns = await readCsv(file(), { columns: kinds, missing: [""] });
  assertEquals(labels(columns, { sale: "sold", income: "pay" }), {
    sale: Float64Array.of(1, 0, NaN),
    income: Float64Array.of(1.5, NaN, 2),
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
  const wayOut = 'numeric({ missing: "mean" }) takes missing ones';
  const right = { age: [1, 2], pay: [3, 4], job: ["a", "b"] };
  const text: Columns["columns"] = { age: { kind: "text", codes: Int32Array.of(0), words: ["x"] } };
  const number: Columns["columns"] = { job: { kind: "number", values: Float64Array.of(0) } };
  const one = {
    age: { kind: "number", values: Float64Array.of(1) },
    pay: { kind: "number", values: Float64Array.of(1) },
  };
  const cases: [unknown, string][] = [
    [{ ...right, age: [1, NaN] }, `"age", row 1: found NaN, wanted a finite number: ${wayOut}`],
    [{ ...right, age: [Infinity, 1] }, '"age", row 0: found Infinity, wanted a finite number'],
    [{ ...right, age: [1e39, 1] }, '"age", row 0: found 1e+39, wanted a number whose encoding is finite in float32'],
    [{ ...right, age: [1, "2"] }, '"age", row 1: found "2", wanted a finite number'],
    [
      { ...right, age: [1, undefined] },
      '"age", row 1: found undefined, wanted a finite number: numeric({ missing: "mean" }) takes missing ones',
    ],
    [{ ...right, age: [null, 1] }, `"age", row 0: found null, wanted a finite number: ${wayOut}`],
    [{ ...right, pay: [0, -1] }, '"pay", row 1: found -1, wanted a number greater than -1 for log1p'],
    [
      { ...right, pay: [-1.000000000001, 0] },
      '"pay", row 0: found -1.000000000001, wanted a number greater than -1 for log1p',
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

Deno.test("numeric({ missing }) fills what is missing, and an indicator says where it was", async () => {
  const text = "age,pay\n20,0\n,3\n40,\n60,8\n";
  const options = { columns: { age: "number", pay: "number" }, missing: [""] } as const;
  const table = await readCsv(new Blob([text]).stream(), options);
  const lists: Tabular = { age: [20, undefined, 40, 60], pay: [0, 3, null, 8] };
  const logs = [0, 3, 8].map(Math.log1p);
  const log = (logs[0] + logs[1] + logs[2]) / 3;
  const sd = Math.sqrt(800 / 3);
  const cases: [unfitted: Record<string, UnfittedFeature>, missing: number[], rows: number[][]][] = [
    [{ age: numeric({ missing: "mean" }) }, [40], [[-20 / sd], [0], [0], [20 / sd]]],
    [{ age: numeric({ missing: "mean", indicator: true }) }, [40], [[-20 / sd, 0], [0, 1], [0, 0], [20 / sd, 0]]],
    [{ age: numeric({ missing: 0 }) }, [0], [[-20 / sd], [-40 / sd], [0], [20 / sd]]],
    [{ age: numeric({ missing: -1, standardise: false, indicator: true }) }, [-1], [[20, 0], [-1, 1], [40, 0], [
      60,
      0,
    ]]],
    [{ age: numeric({ missing: "mean", standardise: false }) }, [40], [[20], [40], [40], [60]]],
    [
      {
        pay: numeric({ missing: "mean", standardise: false, transform: "log1p", indicator: true }),
        age: numeric({ missing: 7, standardise: false }),
      },
      [log, 7],
      [[logs[0], 0, 20], [logs[1], 0, 7], [log, 1, 40], [logs[2], 0, 60]],
    ],
    [
      { pay: numeric({ missing: 3, standardise: false, transform: "log1p" }) },
      [Math.log1p(3)],
      [[logs[0]], [logs[1]], [logs[1]], [logs[2]]],
    ],
  ];
  for (const [unfitted, missing, wanted] of cases) {
    const features = fit(unfitted, table);
    assertEquals(features, fit(unfitted, lists));
    assertEquals(Object.values(features).map((feature) => "missing" in feature && feature.missing), missing);
    const { inputs } = encode(JSON.parse(JSON.stringify(features)), lists);
    assertEquals(inputs.numeric, Float32Array.from(wanted.flat()));
    assertEquals(encode(features, table).inputs, inputs);
    assertEquals(inputWidth({ features }), wanted[0].length);
    const model = await compile(define({ input: features, tasks: { y: regression() } }), { engine: cpu(), seed: 1 });
    const parameters = await model.parameters();
    const kernel = parameters["tasks/y/head/0/kernel"].data;
    const { y } = await model.predict(encode(features, lists));
    wanted.forEach((row, at) => assertAlmostEquals(y[at], row.reduce((sum, x, i) => sum + x * kernel[i], 0), 1e-4));
    const [input] = entriesOf(model.spec);
    assertEquals(input.output, `[batch, ${wanted[0].length}]`);
    model.dispose();
  }
  const features = fit({ age: numeric({ missing: "mean", indicator: true }), pay: numeric({ missing: 0 }) }, table);
  const [input] = entriesOf(define({ input: features, tasks: { y: regression() } }));
  assertEquals(input.function, "2 features, age (missing: 40, indicator), pay (…");
  assertEquals(columnsIn({ features })(["pay"]), [[2, 1]]);
  assertThrows(
    () => encode(features, { age: [Infinity], pay: [1] }),
    TypeError,
    "found Infinity, wanted a finite number",
  );
  assertEquals(numeric({ indicator: true }), numeric({ indicator: true, missing: "mean" }));
  assertEquals(fit({ age: numeric({ missing: "mean" }) }, { age: [1, 3] }).age, {
    kind: "numeric",
    transform: "none",
    mean: 2,
    scale: 1,
    missing: 2,
  });
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
      (apart === 10
        ? "1700000035 on average and differences of 23"
        : "1700000010.5 on average and differences of 6.9") +
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
      () => numeric({ missing: "median" as "mean" }),
      'Cannot define numeric feature\n  at missing: found "median", wanted "mean" or a finite number',
    ],
    [
      () => numeric({ missing: -1, transform: "log1p" }),
      'Cannot define numeric feature\n  at missing: found -1, wanted "mean" or a finite number greater than -1',
    ],
    [
      () => fit({ age: numeric({ missing: "mean" }) }, { age: [NaN, undefined, null] }),
      'Cannot fit features\n  at feature "age": found no number, as all are missing: wanted at least one',
    ],
    [
      () => fit({ age: numeric() }, { age: [1, NaN] }),
      'Cannot fit features\n  at feature "age", row 1: found NaN, wanted a finite number: ' +
      'numeric({ missing: "mean" }) takes missing ones',
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

Deno.test("fit() refuses what encode() could not take: differences whose squares vanish, a missing number out of reach", () => {
  const small = [[5e-324, 1e-323], [1e-200, 3e-200], [0, 1e-155]];
  for (const x of small) {
    assertThrows(() => fit({ x: numeric() }, { x }), RangeError, ": multiply the numbers first");
    assertEquals(encode(fit({ x: numeric({ standardise: false }) }, { x }), { x }).inputs.numeric, new Float32Array(2));
  }
  const x = [1e-100, 3e-100, null];
  const far = () => fit({ x: numeric({ missing: 1 }) }, { x });
  const message = 'at feature "x": 1 stands for missing numbers, wanted one that float32 holds once encoded';
  assertThrows(far, RangeError, message);
  const near = fit({ x: numeric({ missing: "mean" }) }, { x });
  assertEquals(encode(near, { x }).inputs.numeric, Float32Array.of(-1, 1, 0));
});
