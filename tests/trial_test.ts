import * as tf from "@tensorflow/tfjs";
import type { DataId, KernelBackend, NamedAttrMap, TensorInfo } from "@tensorflow/tfjs";
import { assertEquals, assertMatch } from "@std/assert";
import { adam, binary, compile, define, type Spec, train } from "../mod.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { engineOf, tfjs } from "../lib/engines/tfjs/tfjs.ts";
import { type Backend, start } from "../lib/engines/tfjs/backend.ts";
import { faultOf } from "../lib/engines/tfjs/trial.ts";
import { cases } from "./cases.ts";
import { architectures, everyHead, sample, sampleFor } from "./models.ts";

/** A call of a kernel: its arrays, each with its type in memory, and the axes that it runs over. */
interface Call {
  readonly of: readonly { readonly shape: readonly number[]; readonly memory: string }[];
  readonly axes: readonly number[];
}

/** Places in which a backend may be wrong, and right in all others. */
const places: Readonly<Record<string, (call: Call) => boolean>> = {
  "anywhere": () => true,
  "whole numbers in memory": ({ of }) => of.some(({ memory }) => memory !== "float32"),
  "whole numbers in memory, over other axes than the last": ({ of, axes }) =>
    of[0].memory !== "float32" && axes.length > 0 && !axes.includes(of[0].shape.length - 1),
  "an axis of length 1": ({ of }) => of.some(({ shape }) => shape.length > 1 && shape.includes(1)),
  "arrays of unlike shapes": ({ of: [a, b] }) => b !== undefined && `${a.shape}` !== `${b.shape}`,
  "no axis": ({ of }) => of.some(({ shape }) => shape.length === 0),
  "one axis": ({ of }) => of.some(({ shape }) => shape.length === 1),
  "three axes": ({ of }) => of.some(({ shape }) => shape.length === 3),
  "over the first axis": ({ axes }) => axes.includes(0),
  "over several axes": ({ axes }) => axes.length > 1,
};

/** The memory of the cpu backend: what a cast leaves as it was has its old type there. */
interface Memory extends KernelBackend {
  readonly data: { get(id: DataId): { readonly dtype: string } };
  readSync(id: DataId): Float32Array | Int32Array | Uint8Array;
}

/** Sees every call of a kernel of the backends that are watched: true spoils its result. */
let isWrong: (kernel: string, call: Call) => boolean = () => false;

/** A backend that this project knows nothing of: the cpu backend's kernels under another name. */
const engine = engineOf(await watched("watched"));

async function watched(name: string): Promise<Backend> {
  const Backend = (await start("cpu")).started.constructor as new () => KernelBackend;
  tf.registerBackend(name, () => new Backend());
  for (const kernel of tf.getKernelsForBackend("cpu")) {
    const kernelFunc: typeof kernel.kernelFunc = ({ inputs, attrs, backend }) => {
      const memory = backend as Memory;
      const call = callOf(Object.values(inputs).flat() as TensorInfo[], attrs ?? {}, memory);
      const wrong = isWrong(kernel.kernelName, call);
      const found = kernel.kernelFunc({ inputs, attrs, backend });
      if (!wrong) return found;
      return Array.isArray(found) ? found.map((array) => spoilt(array, memory)) : spoilt(found, memory);
    };
    tf.registerKernel({ ...kernel, backendName: name, kernelFunc });
  }
  return await start(name);
}

function callOf(arrays: readonly TensorInfo[], attrs: NamedAttrMap, memory: Memory): Call {
  const axes = attrs.axis ?? attrs.reductionIndices ?? attrs.perm ?? [];
  return {
    of: arrays.map(({ dataId, shape }) => ({ shape, memory: memory.data.get(dataId).dtype })),
    axes: [axes].flat() as number[],
  };
}

/** The same numbers but for the last, in memory of their own. */
function spoilt({ dataId, shape, dtype }: TensorInfo, memory: Memory): TensorInfo {
  const data = memory.readSync(dataId).slice();
  const last = data[data.length - 1];
  data[data.length - 1] = dtype === "bool" ? 1 - last : Number.isNaN(last) ? 0 : last + 1 + Math.abs(last);
  memory.disposeData(dataId);
  return { dataId: memory.write(data, shape, dtype), shape, dtype };
}

