import { assertAlmostEquals, assertEquals } from "@std/assert";
import { cases, prepared, specOf } from "./bench/cases.ts";
import { inventedCensus, sizes } from "./bench/census.ts";
import { vocabularies, zipf } from "./bench/ids.ts";
import { bars, standing } from "./bench/bars.ts";
import { axes } from "./bench/growth.ts";
import { encoding } from "./bench/encoding.ts";
import { pasts } from "./bench/history.ts";
import { vocabularyGrid } from "./bench/result_tables.ts";
import { grown, nameOf } from "./bench/vocabulary.ts";
import { growthChart } from "./bench/growth_chart.ts";
import { against, type Line, own, ratioOf } from "./bench/lines.ts";
import { live } from "./bench/live.ts";
import { ours } from "./bench/ours.ts";
import { measure, spread } from "./bench/measure.ts";
import { multiplyAdds, peakShare } from "./bench/multiply_adds.ts";
import { nodesOf, partsOf } from "./bench/profile.ts";
import { profileText } from "./bench/profile_table.ts";
import { chart, document, merged, read } from "./bench/results.ts";
import { sweepText } from "./bench/sweep_table.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { matmul, neg, reshape } from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import { random } from "../lib/datasets.ts";
import { page } from "../lib/svg.ts";
import { reference } from "../mod.ts";

Deno.test("spread() is the quantiles between neighbours, whatever the order", () => {
  assertEquals(spread([11, 1, 6, 3, 2, 4, 5, 7, 8, 9, 10]), { median: 6, p10: 2, p90: 10 });
  assertEquals(spread([4, 1, 3, 2]).median, 2.5);
  assertEquals(spread([7]), { median: 7, p10: 7, p90: 7 });
});

Deno.test("ratioOf() is above 1 where we are faster, of times and of rates", () => {
  assertEquals(ratioOf("train_step_ms", 2, 6), 3);
  assertEquals(ratioOf("rows_per_s", 6, 2), 3);
  assertEquals(against("W1", "wasm", "predict_ms", "them", [10, 20, 30], [5]).ratio, 4);
});

Deno.test("lines have the keys of a result, in their order", () => {
  const keys = ["case", "engine", "metric", "median", "p10", "p90", "peer", "ratio"];
  assertEquals(Object.keys(own("W1", "wasm", "predict_ms", [1])), keys);
  assertEquals(Object.keys(against("W1", "wasm", "predict_ms", "them", [1, 2], [1])), keys);
});

Deno.test("measure() runs each contestant as often as asked, in rounds", async () => {
  const turns: string[] = [];
  const contestant = (name: string) => ({
    name,
    times: (count: number) => {
      turns.push(name);
      return Promise.resolve(Array<number>(count).fill(5));
    },
  });
  const found = await measure([contestant("a"), contestant("b")], { repeats: 10, warm: 0, timed: 0 });
  assertEquals([found.get("a")!.length, found.get("b")!.length], [10, 10]);
  assertEquals(turns.join(""), "ab" + "ab".repeat(5)); // warm-up, then five rounds
});

Deno.test("multiplyAdds() counts the paper's model as by hand", () => {
  const first = 100 * 8 * 16 + 2 * 100 * 8; // experts, gates
  const later = 2 * 16 * 8 + 2 * 8; // towers, heads
  assertEquals(multiplyAdds(specOf({ name: "W1", ...cases.W1 }, 100)), {
    predict: first + later,
    train: 2 * first + 3 * later, // the input needs no gradient
  });
});

Deno.test("multiplyAdds() counts a category as one column", () => {
  const { features } = inventedCensus(1);
  const [first, later] = [8 * 38 * 64 + 2 * 38 * 8, 8 * 64 * 32 + 2 * 32 * 16 + 2 * 16];
  assertEquals(multiplyAdds(specOf({ name: "W4", ...cases.W4 }, features)).predict, first + later);
});

