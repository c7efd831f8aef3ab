import * as tf from "@tensorflow/tfjs";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { compile, reference, wasm } from "../mod.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { start } from "../lib/engines/tfjs/backend.ts";
import { fewRowsOf } from "../lib/engines/tfjs/few.ts";
import { phasesOf } from "../lib/engines/tfjs/resident.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { matmul, softmax } from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import { architectures, sampleFor } from "./models.ts";

// The first engine of this program has one thread: its memory is another one once it has grown.
const engine = await wasm({ threads: 1 });
const memory = () => (tf.findBackend("wasm") as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.buffer;

Deno.test("few rows are predicted as by the reference engine, also after the memory has grown", async () => {
  let grown = 0;
  for (const [name, spec] of Object.entries(architectures)) {
    const data = sampleFor(spec, 40);
    const [model, right] = await Promise.all([engine, reference()].map((on) => compile(spec, { engine: on, seed: 3 })));
    const wanted = await right.predict(data);
    const same = async (first: number, count: number) => {
      const found = await model.predict(sliceRows(data, first, count));
      for (const [task, numbers] of Object.entries(found)) {
        const width = numbers.length / count;
        numbers.forEach((number, at) => {
          assertAlmostEquals(number, wanted[task as keyof typeof wanted][first * width + at], 1e-5, `${name} ${task}`);
        });
      }
    };
    for (const count of [1, 2, 3, 7, 40]) await same(40 - count, count);
    const size = memory().byteLength;
    if (size < 2 ** 28) {
      engine.store({ large: { shape: [size / 4], data: new Float32Array(size / 4) } }).dispose();
      assert(memory().byteLength > size);
      grown++;
    }
    for (const count of [1, 2, 3, 7, 40]) await same(0, count);
    model.dispose();
    right.dispose();
  }
  assert(grown > 0);
});

Deno.test("few rows are predicted with the parameters as they are, and leave nothing when the model is freed", async () => {
  const count = () => tf.findBackend("wasm").numDataIds();
  const before = count();
  const [spec] = Object.values(architectures);
  const [one, other] = await Promise.all([1, 2].map((seed) => compile(spec, { engine, seed })));
  const data = sampleFor(spec, 2);
  const [first, second] = [await one.predict(data), await other.predict(data)];
  one.assign(await other.parameters());
  assertEquals(await one.predict(data), second);
  assert(
    Object.keys(first).some((task) => first[task as keyof typeof first][0] !== second[task as keyof typeof first][0]),
  );
  one.dispose();
  other.dispose();
  assertEquals(count(), before);
});

Deno.test("fewRowsOf() takes few rows and small products, and leaves the others to kernels", async () => {
  const backend = await start("wasm", 1);
  const taken = (units: number, rows: number, on = backend) => {
    const x = apply("input", [], { name: "x", shape: ["batch", 64], type: "float" });
    const w = apply("parameter", [], { name: "w", shape: [64, units], init: { kind: "constant", value: 0 } });
    const graph = graphOf({ y: softmax(matmul(x, w)) });
    const found = fewRowsOf(graph, rows, phasesOf(graph).moving, on);
    found?.free();
    return found !== undefined;
  };
  assertEquals([1, 8, 500].map((rows) => taken(16, rows)), [true, true, false]);
  assertEquals([4096, 4100, 4].map((units) => taken(units, 1)), [true, false, true]);
  assertEquals(taken(16, 1, { ...backend, memory: undefined }), false);
});
