import { assert, assertEquals } from "@std/assert";
import { fillNormal, random } from "../lib/data/random.ts";
import { code, constant, each, get, increase, moduleOf, repeat, set } from "../lib/engines/wasm_code.ts";
import type { Heap } from "../lib/engines/heap.ts";
import { multiplier } from "../lib/engines/tfjs/wasm_multiplier.ts";

/** Matrices of so many rows, so many factors in each sum, and so many columns. */
type Lengths = readonly [m: number, k: number, n: number];

const edges: readonly Lengths[] = [
  ...[1, 3, 4, 5, 6, 7, 11, 12, 13].flatMap((m) => [1, 7, 8, 9, 16, 23].map((n): Lengths => [m, 5, n])),
  ...[1, 2, 3, 4, 5, 8].flatMap((k) => [1, 9].map((n): Lengths => [7, k, n])),
  [700, 200, 40], // more rows than pass at once
  [13, 300, 900], // as many columns as would be packed several times
  [66, 1000, 270], // more columns than are packed at once
  [9, 40_000, 11], // a panel larger than what is packed at once
  [2, 70_000, 3],
];

Deno.test("multiplier() multiplies matrices of any lengths as float64 does, and writes nowhere else", () => {
  for (const relaxed of [undefined, false]) {
    const { heap, taken } = heapOf(64);
    const multiply = multiplier(heap, relaxed)!;
    for (const [m, k, n] of [...edges, ...sampled(150)]) {
      const [a, b] = [normal(m * k, "rows"), normal(k * n, "columns")];
      const [left, right, result] = [a.length, b.length, m * n + 2 * guard].map((length) => heap.take(4 * length));
      const view = (at: number, length: number) => new Float32Array(heap.memory.buffer, at, length);
      view(left, a.length).set(a);
      view(right, b.length).set(b);
      view(result, m * n + 2 * guard).fill(7);
      multiply(left, right, result + 4 * guard, { count: 1, m, k, n });
      const found = view(result, m * n + 2 * guard);
      const sides = [...found.subarray(0, guard), ...found.subarray(guard + m * n)];
      assertEquals(sides, Array(2 * guard).fill(7), `${m} x ${k} x ${n}: written beside the result`);
      const name = `${m} x ${k} x ${n}, relaxed ${relaxed ?? "where it can be"}`;
      assertProduct(found.subarray(guard, guard + m * n), a, b, [m, k, n], name);
      assertEquals([view(left, a.length), view(right, b.length)], [a, b]);
      [left, right, result].forEach(heap.free);
      assertEquals(taken(), 0, "what is taken is given back");
    }
  }
});

Deno.test("multiplier() multiplies several matrices, one after the other", () => {
  const { heap } = heapOf(8);
  const multiply = multiplier(heap)!;
  for (const [m, k, n] of [[7, 5, 9], [7, 5, 3], [2, 6, 8]]) {
    const [a, b] = [normal(3 * m * k, "a"), normal(3 * k * n, "b")];
    const [left, right, result] = [a.length, b.length, 3 * m * n].map((length) => heap.take(4 * length));
    new Float32Array(heap.memory.buffer, left, a.length).set(a);
    new Float32Array(heap.memory.buffer, right, b.length).set(b);
    multiply(left, right, result, { count: 3, m, k, n });
    const found = new Float32Array(heap.memory.buffer, result, 3 * m * n);
    for (let e = 0; e < 3; e++) {
      const [own, mine, theirs] = [[found, m * n], [a, m * k], [b, k * n]].map(([all, size]) =>
        (all as Float32Array).subarray(e * (size as number), (e + 1) * (size as number))
      );
      assertProduct(own, mine, theirs, [m, k, n], `${m} x ${k} x ${n}, matrix ${e}`);
    }
  }
});

