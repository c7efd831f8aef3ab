import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { adam, compile, type Engine, train, wasm } from "../mod.ts";
import { lookingAfter, type Threads, threadsOver } from "../lib/engines/crew.ts";
import { callAll, functionsIn, type Heap } from "../lib/engines/heap.ts";
import { rowSums } from "../lib/engines/row_sums.ts";
import { start } from "../lib/engines/tfjs/backend.ts";
import { engineOf } from "../lib/engines/tfjs/tfjs.ts";
import { withSharedMemory } from "../lib/engines/tfjs/shared_memory.ts";
import { multiplier } from "../lib/engines/tfjs/wasm_multiplier.ts";
import { code, get, wholeNumber } from "../lib/engines/wasm_code.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { fillNormal, random } from "../lib/data/random.ts";
import { cases } from "./cases.ts";
import { architectures, everyHead, sample, sampleFor } from "./models.ts";

await wasm({ threads: 4 }); // the first one makes memory shared
const counts = [1, 2, 4] as const;
/** Engines whose threads share whatever can be, as small as it is. */
const eagers = await Promise.all(
  counts.map(async (threads) => engineOf({ ...await start("wasm", threads, 1), memory: undefined })), // few rows as many
);

Deno.test("multiplier() makes the same bits on 1, 2 and 4 threads, whatever the lengths", () => {
  const heaps = [1, 2, 4].map((threads) => heapOf(64, threads));
  const products = heaps.map(({ heap }) => multiplier(heap)!);
  const source = random("lengths of shared products");
  const below = (most: number) => 1 + Math.floor(source.uniform() * most);
  const lengths = [
    ...[[1, 1, 1, 1], [1, 5, 3, 8], [1, 700, 200, 40], [1, 13, 300, 900], [1, 9, 40_000, 11], [1, 2, 7000, 3]],
    ...[[70, 3, 2, 9], [3, 65, 64, 33], [200, 7, 5, 8], [5, 6, 4, 3], [2, 301, 30, 129], [9, 1, 8, 64]],
    ...Array.from({ length: 60 }, () => [1, below(90), below(90), below(90)]),
    ...Array.from({ length: 60 }, () => [below(40), below(20), below(20), below(20)]),
  ];
  for (const [count, m, k, n] of lengths) {
    const [a, b] = [normal(count * m * k, "a"), normal(count * k * n, "b")];
    const found = heaps.map(({ heap, clear }, at) => {
      const [left, right, to] = [a.length, b.length, count * m * n].map((length) => heap.take(4 * length));
      new Float32Array(heap.memory.buffer, left, a.length).set(a);
      new Float32Array(heap.memory.buffer, right, b.length).set(b);
      products[at](left, right, to, { count, m, k, n });
      const result = new Float32Array(heap.memory.buffer, to, count * m * n).slice();
      clear();
      return result;
    });
    for (const other of found.slice(1)) assertEquals(other, found[0], `${count} of ${m} x ${k} x ${n}`);
  }
});

Deno.test("rowSums() makes the same bits on 1, 2 and 4 threads, of rows read once and often", () => {
  const heaps = [1, 2, 4].map((threads) => heapOf(16, threads));
  const sums = heaps.map(({ heap }) => rowSums(heap)!);
  const source = random("lists of shared sums");
  for (
    const [height, width, some, most] of [[50, 32, 40, 9], [500, 4, 300, 3], [20, 36, 1, 400], [9, 7, 30, 12], [
      90,
      13,
      9000,
      40,
    ]]
  ) {
    const counts = Int32Array.from({ length: some }, () => Math.floor(source.uniform() * (most + 1)));
    if (some > 1) counts.fill(0, -1); // one of no rows, behind all that are listed
    const rows = Int32Array.from(
      { length: counts.reduce((all, count) => all + count, 0) },
      () => Math.floor(source.uniform() * height),
    );
    const x = normal(height * width, "rows");
    const found = heaps.map(({ heap, clear }, at) => {
      const [from, to] = [x.length + 4, some * width + 4].map((length) => heap.take(4 * length));
      new Float32Array(heap.memory.buffer, from, x.length).set(x);
      sums[at](to, from, { counts, rows }, height, width);
      const result = new Float32Array(heap.memory.buffer, to, some * width).slice();
      clear();
      return result;
    });
    for (const other of found.slice(1)) assertEquals(other, found[0], `${some} sums of ${height} x ${width}`);
  }
});

