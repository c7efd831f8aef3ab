// Run by `deno task test:webgpu` alone: needs a GPU, or a driver that does without (Mesa's lavapipe).
import "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Engine, reference, type Spec, tfjs } from "../mod.ts";
import { constant, input, mul, sum } from "../lib/ops.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { cases } from "./cases.ts";
import { architectures, everyHead } from "./models.ts";
import { numbersOf, once } from "./on_engines.ts";

const began = performance.now();
const engine = await tfjs("webgpu");
console.log(`tfjs("webgpu") was started and tried in ${Math.round(performance.now() - began)} ms`);

Deno.test('tfjs("webgpu") passes its trial', () => {
  assertEquals([engine.name, engine.note], ["tfjs:webgpu", undefined]);
});

Deno.test('tfjs("webgpu") computes every case as reference() does, all of it on the GPU', async () => {
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  try {
    for (const { name, build, inputs, store = {} } of cases) {
      const graph = graphOf({ y: build() });
      const run = async (on: Engine) => [...(await once(on, graph, inputs(), store)).y.data];
      const [want, found] = await Promise.all([reference(), engine].map(run));
      const scale = Math.max(1, ...want.map(Math.abs));
      want.forEach((number, at) => {
        const fits = Object.is(found[at], number) || Math.abs(found[at] - number) <= 1e-5 * scale;
        assert(fits, `${name}: [${at}] is ${found[at]}, not ${number}`);
      });
    }
  } finally {
    tf.env().set("WEBGPU_CPU_FORWARD", true);
  }
});

Deno.test('models on tfjs("webgpu") predict, train and predict again as on reference()', async () => {
  const specs = Object.entries<Spec>({ ...architectures, everyHead });
  for (const [name, spec] of specs) {
    const [want, found] = await Promise.all([reference(), engine].map((on) => numbersOf(spec, on)));
    want.forEach((number, at) => {
      assert(
        Math.abs(found[at] - number) <= 1e-3 * Math.max(1, Math.abs(number)),
        `${name}: ${found[at]}, not ${number}`,
      );
    });
  }
  console.log(`${specs.length} models are as on reference()`);
});

Deno.test('tfjs("webgpu") refuses a run whose arrays are beyond the limits of the device, and goes on after it', async () => {
  const { device } = tf.engine().registry.webgpu as unknown as { device: GPUDevice };
  const units = 2 ** 14;
  const y = sum(mul(input("x", ["batch", 1]), constant(Array(units).fill(1), [1, units])), { axes: [1] });
  const store = engine.store({});
  const program = engine.load(graphOf({ y }), store);
  const run = async (rows: number) => {
    return (await program.run({ x: { shape: [rows, 1], data: new Float32Array(rows).fill(1) } })).y.data[0];
  };
  assertEquals(await run(3), units);
  const rows = Math.floor(device.limits.maxStorageBufferBindingSize / (4 * units)) + 1;
  await assertRejects(() => run(rows), RangeError, "wanted smaller batches, or cpu()");
  assertEquals(await run(3), units);
  program.dispose();
  store.dispose();
});