Deno.test("multiplier() keeps NaN, and where it is", () => {
  for (const relaxed of [undefined, false]) {
    const { heap } = heapOf(8);
    const [m, k, n] = [13, 9, 11];
    const [left, right, result] = [m * k, k * n, m * n].map((length) => heap.take(4 * length));
    const views = [[left, m * k], [right, k * n], [result, m * n]] as const;
    const [a, b, c] = views.map(([at, length]) => new Float32Array(heap.memory.buffer, at, length).fill(0));
    a[3 * k + 2] = NaN;
    b[4 * n + 10] = Infinity; // 0 * Infinity is NaN too
    multiplier(heap, relaxed)!(left, right, result, { count: 1, m, k, n });
    const wrong = Array.from(
      c,
      (number, at) => Math.floor(at / n) === 3 || at % n === 10 ? !Number.isNaN(number) : number,
    );
    assertEquals(wrong.some(Boolean), false);
  }
});

Deno.test("moduleOf() writes numbers of any size, loops that end, and functions by their names", () => {
  const [value, count, copy] = [0, 1, 2];
  const address = 8;
  const memory = new WebAssembly.Memory({ initial: 1 });
  // memory[8] = value + 3 * count * step, by a loop within a loop
  const body = (step: number) => [
    ...repeat(count, [
      ...[...constant(3), ...set(copy)],
      ...repeat(copy, increase(value, constant(step))),
    ]),
    ...[...constant(address), ...get(value), 0x36, 2, 0],
  ];
  for (const step of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 20, -(2 ** 20)]) {
    const definition = { parameters: 2, locals: [1, 0], body: body(step) } as const;
    const module = new WebAssembly.Module(moduleOf({ first: definition, second: definition }));
    const { first, second } = new WebAssembly.Instance(module, { from: { memory } }).exports as Record<
      string,
      (value: number, count: number) => void
    >;
    for (const [call, turns] of [[first, 0], [second, 1], [first, 5]] as const) {
      call(100, turns);
      assertEquals(new Int32Array(memory.buffer)[address / 4], 100 + 3 * turns * step);
    }
  }
  assertEquals(each(3, (index) => [index, index]), [0, 0, 1, 1, 2, 2]);
  assertEquals(WebAssembly.validate(moduleOf({ wrong: { parameters: 0, locals: [0, 0], body: code.add } })), false);
});

/** Numbers around a result that must stay. */
const guard = 16;

/** A memory of some pages of 1 MiB that is given out from its start on, and again once nothing is taken. */
function heapOf(mebibytes: number): { readonly heap: Heap; readonly taken: () => number } {
  const memory = new WebAssembly.Memory({ initial: 16 * mebibytes });
  let [next, taken] = [64, 0];
  const take = (bytes: number) => {
    const at = next;
    next += Math.ceil(bytes / 16) * 16;
    assert(next <= memory.buffer.byteLength, "the test's memory is too small");
    taken++;
    return at;
  };
  const free = () => {
    if (--taken === 0) next = 64;
  };
  return { heap: { memory, take, free }, taken: () => taken };
}

function sampled(count: number): Lengths[] {
  const source = random("lengths");
  const length = () => 1 + Math.floor(source.uniform() * 70);
  return Array.from({ length: count }, () => [length(), length(), length()]);
}

function normal(length: number, seed: string): Float32Array {
  const numbers = new Float32Array(length);
  fillNormal(numbers, random(seed));
  return numbers;
}

/** Compares with sums in float64. A float32 sum of k products is off by the root of k at each of its k steps, at random. */
function assertProduct(
  found: Float32Array,
  a: Float32Array,
  b: Float32Array,
  [m, k, n]: Lengths,
  name: string,
): void {
  const tolerance = 1e-6 + 2e-7 * k;
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let at = 0; at < k; at++) sum += a[row * k + at] * b[at * n + column];
      const error = Math.abs(found[row * n + column] - sum);
      assert(error <= tolerance, `${name}: [${row}, ${column}] is off by ${error}`);
    }
  }
}
