/**
 * Starts engines in a thread of its own, the first of so many threads as the message says, or several at once where it is
 * a list, and posts how they are.
 */
import * as tf from "@tensorflow/tfjs";
import { binary, compile, define, dense, train, wasm } from "../mod.ts";

addEventListener("message", async ({ data: threads }) => {
  const engines = Array.isArray(threads)
    ? await Promise.all(threads.map((threads) => wasm({ threads })))
    : [await wasm({ threads }), await wasm({ threads: 2 })];
  const { wasm: { asm } } = tf.findBackend("wasm") as unknown as {
    readonly wasm: { readonly asm: { readonly memory: WebAssembly.Memory } };
  };
  const spec = define({ input: 300, tasks: { click: binary(dense(400)) } });
  const input = Float32Array.from({ length: 512 * 300 }, (_, at) => Math.sin(at));
  const click = Float32Array.from({ length: 512 }, (_, at) => at % 2);
  const losses = await Promise.all(engines.map(async (engine) => {
    const found: number[] = [];
    const model = await compile(spec, { engine, seed: 3 });
    const rows = { count: 512, inputs: { input }, labels: { click } };
    for await (const { total } of train(model, rows, { steps: 4, batch: 512 })) found.push(total);
    return found;
  }));
  postMessage({ notes: engines.map(({ note }) => note), shared: !(asm.memory.buffer instanceof ArrayBuffer), losses });
});
