import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fillNormal, random } from "../lib/data/random.ts";
import { apply } from "../lib/ops/table.ts";
import { graphOf } from "../lib/graph/graph.ts";
import type { Engine } from "../lib/engines/engine.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { engineOf } from "../lib/engines/tfjs/tfjs.ts";
import { start } from "../lib/engines/tfjs/backend.ts";
import * as f from "../lib/ops/functions.ts";

const started = await start("wasm");
const engines = {
  "own kernels": engineOf({ ...started, memory: undefined }),
  "own kernels, on few rows": engineOf(started),
  others: engineOf({ ...started, multiply: undefined, rows: undefined, memory: undefined }),
};

Deno.test("wasm() has kernels of its own where WebAssembly has SIMD", () => {
  assert(started.multiply !== undefined && started.rows !== undefined);
  const place = { attrs: { axes: [0] }, shape: [6], of: [[4, 6]], zeros: [] };
  assertEquals(started.rows.sum(place), undefined); // 6 is not a multiple of 4
});

Deno.test("rows of a table are gathered, summed and scattered as on the reference engine, whatever their width", async () => {
  const sizes = [3, 1, 5];
  const codes = { shape: [4, 3], data: Int32Array.of(2, 0, 4, 0, 0, 0, -1, 1, 7, 3, 0, 5) }; // the last two rows: out of range
  const named = apply("input", [], { name: "codes", shape: ["batch", 3], type: "int" });
  for (const width of [1, 3, 4, 8, 12, 16, 20, 28, 32, 33, 64, 100]) {
    const graph = graphOf({
      gathered: apply("gatherSum", [input("table", 9, width), named], { sizes }),
      scattered: apply("scatterAdd", [named, input("x", "batch", width)], { sizes }),
    });
    await assertSame(graph, { codes, table: normal(9, width), x: normal(4, width) }, `width ${width}`);
  }
});

Deno.test("rows are summed and scattered by weights as on the reference engine, whatever their width", async () => {
  const codes = { shape: [4, 3], data: Int32Array.of(2, 0, 4, 0, 0, 0, -1, 1, 7, 3, 8, 5) };
  const weights = { shape: [4, 3], data: Float32Array.of(1, 0.5, 0, 2, 3, -1, 1, 0.25, 1, 0, 0, 0) };
  const named = apply("input", [], { name: "codes", shape: ["batch", 3], type: "int" });
  const factors = input("weights", "batch", 3);
  for (const width of [1, 3, 4, 8, 12, 16, 20, 28, 32, 33, 64, 100]) {
    const graph = graphOf({
      summed: f.weightedSum(input("table", 9, width), named, factors),
      scattered: apply("weightedScatter", [named, factors, input("x", "batch", width)], { size: 9 }),
    });
    const inputs = { codes, weights, table: normal(9, width), x: normal(4, width) };
    await assertSame(graph, inputs, `width ${width}`);
  }
});

Deno.test("rows are gathered and scattered by codes that a graph has computed itself", async () => {
  const places = apply("topPlaces", [input("scores", "batch", 3)], { k: 1 });
  for (const width of [3, 4, 20]) {
    const graph = graphOf({
      gathered: apply("gatherSum", [input("table", 3, width), places], { sizes: [3] }),
      scattered: apply("scatterAdd", [places, input("x", "batch", width)], { sizes: [3] }),
    });
    await assertSame(graph, { scores: normal(7, 3), table: normal(3, width), x: normal(7, width) }, `width ${width}`);
  }
});

Deno.test("products and loops give back what they have made where wasm has no memory left", () => {
  const wasm = (tf.findBackend("wasm") as unknown as { wasm: { _malloc(bytes: number): number } }).wasm;
  const [a, b] = [[4, 12], [12, 8]].map((shape) => started.write(new Float32Array(shape[0] * shape[1]), shape));
  const sum = started.rows!.sum({ attrs: { axes: [0] }, shape: [12], of: [[4, 12]], zeros: [] })!;
  const { _malloc: malloc } = wasm;
  const before = started.count();
  let calls = 0;
  wasm._malloc = (bytes) => ++calls % 2 === 0 ? 0 : malloc(bytes); // the result has memory, what is needed beside not
  try {
    assertThrows(() => started.multiply!(a, b), RangeError, "Cannot run graph: wasm has no");
    assertThrows(() => started.fill!([12], [a], sum), RangeError, "Cannot run graph: wasm has no");
  } finally {
    wasm._malloc = malloc;
  }
  assertEquals([calls, started.count()], [4, before]);
  [a, b].forEach(started.free);
});

