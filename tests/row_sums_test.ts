import { assertEquals, assertThrows } from "@std/assert";
import { adam, binary, category, define, dense, fit, mmoe, numeric, pipe, reference, relu } from "../mod.ts";
import { onnx } from "../lib/onnx.ts";
import { add, broadcast, constant, gatherSum, input, mul, relu as relued, slice, sub, sum } from "../lib/ops.ts";
import { type Graph, graphOf, plan, prediction, trainingStep } from "../lib/graph.ts";
import { random } from "../lib/data/random.ts";
import type { Engine } from "../lib/engines/engine.ts";
import { named, naming, rowSums, scratchFor } from "../lib/engines/row_sums.ts";
import { type RowSum, stagesOf } from "../lib/engines/onnx/stages.ts";
import { summingOf } from "../lib/engines/onnx/summing.ts";
import { viewed } from "../lib/engines/onnx/views.ts";
import { cautious } from "../lib/graph/rules.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { apply } from "../lib/ops/table.ts";
import type { Value } from "../lib/ops/value.ts";

const source = random("row sums");
const normal = (length: number) => Float32Array.from({ length }, () => Math.round(8 * source.uniform()));

Deno.test("rowSums() sums rows as plain loops do, often read or not, and writes 12 bytes behind them at most", () => {
  const memory = new WebAssembly.Memory({ initial: 8 });
  for (const width of [1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 33, 47, 64, 100, 112, 147]) {
    for (const [height, sums, each] of [[3, 40, 5], [40, 3, 5], [5, 9, 0], [1, 1, 1], [7, 7, 4]]) {
      const rows = Int32Array.from({ length: sums * each }, () => Math.floor(source.uniform() * height));
      const [from, to] = [1024, 1024 + 4 * height * width + 16];
      const end = to + 4 * sums * width;
      const scratch = end + 16;
      const matrix = new Float32Array(memory.buffer, from, height * width);
      matrix.set(normal(height * width));
      new Uint8Array(memory.buffer, end, 16).fill(9);
      const wanted = Float32Array.from({ length: sums * width }, (_, at) => {
        const [nth, column] = [Math.floor(at / width), at % width];
        return rows.subarray(nth * each, (nth + 1) * each).reduce((sum, row) => sum + matrix[row * width + column], 0);
      });
      let taken = 0;
      const sumRows = rowSums({ memory, take: (bytes) => (taken = bytes, scratch), free: () => {} })!;
      sumRows(to, from, { counts: new Int32Array(sums).fill(each), rows }, height, width);
      assertEquals(new Float32Array(memory.buffer, to, sums * width), wanted, `${[height, sums, each, width]}`);
      assertEquals(taken, scratchFor(sums, rows.length, height));
      assertEquals(new Uint8Array(memory.buffer, end + 12, 4), new Uint8Array(4).fill(9));
    }
  }
});

Deno.test("rowSums() sums the rows that codes in its memory name as it does lists, but for codes out of range", () => {
  const memory = new WebAssembly.Memory({ initial: 8 });
  const columns = [
    { column: 3, least: 0, most: 4, row: 0 },
    { column: 0, least: 2, most: 5, row: 3 }, // rows 5 to 8
    { column: 2, least: -1, most: -1, row: 10 },
    { column: 1, least: 0, most: 0, row: 10 },
  ];
  const [height, codesWidth, scratch] = [11, 5, 2 ** 18];
  for (const [sums, width] of [[1, 4], [3, 20], [40, 7], [50, 64], [7, 100]]) {
    const codes = new Int32Array(memory.buffer, 1024, sums * codesWidth);
    codes.set(codes.map((_, at) => at % 23 === 0 ? -(2 ** 31) : Math.floor(source.uniform() * 9) - 2));
    const from = 8192;
    const to = [2 ** 15, 2 ** 16];
    new Float32Array(memory.buffer, from, height * width).set(normal(height * width));
    const sumRows = rowSums({ memory, take: () => scratch, free: () => {} })!;
    const lists = named(codes, codesWidth, columns);
    sumRows(to[0], from, lists, height, width);
    sumRows(to[1], from, { codes, width: codesWidth, columns }, height, width);
    const [wanted, found] = to.map((at) => new Float32Array(memory.buffer, at, sums * width).slice());
    assertEquals(found, wanted, `${sums} sums of width ${width}`);
    const counts = new Int32Array(memory.buffer, scratch, sums).slice();
    assertEquals(counts, lists.counts);
  }
});