Deno.test("wasm() computes every case and its gradients to the same bits on 1, 2 and 4 threads", async () => {
  for (const { name, build, inputs, store } of cases) {
    const y = build();
    const leaves = inOrder([y]).filter(({ op, type }) => type === "float" && (op === "input" || op === "parameter"));
    const found = y.type === "int" ? [] : gradients(f.sum(y, { axes: y.shape.map((_, axis) => axis) }), leaves);
    const graph = graphOf({ y, ...Object.fromEntries(found.map((gradient, at) => [`gradient ${at}`, gradient])) });
    await assertSameBits(graph, inputs(), store ?? {}, name);
  }
});

Deno.test("wasm() shares large arrays of every op that can be, to the bits of kernels that are not shared", async () => {
  const [rows, width] = [300, 132];
  const [x, y, row, one] = [input("x", rows, width), input("y", rows, width), input("row", width), input("one")];
  const codes = apply("input", [], { name: "codes", shape: [rows, 2], type: "int" });
  const deep = f.reshape(x, [rows, 3, 44]);
  const graph = graphOf({
    ...Object.fromEntries([f.add, f.sub, f.mul, f.div].flatMap((op, at) => [
      [`${at} same`, op(x, y)],
      [`${at} row`, op(x, row)],
      [`${at} one`, op(x, one)],
      [`${at} other`, op(row, x)],
      [`${at} number of each row`, op(x, f.sum(x, { axes: [1], keep: true }))],
      [`${at} rows within`, op(deep, f.reshape(y, [300, 3, 44]))],
      [`${at} row of some rows`, op(deep, apply("slice", [deep], { axis: 1, start: 1, size: 1 }))],
      [`${at} row of each place`, op(deep, apply("slice", [deep], { axis: 0, start: 7, size: 1 }))],
      [`${at} number of each place`, op(deep, f.sum(deep, { axes: [2], keep: true }))],
      [`${at} number of some rows`, op(deep, f.sum(deep, { axes: [1, 2], keep: true }))],
      [`${at} number of some places`, op(deep, f.sum(deep, { axes: [0, 2], keep: true }))],
    ])),
    ...{ neg: f.neg(x), sqrt: f.sqrt(f.mul(x, x)), relu: f.relu(x), positive: f.greater(x, f.mul(x, 0)) },
    ...{ above: f.greater(x, apply("constant", [], { data: [0], shape: [] })), columns: f.sum(x, { axes: [0] }) },
    ...{ turned: apply("transpose", [x], { order: [1, 0] }), within: apply("transpose", [deep], { order: [0, 2, 1] }) },
    ...{
      first: apply("transpose", [deep], { order: [1, 0, 2] }),
      last: apply("transpose", [deep], { order: [2, 1, 0] }),
    },
    ...{ whole: f.sum(x, { axes: [0, 1] }), rows: f.sum(x, { axes: [1] }), within3: f.sum(deep, { axes: [1, 2] }) },
    ...{ shares: apply("softmax", [f.mul(x, 9)], {}), joined: apply("concat", [x, y, x], { axis: 1 }) },
    ...{ below: apply("concat", [x, y], { axis: 0 }), cut: apply("slice", [x], { axis: 1, start: 5, size: 101 }) },
    uneven: apply("transpose", [f.reshape(x, [225, 176])], { order: [1, 0] }),
    unevenBoth: apply("transpose", [apply("slice", [x], { axis: 1, start: 3, size: 127 })], { order: [1, 0] }),
    unevenRows: apply("transpose", [f.reshape(x, [200, 198])], { order: [1, 0] }),
    gathered: apply("gatherSum", [x, codes], { sizes: [100, 200] }),
    scattered: apply("scatterAdd", [codes, y], { sizes: [100, 200] }),
    product: f.matmul(x, apply("transpose", [y], { order: [1, 0] })),
  });
  const given: Record<string, Tensor> = {
    x: { shape: [rows, width], data: normal(rows * width, "x") },
    y: { shape: [rows, width], data: normal(rows * width, "y") },
    row: { shape: [width], data: normal(width, "row") },
    one: { shape: [], data: Float32Array.of(-0.3) },
    codes: { shape: [rows, 2], data: Int32Array.from({ length: 2 * rows }, (_, at) => at * at % 97) },
  };
  given.x.data.set([0, -0, 1e-40, 1e38, -1e38]);
  await assertSameBits(graph, given, {}, "large arrays");
});