Deno.test("multiplyAdds() counts what reads vectors, and no looking up", () => {
  const input = { numbers: 2, vocabularies: [5, 9], k: 3, vectors: "touched" } as const;
  const of = prepared({ ...{ name: "ids", about: "", units: [6], tower: 5 }, input, experts: 4, tasks: 2, batch: 8 });
  const work = 8 * 4 * 6 + 2 * 8 * 4 + 2 * 6 * 5 + 2 * 5; // experts, gates, towers, heads
  assertEquals(multiplyAdds(of.spec), { predict: work, train: 3 * work });
});

Deno.test("W6 has 26 ids, 2.9 million in all, and ids follow Zipf's law, none of them out of reach", () => {
  assertEquals([vocabularies.length, vocabularies[0], vocabularies[25]], [26, 10, 1_000_000]);
  assertEquals(vocabularies.reduce((sum, size) => sum + size), 2_888_870);
  const source = random("zipf");
  for (const size of [1, 10, 5000]) {
    const counts = new Float64Array(size);
    for (let draw = 0; draw < 200_000; draw++) counts[zipf(size, source)]++;
    const share = (id: number) => Math.log((id + 1) / id) / Math.log(size + 1);
    const [first, second] = counts.toSorted().toReversed();
    assertAlmostEquals(first / 200_000, share(1), 0.01);
    if (size > 1) assertAlmostEquals(second / 200_000, share(2), 0.01);
  }
});

Deno.test("pasts() counts rows a second and the memory of keys, of which more rows take no more", async () => {
  const lines: Line[] = [];
  const { signal } = new AbortController();
  const bench = {
    seed: 1,
    repeats: 1,
    warm: 0,
    timed: 0,
    signal,
    note: () => {},
    write: (line: Line) => lines.push(line),
  };
  await pasts(bench, { log: false, rows: [20_000, 40_000], users: [10] });
  const mib = lines.filter(({ metric }) => metric === "mib").map(({ median }) => median);
  assertEquals(mib.length, 2);
  assertEquals(mib[1], mib[0]);
});

Deno.test("encoding() counts rows a second, and tables show them and the growth by vocabulary", async () => {
  const lines: Line[] = [];
  const { signal } = new AbortController();
  const bench = {
    seed: 1,
    repeats: 2,
    warm: 0,
    timed: 0,
    signal,
    note: () => {},
    write: (line: Line) => lines.push(line),
  };
  await encoding(bench, { rows: 50, words: 20 });
  assertEquals(
    lines.map(({ case: of }) => of),
    ["category", "hashed", "cross", "10 ids"].map((of) => `encoding, ${of}`),
  );
  const machine = { cpu: "some", cores: 2, memory: 8, os: "some", versions: {} };
  assertEquals(document({ machine, lines, settings: {} }).includes("| 10 ids | "), true);
  const [, , first, ...rest] = vocabularyGrid([
    own(nameOf(10_000), "onnx", "train_step_ms", [40, 40]),
    own(nameOf(10_000), "onnx", "memory_mib", [100]),
    own(grown, "onnx", "step_growth", [1.1]),
  ]).split("\n");
  assertEquals(first, "| 10,000 |  |  | 40 (40 to 40) | 100 |");
  assertEquals(rest.at(-1), "| growth |  |  | 1.1 |  |");
});

Deno.test("a case of ids is trained and predicts as users do", async () => {
  const lists = { bag: { most: 4, vocabulary: 7 }, sequence: { most: 5 } };
  const input = { numbers: 1, vocabularies: [5, 90], k: 3, vectors: "touched", ...lists } as const;
  const of = prepared({ ...{ name: "ids", about: "", units: [6], tower: 5 }, input, experts: 2, tasks: 2, batch: 16 });
  const { train, predict, losses, close } = await ours(of, reference(), 1);
  assertEquals([(await train(3)).length, (await predict(1)).length, losses.length], [3, 1, 3]);
  assertAlmostEquals(losses[0], 2 * Math.log(2), 0.3);
  await close();
});

Deno.test("peakShare() is two operations a multiply-add over the peak", () => {
  assertAlmostEquals(peakShare(50e9, 1000, 200), 0.5, 1e-12);
});