Deno.test("rowSums() finds codes in a memory that grows as scratch is taken", () => {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const codes = new Int32Array(memory.buffer, 1024, 4);
  codes.set([2, 0, 1, 2]);
  new Float32Array(memory.buffer, 4096, 12).set([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  const take = () => memory.grow(1) * 2 ** 16; // detaches whatever was viewed before
  const columns = [{ column: 0, least: 0, most: 2, row: 0 }];
  rowSums({ memory, take, free: () => {} })!(8192, 4096, { codes, width: 1, columns }, 3, 4);
  assertEquals([...new Float32Array(memory.buffer, 8192, 16)], [3, 1, 2, 3].flatMap((sum) => Array(4).fill(sum)));
});

Deno.test("named() lists the rows that codes name, and naming() the rows of codes by which each is named", () => {
  const columns = [{ column: 2, least: 0, most: 2, row: 0 }, { column: 0, least: 1, most: 2, row: 2 }];
  const lists = named([1, 9, 2, 0, 9, 0, 2, 9, -1], 3, columns);
  assertEquals(lists, { counts: Int32Array.of(2, 1, 1), rows: Int32Array.of(2, 3, 0, 4) });
  assertEquals(naming(lists, 5), { counts: Int32Array.of(1, 0, 1, 1, 1), rows: Int32Array.of(1, 0, 0, 2) });
});

Deno.test("a model on onnx sums rows itself before a part that predicts, and between two parts that train", () => {
  const words = ["ash", "elm", "fir", "oak"];
  const input = fit({ age: numeric(), tree: category(), side: category() }, {
    age: [1, 2, 3, 4],
    tree: words,
    side: words,
  });
  const tasks = { click: binary(), like: binary() };
  const planned = plan(define(mmoe({ input, experts: 3, expert: pipe(dense(4), relu), tasks })), {
    rules: { ...cautious, gatherFrom: 1 },
  });
  const sums = (graph: Graph) => stagesOf(viewed(graph).graph).map(({ sums }) => sums.map(({ op }) => op));
  assertEquals(sums(prediction(planned)), [["gatherSum", "gatherSum"]]);
  assertEquals(sums(trainingStep(planned, adam())), [["gatherSum", "gatherSum"], ["scatterAdd", "scatterAdd"]]);
  for (const { graph } of stagesOf(viewed(trainingStep(planned, adam())).graph)) {
    assertEquals(graph.nodes.filter(({ op }) => op === "gatherSum" || op === "scatterAdd"), []);
  }
});

Deno.test("graphs on onnx are as on reference() whatever is summed by codes, for batches of any size", async () => {
  const sizes = [3, 1, 5];
  const codes = input("codes", ["batch", 3], "int");
  for (const width of [1, 3, 4, 33]) {
    const [table, x] = [parameter("table", [9, width]), input("x", ["batch", width])];
    const gathered = gatherSum(table, codes, sizes);
    const scattered = scatterAdd(codes, mul(gathered, x), sizes);
    const picked = apply("pick", [codes], { columns: [2, 0], first: [1, 0] });
    const places = apply("topPlaces", [x], { k: 1 });
    await assertSame(
      graphOf({
        gathered,
        scattered,
        again: gatherSum(scattered, codes, sizes), // of what was summed before
        computed: add(gatherSum(relued(table), codes, sizes), sum(scattered, { axes: [0] })), // of what a part computes
        fed: scatterAdd(codes, x, sizes),
        cut: gatherSum(slice(table, 2, 6, 0), picked, [4, 2]),
        own: gatherSum(table, places, [9]), // by codes that the graph computes: left to ONNX Runtime
        back: scatterAdd(places, x, [9]),
        ones: broadcast(constant(1), ["batch", 2]),
      }, { table: sub(table, scattered) }),
      width,
    );
  }
});

Deno.test("onnx() refuses a batch whose sums WebAssembly cannot hold, and says so", () => {
  const shape = ["batch", 1024] as const;
  const sum: RowSum = {
    op: "gatherSum",
    name: "sum",
    from: [2, 1024],
    shape,
    summed: "table",
    stored: true,
    codes: "codes",
    columns: [],
  };
  const summing = summingOf([sum], () => new Float32Array(2048), () => 0);
  summing.begin(10);
  const wanted = "Cannot run graph: the gathered rows of a batch of 2000000 need 7821 MiB, more than WebAssembly has";
  assertThrows(() => summing.begin(2_000_000), RangeError, wanted);
  summing.begin(20);
});

/** Runs a graph twice on each engine, with batches of 4, 7 and 4 rows. */
async function assertSame(graph: Graph, width: number): Promise<void> {
  const stored = { table: { shape: [9, width], data: normal(9 * width) } };
  const batches = [4, 7, 4].map((rows): Readonly<Record<string, Tensor>> => ({
    codes: {
      shape: [rows, 3],
      data: Int32Array.from({ length: 3 * rows }, () => Math.floor(8 * source.uniform()) - 1),
    },
    x: { shape: [rows, width], data: normal(rows * width) },
  }));
  const runs = async (engine: Engine) => {
    const store = engine.store(stored);
    const program = engine.load(graph, store);
    const found = [];
    for (const batch of batches) found.push(await program.run(batch), await store.read("table"));
    program.dispose();
    store.dispose();
    return found.map((one) =>
      JSON.stringify(one, (_, part) => ArrayBuffer.isView(part) ? [...part as Float32Array] : part)
    );
  };
  assertEquals(await runs(await onnx()), await runs(reference()), `width ${width}`);
}

function parameter(name: string, shape: readonly number[]): Value {
  return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
}

function scatterAdd(codes: Value, x: Value, sizes: readonly number[]): Value {
  return apply("scatterAdd", [codes, x], { sizes });
}