Deno.test("axes are summed as on the reference engine, wherever they are", async () => {
  for (const axes of [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2], []]) {
    for (const shape of [[5, 3, 4], [2, 7, 16], [1, 1, 8], [3, 2, 20], [4, 3, 5], [70, 2, 36]]) {
      const graph = graphOf({ sum: f.sum(input("x", ...shape), { axes }) });
      await assertSame(graph, { x: normal(...shape) }, `axes ${axes} of ${shape}`);
    }
  }
});

Deno.test("softmax, sums of all numbers and moves of large arrays are as on the reference engine", async () => {
  for (const shape of [[5, 3, 4], [40, 7, 16], [300, 4, 44], [2, 1, 9001], [1, 1, 20001], [64, 3, 13]]) {
    const [x, last] = [input("x", ...shape), shape[2] - 2];
    const graph = graphOf({
      ...{ shares: f.softmax(x), far: f.softmax(f.mul(x, 60)), mean: f.mean(x, { axes: [0, 1, 2] }) },
      ...{ means: f.mean(x, { axes: [2] }), joined: apply("concat", [x, f.neg(x)], { axis: 1 }) },
      ...{ beside: apply("concat", [x, f.neg(x), x], { axis: 2 }), below: apply("concat", [x, x], { axis: 0 }) },
      cut: apply("slice", [x], { axis: 2, start: 1, size: last }),
    });
    await assertSame(graph, { x: normal(...shape) }, `${shape}`);
  }
});

Deno.test("softmax() passes NaN on, and is 0 of what is far below the largest", async () => {
  const data = Float32Array.of(0, -1000, -Infinity, 3, NaN, 1, 2, 3);
  const graph = graphOf({ shares: f.softmax(input("x", 2, 4)) });
  for (const engine of [...Object.values(engines), reference()]) {
    const { shares } = await engine.load(graph, engine.store({})).run({ x: { shape: [2, 4], data } });
    assertEquals([...shares.data.slice(1, 3)], [0, 0]);
    assert(shares.data.slice(4).every(Number.isNaN));
  }
});

Deno.test("axes are put in any order as on the reference engine", async () => {
  for (const order of [[1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1], [0, 1, 2]]) {
    for (
      const shape of [[8, 4, 12], [16, 20, 4], [5, 8, 12], [4, 3, 8], [3, 4, 6], [1, 8, 16], [7, 1, 4], [36, 64, 8]]
    ) {
      const graph = graphOf({ turned: apply("transpose", [input("x", ...shape)], { order }) });
      await assertSame(graph, { x: normal(...shape) }, `${shape} as ${order}`);
    }
  }
  for (
    const shape of [[4, 4], [8, 64], [64, 8], [5, 4], [4, 5], [1, 16], [100, 256], [129, 130], [128, 131], [131, 128], [
      5,
      4001,
    ], [4001, 7]]
  ) {
    const graph = graphOf({ turned: apply("transpose", [input("x", ...shape)], { order: [1, 0] }) });
    await assertSame(graph, { x: normal(...shape) }, `${shape}`);
  }
});

Deno.test("experts are computed alike by all kernels of wasm, chosen ones too", async () => {
  const codes = apply("input", [], { name: "codes", shape: ["batch", 2], type: "int" });
  for (const [width, units] of [[20, 24], [3, 5]]) {
    const kernels = input("kernels", 6, width, units);
    const graph = graphOf({
      batched: f.matmul(input("a", 6, 9, width), kernels),
      routed: apply("routed", [input("x", "batch", width), kernels, codes]),
    });
    const given = {
      codes: { shape: [5, 2], data: Int32Array.of(0, 5, 5, 0, 2, 2, 1, 5, 0, 1) },
      a: normal(6, 9, width),
      x: normal(5, width),
      kernels: normal(6, width, units),
    };
    await assertSame(graph, given, `${width} to ${units}`);
  }
});

async function assertSame(graph: ReturnType<typeof graphOf>, given: Record<string, Tensor>, name: string) {
  const run = async (engine: Engine) => await engine.load(graph, engine.store({})).run(given);
  const want = await run(reference());
  for (const [kind, engine] of Object.entries(engines)) {
    for (const [output, { shape, data }] of Object.entries(await run(engine))) {
      assertEquals(shape, want[output].shape);
      data.forEach((number, i) =>
        assert(Math.abs(number - want[output].data[i]) < 2e-5, `${output} by ${kind}, ${name}: [${i}] is ${number}`)
      );
    }
  }
}

function input(name: string, ...shape: ("batch" | number)[]) {
  return apply("input", [], { name, shape, type: "float" });
}

function normal(...shape: number[]): Tensor {
  const data = new Float32Array(shape.reduce((size, length) => size * length, 1));
  fillNormal(data, random(`rows ${shape}`));
  return { shape, data };
}