Deno.test("inventedCensus() is as wide as Census-Income", () => {
  assertEquals(sizes.length, 31);
  assertEquals(7 + sizes.reduce((sum, size) => sum + size, 0), 517);
  const { spec, rows } = prepared({ name: "W4", ...cases.W4, batch: 8 }, inventedCensus(40));
  assertEquals([Object.keys(spec.tasks), rows.count], [["income", "marital"], 32]);
});

Deno.test("live() counts parameters, and values from their op to their last use", () => {
  const x = apply("input", [], { name: "x", shape: ["batch", 2], type: "float" });
  const kernel = apply("parameter", [], { name: "w", shape: [2, 3], init: { kind: "constant", value: 0 } });
  const product = reshape(matmul(x, kernel), ["batch", 3, 1]); // no value of its own
  const found = live(graphOf({ y: neg(product) }), 5);
  assertEquals(found, { resident: 4 * 6, activations: 4 * (15 + 15) }); // x is freed before y comes
});

Deno.test("standing() reads a bar from the line that it names", () => {
  const [bar] = bars; // at least 5 times as fast as tf.layers
  const line = (ratio: number): Line => {
    const [of, engine, metric, peer] = bar.of;
    return { ...against(of, engine, metric, peer!, [ratio], [1]) };
  };
  assertEquals(standing(bar, []), undefined);
  assertEquals(standing(bar, [line(4.9)]), { found: 4.9, met: false });
  assertEquals(standing(bar, [line(5)]), { found: 5, met: true });
});

Deno.test("document() and chart() show what a run found", () => {
  const grown = Object.entries(axes).flatMap(([axis, values]) =>
    values.flatMap((value) => [
      own(`${axis} ${value}`, "wasm", "train_step_ms", [value, value]),
      own(`${axis} ${value}`, "wasm", "predict_ms", [value / 3, value / 3]),
      own(`${axis} ${value}`, "wasm", "memory_mib", [value]),
    ])
  );
  const lines = [
    own("W1", "wasm", "train_step_ms", [2, 2]),
    against("W1", "wasm", "train_step_ms", "best of tf.layers", [12.5, 12.5], [2]),
    ...grown,
  ];
  const machine = { cpu: "some", cores: 2, memory: 8, os: "some", versions: { deno: "2" } };
  const run = read([{ machine }, ...lines, { settings: {} }].map((record) => JSON.stringify(record)).join("\n"));
  assertEquals(run, { machine, lines, settings: {} });
  const text = document(run);
  assertEquals(text.includes("| at least 5 | 6.25 | met |"), true);
  assertEquals(text.includes("12.5 (12.5 to 12.5): 6.25x"), true);
  const names = chart(lines).match(/wasm train/g);
  assertEquals(names?.length, 6); // as a name and in words, in each of three panels
});

Deno.test("sweepText() shows how many times as fast chosen experts alone are, in brackets where all are computed", () => {
  const of = (k: number, routed: number, sparse: number) => [
    own(`16 of 64, k ${k}`, "onnx", "routed", [routed]),
    against(`16 of 64, k ${k}`, "onnx", "predict_ms", "ours, all experts", [6], [sparse]),
  ];
  const [head, , ...rows] = sweepText([...of(1, 1, 4), ...of(4, 0, 8)]).split("\n").slice(2);
  assertEquals(head.split(" | ").slice(0, 4), ["| experts", "predict, k = 1", "predict, k = 2", "predict, k = 4"]);
  assertEquals(rows, ["| 16 of 64 | 1.50 |  | (0.75) |  |  |  |"]);
});