/** The kernels that something calls, each with the places in which it does. */
async function calledBy(action: () => Promise<unknown>): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  isWrong = (kernel, call) => {
    Object.entries(places).forEach(([place, fits]) => fits(call) && found.add(`${kernel}: ${place}`));
    return false;
  };
  try {
    await action();
  } finally {
    isWrong = () => false;
  }
  return found;
}

Deno.test("the trials of a backend call every kernel in every place in which models and cases do", async () => {
  const tried = await calledBy(() => faultOf(engine, Infinity));
  const used = await calledBy(async () => {
    for (const spec of Object.values<Spec>({ ...architectures, everyHead })) {
      const data = spec === everyHead ? sampleFor(spec, 32) : sample(32);
      const model = await compile(spec, { engine, seed: 5 });
      for await (const _ of train(model, data, { steps: 2, batch: 16, optimiser: adam(0.01, { clipNorm: 1 }) }));
      await model.predict(data);
      model.dispose();
    }
    for (const { build, inputs, store } of cases) {
      await engine.load(graphOf({ y: build() }), engine.store(store ?? {})).run(inputs());
    }
  });
  assertEquals([...used].filter((call) => !tried.has(call)), []);
});

Deno.test("faultOf() finds every kernel that is wrong, in whatever places", async () => {
  const calls = await calledBy(() => faultOf(engine, Infinity));
  assertEquals(await faultOf(engine, Infinity), undefined);
  const missed: string[] = [];
  for (const call of calls) {
    const [kernel, place] = call.split(": ");
    isWrong = (name, at) => name === kernel && places[place](at);
    if (await faultOf(engine, Infinity) === undefined) missed.push(call);
    const early = place === "anywhere" || place.includes("other axes than the last");
    if (early && await faultOf(engine, 0) === undefined) missed.push(`${call}, in no time`);
  }
  isWrong = () => false;
  assertEquals(missed, []);
});

Deno.test("ops are right where Transpose is not of whole numbers, and not of fewer than two axes, as on webgpu", async () => {
  const whole = places["whole numbers in memory, over other axes than the last"];
  isWrong = (kernel, call) => {
    const [{ shape, memory }] = call.of;
    if (kernel === "Transpose") return shape.length < 2 || (shape.length > 2 && memory !== "float32");
    return (kernel === "Sum" || kernel === "Max") && whole(call);
  };
  const fault = await faultOf(engine, Infinity);
  isWrong = () => false;
  assertEquals(fault, undefined);
});

Deno.test("tfjs() takes the best engine where a backend is wrong, and reports once why", async () => {
  await watched("askew");
  const written: unknown[] = [];
  const { error } = console;
  console.error = (...words) => written.push(words);
  isWrong = (kernel) => kernel === "Exp";
  try {
    const first = await tfjs("askew");
    isWrong = () => false; // it is not tried again
    const { engine } = await compile(define({ input: 1, tasks: { a: binary() } }), { engine: tfjs("askew") });
    assertEquals([first.name, engine.name, engine.note], ["tfjs:wasm", "tfjs:wasm", first.note]);
    assertMatch(first.note!, /^Running on wasm\(\), not on askew: its exp is [\d.]+ where [\d.]+ is right$/);
    assertEquals(written, [[first.note]]);
    const unread = await withoutReading(() => tfjs("askew"));
    assertMatch(
      unread.note!,
      /^Running on cpu\(\), not on askew: its exp is .* is right\. Running on cpu\(\), up to ten/,
    );
  } finally {
    console.error = error;
    isWrong = () => false;
  }
});

Deno.test("tfjs() leaves a backend's memory and the flags of tfjs as they were once it was tried", async () => {
  const { started } = await watched("tidy");
  const before = { ...tf.env().getFlags() };
  assertEquals((await tfjs("tidy")).name, "tfjs:tidy");
  assertEquals((started as KernelBackend).numDataIds(), 0);
  assertEquals(tf.env().getFlags(), before);
});

/** Runs where no file may be read. */
async function withoutReading<T>(action: () => Promise<T>): Promise<T> {
  const { query } = Deno.permissions;
  Deno.permissions.query = () => Promise.resolve({ state: "denied" } as Deno.PermissionStatus);
  try {
    return await action();
  } finally {
    Deno.permissions.query = query;
  }
}