Deno.test("train() makes the same bits on 1, 2 and 4 threads", async () => {
  for (const [name, spec] of Object.entries({ ...architectures, everyHead })) {
    const rows = name === "everyHead" ? sampleFor(everyHead, 64) : sample(64);
    const losses = async (engine: Engine) => {
      const model = await compile(spec, { engine, seed: 3 });
      const found: number[] = [];
      for await (const { total } of train(model, rows, { steps: 6, batch: 32, optimiser: adam(0.01) })) {
        found.push(total);
      }
      model.dispose();
      return found;
    };
    const [wanted, ...others] = await Promise.all(eagers.map(losses));
    for (const other of others) assertEquals(other, wanted, name);
  }
});

Deno.test("threads begin when there is something to share, and end when there was nothing for long", async () => {
  const memory = sharedMemory(2);
  const threads = threadsOver(memory, { spin: 1, wait: 1, idle: 500 })!;
  const heap = { ...bump(memory).heap, crew: threads.some(3, 1) };
  const { count } = functionsIn(heap, { count: counting })!;
  for (let round = 0; round < 3; round++) {
    assertEquals(threads.running(), 0);
    callAll(heap, Array.from({ length: 4000 }, (_, at) => [count, 64 + 4 * at, round + 1]), 1);
    assertEquals(threads.running(), 2);
    const found = new Int32Array(memory.buffer, 64, 4000);
    assertEquals(new Set(found), new Set([(round + 1) * (round + 2) / 2]), "each call is made once");
    for (let turns = 0; threads.running() > 0 && turns < 500; turns++) {
      await new Promise((done) => setTimeout(done, 20));
    }
  }
  assertEquals(threads.running(), 0);
});

Deno.test("a call has as many numbers on one thread as on several", () => {
  for (const { heap } of [1, 2].map((threads) => heapOf(1, threads))) {
    const last = { parameters: 9, locals: [0, 0], body: [...get(0), ...get(8), 0x36, 2, 0] } as const;
    const { put } = functionsIn(heap, { put: last })!;
    callAll(heap, [64, 68].map((at) => [put, at, 0, 0, 0, 0, 0, 0, 0, at + 1]), 1);
    assertEquals([...new Int32Array(heap.memory.buffer, 64, 2)], [65, 69]);
  }
});

Deno.test("threads look for calls as long as pauses can be bridged, and shortly where they cannot", () => {
  const after = (pauses: readonly number[]) => pauses.reduce((looking, pause) => lookingAfter(pause, looking, 4), 4);
  const ofAStep = (between: number) => [...Array<number>(50).fill(0.01), between];
  const repeated = (pauses: readonly number[]) => Array.from({ length: 40 }, () => pauses).flat();
  assertEquals(after(repeated(ofAStep(1.5))), 3, "steps of a training");
  assertEquals(after(repeated(ofAStep(3))), 4, "no longer than the most");
  assertEquals(after(repeated(ofAStep(20))), 0.3, "requests of a server");
  assertEquals(after([...repeated(ofAStep(20)), 1.5]), 3, "a training after them");
});

Deno.test("an error in a call ends what is shared, and what is shared next is computed", () => {
  const memory = sharedMemory(2);
  const heap = { ...bump(memory).heap, crew: threadsOver(memory)!.some(2, 1) };
  const { count } = functionsIn(heap, { count: counting })!;
  const wrong = 2 ** 31 - 4; // beyond the memory
  for (let round = 1; round <= 20; round++) {
    assertThrows(() => callAll(heap, Array.from({ length: 200 }, (_, at) => [count, at < 100 ? 64 : wrong, 0]), 1));
    callAll(heap, Array.from({ length: 200 }, (_, at) => [count, 64 + 4 * at, 1]), 1);
    assertEquals(new Set(new Int32Array(memory.buffer, 64, 200)), new Set([round]));
  }
});

// With the argument --full, 10,000 of them.
Deno.test("engines made by hundreds begin no more threads, and leave nothing in memory", async () => {
  const started = await start("wasm", 4);
  const before = [started.count(), started.threads!.running()];
  assert(before[1] <= 3);
  const graph = graphOf({ y: f.matmul(input("x", 256, 256), input("x", 256, 256)) }); // enough to share
  const x = { shape: [256, 256], data: normal(256 * 256, "x") };
  const many = Deno.args.includes("--full") ? 10_000 : 300;
  for (let made = 0; made < many; made++) {
    const engine = await wasm({ threads: 1 + made % 4 });
    assertEquals([engine.name, engine.note], ["tfjs:wasm", undefined]);
    const [store, one] = [engine.store({}), made % 10 < 4];
    const program = engine.load(graph, store);
    if (one) await program.run({ x });
    program.dispose();
    store.dispose();
  }
  assertEquals(started.count(), before[0]);
  assert(started.threads!.running() <= 3);
});

