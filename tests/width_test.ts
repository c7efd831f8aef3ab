import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  bank,
  category,
  check,
  compile,
  cpu,
  define,
  dense,
  describe,
  embed,
  encode,
  fit,
  level,
  load,
  mix,
  numeric,
  readCsv,
  reference,
  regression,
  rows,
  save,
  type Tabular,
  train,
  wasm,
  type WidthOptions,
} from "../mod.ts";
import { parametersOf } from "../lib/graph.ts";
import { withTemp } from "./temp.ts";

const image = [[1, 10, 0], [3, 30, 0], Float32Array.of(5, 20, 0), null];
const table = { image, user: ["a", "b", "c", "a"], age: [1, 2, 3, 6] };
const kinds = { user: category(), image: numeric({ width: 3, indicator: true }), age: numeric() };
const input = fit(kinds, table);

Deno.test("numeric() of a width is fitted and encoded number by number, a missing vector as zeros", () => {
  const scales = [Math.sqrt(8 / 3), Math.sqrt(200 / 3)];
  assertEquals(input.image, {
    kind: "vector",
    width: 3,
    missing: "zeros",
    indicator: true,
    mean: [3, 20, 0],
    scale: [...scales, 1],
  });
  const { inputs } = encode(input, table);
  assertEquals(Object.keys(inputs), ["numeric", "vector", "category"]);
  const wanted = [[-2 / scales[0], -10 / scales[1], 0, 0], [0, 10 / scales[1], 0, 0], [2 / scales[0], 0, 0, 0], [
    0,
    0,
    0,
    1,
  ]];
  assertEquals(inputs.vector, Float32Array.from(wanted.flat()));
});

Deno.test("numeric() of a width reads lists, texts with a separator, files and several columns alike", async () => {
  const lists = { v: [[0.5, -1], [2, 4e3]] };
  const wanted = Float32Array.of(0.5, -1, 2, 4000);
  const as = (options: Partial<WidthOptions>, table: Tabular) => {
    const features = fit({ v: numeric({ ...options, width: 2, standardise: false }) }, table);
    return encode(features, table).inputs.vector;
  };
  assertEquals(as({}, lists), wanted);
  assertEquals(as({ separator: "|" }, { v: ["0.5|-1", "2| 4e3"] }), wanted);
  assertEquals(as({ columns: ["x", "y"] }, { x: [0.5, 2], y: [-1, 4000] }), wanted);
  const csv = await readCsv(new Blob(["v\n0.5 -1\n2 4e3\n"]), { columns: { v: "text" } });
  assertEquals(as({ separator: " " }, csv), wanted);
  const gaps = { x: [0.5, null], y: [-1, NaN] };
  assertEquals(as({ columns: ["x", "y"], missing: "zeros" }, gaps), Float32Array.of(0.5, -1, 0, 0));
});

Deno.test("a model reads vectors beside ids and numbers on every engine, is saved with them, and says what it reads", async () => {
  const spec = define({
    input,
    streams: { looks: ["image"] },
    levels: [
      level({ ids: bank(1, embed(2)), looks: bank(1, dense(3)) }, { ids: mix("ids"), seen: mix("looks") }, {}),
      level({}, {}, { y: ["ids", "seen"] }),
    ],
    tasks: { y: regression() },
  });
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  assert(describe(spec).includes("image (3 numbers, missing: zeros"), describe(spec));
  const kernel = parametersOf(spec).find(({ path }) => path === "levels/0/experts/looks/0/0/kernel")!;
  assertEquals([kernel.shape, kernel.zeros], [[4, 3], [3]]);
  const data = rows(encode(input, table), { labels: { y: [1, 2, 3, 4] } });
  const predictions: Float32Array[] = [];
  for (const engine of [reference(), await cpu(), await wasm()]) {
    const model = await compile(spec, { engine, seed: 1 });
    for await (const _ of train(model, data, { epochs: 3, batch: 2 })) { /* goes on */ }
    predictions.push((await model.predict(data)).y);
    await withTemp(async (dir) => {
      await save(model, dir);
      const again = await load(dir, { engine });
      const rounding = engine.name === "reference" ? 1e-6 : 0; // it trains in float64, files hold float32
      (await again.predict(data)).y.forEach((number, row) => {
        assertAlmostEquals(number, predictions.at(-1)![row], rounding);
      });
      again.dispose();
    });
    model.dispose();
  }
  for (const found of predictions) {
    found.forEach((number, row) => assertAlmostEquals(number, predictions[0][row], 1e-4));
  }
});

Deno.test("numeric() of a width says what is wrong, and the way out", () => {
  const define = (options: Record<string, unknown>) => () => numeric(options as never);
  assertThrows(define({ width: 0 }), RangeError, "at width: found 0, wanted a whole number from 1 to 1048576");
  assertThrows(define({ columns: ["a"] }), TypeError, "at width: found nothing, wanted a whole number");
  assertThrows(define({ width: 2, columns: ["a"] }), RangeError, "at columns: found 1, wanted 2 as the width is");
  assertThrows(define({ width: 2, separator: "" }), TypeError, 'at separator: found "", wanted a text');
  assertThrows(define({ width: 2, transform: "log1p" }), TypeError, "at transform: found");
  assertThrows(define({ width: 2, missing: "mean" }), TypeError, 'at missing: found "mean", wanted "zeros" or nothing');

  const { v } = fit({ v: numeric({ width: 2, standardise: false }) }, { v: [[1, 2]] });
  const fails = (rows: readonly unknown[], message: string, feature = v) => {
    const error = assertThrows(() => encode({ v: feature }, { v: rows } as never));
    assert(error instanceof Error && error.message.includes(message), String(error));
  };
  fails([[1, 2], [1, 2, 3]], 'at feature "v", row 1: found 3 numbers, wanted 2');
  fails([null], 'row 0: found no numbers: numeric({ width, missing: "zeros" }) takes missing ones');
  fails([[1, Infinity]], "row 0: found Infinity at place 1 of the list, wanted a finite number");
  fails([[1, "x"]], 'row 0: found "x" at place 1 of the list, wanted a finite number');
  fails([[1, null]], "row 0: found null at place 1 of the list, wanted a finite number");
  fails([[1, 1e39]], "row 0, number 1: found 1e+39, wanted a number whose encoding is finite in float32");
  fails(["1 2"], 'row 0: found "1 2", wanted a list, or the option separator, which splits it');
  fails([3], "row 0: found 3, wanted a list");
  const gaps = fit({ v: numeric({ width: 2, columns: ["x", "y"] }) }, { x: [1, 2], y: [3, 5] });
  const error = assertThrows(() => encode(gaps, { x: [1, 2], y: [3, null] }), RangeError);
  assert(error.message.includes('at feature "v", row 1: found 1 numbers, wanted 2'), error.message);
  assertThrows(
    () => fit({ v: numeric({ width: 2, missing: "zeros" }) }, { v: [null, []] }),
    RangeError,
    "found no vector, as all are missing",
  );
});