Deno.test("merged() changes the sections that a run has lines of, and leaves the others", () => {
  const before = "# Old\n\n## Census epoch\n\nold\n\n## Sparse experts\n\nold\n";
  const page = "# New\n\n## Census epoch\n\nnew\n\n## Sparse experts\n\nnew\n";
  const sparse = own("8 of 64, k 1", "onnx", "predict_ms", [1]);
  assertEquals(merged(page, before, [sparse]), before.replace(/old\n$/, "new\n"));
  assertEquals(merged(page, "# Old\n\n", [sparse]), page.replace("# New", "# Old"));
  const whole = [sparse, own("W1", "onnx", "train_step_ms", [1]), own("census epoch", "onnx", "rows_per_s", [1])];
  assertEquals(merged(page, before, whole), page);
});

Deno.test("nodesOf() and partsOf() sum a profile, large products apart and at their speed", () => {
  const shapes = (...of: number[][]) => of.map((shape) => ({ float: shape }));
  const entry = (name: string, op: string, dur: number, of: number[][], to: number[]) => ({
    cat: "Node",
    name: `${name}_kernel_time`,
    dur,
    args: { op_name: op, input_type_shape: shapes(...of), output_type_shape: shapes(to) },
  });
  const run = [
    entry("a", "Gemm", 4000, [[1000, 500], [1000, 200]], [500, 200]), // the first factor is transposed
    entry("b", "MatMul", 50, [[4, 2], [2, 4]], [4, 4]),
    entry("c", "MatMul", 60, [[4, 2], [2, 4]], [4, 4]),
    entry("d", "Add", 300, [[100_000], [100_000]], [100_000]),
    entry("e", "Sqrt", 200, [[100_000]], [100_000]),
    entry("f", "Relu", 2, [[4, 4]], [4, 4]),
  ];
  assertEquals(
    partsOf(nodesOf([...run, ...run, { ...run[0], cat: "Session" }])),
    [
      {
        name: "Gemm of [1000, 500] and [1000, 200] to [500, 200]",
        count: 1,
        ms: 4,
        gflops: 2 * 500 * 1000 * 200 / 4e-3 / 1e9,
        lengths: [500, 1000, 200] as const,
      },
      { name: "passes over all parameters", count: 2, ms: 0.5 },
      { name: "smaller products", count: 2, ms: 0.11 },
      { name: "others", count: 1, ms: 0.002 },
    ],
  );
});

Deno.test("profileText() states what is asked for, what ops take and what is outside of them", () => {
  const text = profileText([
    own("W3", "onnx", "predict_ms", [30, 30]),
    against("W3", "onnx", "predict_ms", "torch eager", [26, 26], [30]), // the bar is 1.3
    own("W3", "onnx", "predict_op_ms, whole", [40, 40]),
    own("W3", "onnx", "predict_op_ms, Gemm", [25]),
    own("W3", "onnx", "predict_op_count, Gemm", [1]),
    own("W3", "onnx", "predict_op_gflops, Gemm", [170]),
    against("W3", "onnx", "predict_op_ms, Gemm", "torch, this product", [24], [25]),
    own("W3", "onnx", "predict_op_ms, others", [5]),
    own("W3", "onnx", "predict_op_count, others", [7]),
  ]);
  const rows = [
    "| Gemm | 1 | 25 | 62.5 % | 170 | 24 |",
    "| others | 7 | 5 | 12.5 % |  |  |",
    "| outside of ops |  | 10 | 25.0 % |  |  |",
    "| whole |  | 40 |  |  |  |",
    "1.3x of torch eager is 20 ms. The products that are listed take 25 ms.",
  ];
  assertEquals(rows.filter((row) => !text.includes(row)), []);
});

Deno.test("growthChart() draws what doubles with its size as a straight line", () => {
  const points = [1, 2, 4, 8].map((size) => ({ size, cost: 3 * size }));
  const svg = page([growthChart("t", "ms", [{ axis: "experts", curves: [{ name: "a", points }] }])]);
  const [, path] = svg.match(/gh-line[^>]* d="([^"]+)"/)!;
  const places = path.split(/[ML]/).slice(1).map((place) => place.split(",").map(Number));
  const slopes = places.slice(1).map(([x, y], at) => (y - places[at][1]) / (x - places[at][0]));
  slopes.forEach((slope) => assertAlmostEquals(slope, slopes[0], 0.01));
});