Deno.test("wasm({ threads: 1 }) shares no memory where it is the first engine, and later ones note it", async () => {
  const found = await startedWith(1);
  assertEquals([found.shared, found.notes[0]], [false, undefined]);
  assertMatch(found.notes[1]!, /^Running wasm\(\) on one thread: TensorFlow\.js was started before/);
  assertEquals(found.losses[1], found.losses[0]);
  const others = await startedWith(2); // threads of a thread
  assertEquals([others.shared, others.notes], [true, [undefined, undefined]]);
  assertEquals(others.losses, found.losses);
});

Deno.test("wasm() that is called several times at once starts as its first call says, and leaves TensorFlow.js's flags", async () => {
  const [alone, shared] = [await startedWith([1, 2]), await startedWith([2, 1, 3])];
  assertEquals([alone.shared, alone.notes.map((note) => note === undefined)], [false, [true, false]]);
  assertEquals([shared.shared, shared.notes], [true, [undefined, undefined, undefined]]);
  for (const { flags } of [alone, shared]) assert(!flags.includes("WASM_HAS_MULTITHREAD_SUPPORT"));
});

Deno.test("withSharedMemory() changes one byte, of a module whose memory has a largest size", () => {
  const module = (limits: readonly number[]) =>
    Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 5, limits.length + 1, 1, ...limits]);
  const changed = withSharedMemory(module([1, 1, 2]))!;
  assertEquals([...changed], [...module([3, 1, 2])]);
  assert(WebAssembly.validate(changed));
  assertEquals([module([0, 1]), module([1, 1, 2]).subarray(0, 14)].map(withSharedMemory), [undefined, undefined]);
});

/** Adds a number to the one at an address. */
const counting = {
  parameters: 2,
  locals: [0, 0],
  body: [...get(0), ...get(0), ...wholeNumber(0), ...get(1), ...code.add, 0x36, 2, 0],
} as const;

/** Starts engines in a thread of its own. */
async function startedWith(threads: number | readonly number[]): Promise<{
  readonly notes: readonly (string | undefined)[];
  readonly shared: boolean;
  readonly losses: readonly (readonly number[])[];
  readonly flags: readonly string[];
}> {
  const worker = new Worker(import.meta.resolve("./threads_worker.ts"), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(threads);
    });
  } finally {
    worker.terminate();
  }
}

function sharedMemory(mebibytes: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 16 * mebibytes, maximum: 2 ** 16, shared: true });
}

function heapOf(mebibytes: number, threads: number): { readonly heap: Heap; readonly clear: () => void } {
  const memory = sharedMemory(mebibytes);
  const { heap, clear } = bump(memory);
  const over: Threads = threadsOver(memory)!;
  return { heap: threads === 1 ? heap : { ...heap, crew: over.some(threads, 1) }, clear };
}

/** A memory that is given out from its start on, and again once it is cleared. */
function bump(memory: WebAssembly.Memory): { readonly heap: Heap; readonly clear: () => void } {
  let next = 64;
  const take = (bytes: number) => {
    const at = next;
    next += Math.ceil(bytes / 16) * 16;
    assert(next <= memory.buffer.byteLength, "the test's memory is too small");
    return at;
  };
  return { heap: { memory, take, free: () => {} }, clear: () => next = 64 };
}

async function assertSameBits(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  store: Readonly<Record<string, Tensor>>,
  name: string,
): Promise<void> {
  const [wanted, ...others] = await Promise.all(eagers.map((engine) => bitsOf(engine, graph, inputs, store)));
  for (const other of others) {
    for (const [output, bits] of Object.entries(other)) assertEquals(bits, wanted[output], `${name}: ${output}`);
  }
}

async function bitsOf(
  engine: Engine,
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  values: Readonly<Record<string, Tensor>>,
): Promise<Readonly<Record<string, Int32Array>>> {
  const store = engine.store(values);
  const program = engine.load(graph, store);
  const found = await program.run(inputs);
  program.dispose();
  store.dispose();
  return Object.fromEntries(
    Object.entries(found).map(([name, { data }]) => [
      name,
      new Int32Array(Float32Array.from(data).buffer),
    ]),
  );
}

function input(name: string, ...shape: number[]) {
  return apply("input", [], { name, shape, type: "float" });
}

function normal(length: number, seed: string): Float32Array {
  const numbers = new Float32Array(length);
  fillNormal(numbers, random(seed));
  return numbers;
}
