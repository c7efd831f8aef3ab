import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { readPredictions, writePredictions } from "../examples/kuairand/predictions.ts";
import { compareAuc, compareGauc } from "../lib/metrics.ts";
import { bag, category, type Columns, fit, hashed, numeric, readCsv, sequence } from "../mod.ts";
import { tasks } from "../examples/kuairand/log.ts";
import { logOf, writeTable } from "./bench/kuairand_inputs.ts";
import { differences, type Judged, judgedIn, resultsText } from "./bench/kuairand_results.ts";
import { type Log, tableOf } from "./bench/kuairand_table.ts";
import { withTemp } from "./temp.ts";

const file = "user,video,tags,watched,age,click\nann,7,a|b,7 8,30,1\nbob,8,,,,0\neve,9,b,9,50,1\n";
const columns = await readCsv(new TextEncoder().encode(file), {
  columns: { user: "text", video: "text", tags: "text", watched: "text", age: "number", click: "number" },
  missing: [""],
});
const log: Log = {
  inputs: "some",
  columns,
  features: fit({
    video: category(),
    tags: bag({ separator: "|" }),
    watched: sequence({ separator: " ", like: "video", most: 5 }),
    age: numeric({ missing: "mean" }),
  }, columns),
  splits: ["train", "test"],
  split: [0, 0, 1],
  tasks: ["click"],
  group: "user",
};

Deno.test("tableOf() has codes by our vocabularies, lists as they are, and numbers that may be missing", () => {
  const { form, csv } = tableOf(log);
  assertEquals(
    [...csv()].join(""),
    [
      '"split","group","click","video","tags","watched","age"',
      "0,0,1,2,2 3,2 3,30",
      "0,1,0,3,,,",
      "1,2,1,4,3,4,50\n",
    ].join("\n"),
  );
  assertEquals(form, {
    inputs: "some",
    rows: 3,
    splits: ["train", "test"],
    tasks: ["click"],
    categories: { video: 5 },
    lists: { tags: { size: 4, most: 2 }, watched: { size: 5, most: 2 } },
    numbers: ["age"],
  });
});

Deno.test("tableOf() refuses features that have no column of their own", () => {
  const features = fit({ video: hashed(10) }, columns);
  assertThrows(() => tableOf({ ...log, features }), TypeError, "at video: a feature of kind hashed");
  assertThrows(() => tableOf({ ...log, group: "age" }), TypeError, 'no column of text is named "age"');
});

Deno.test("logOf() has history of earlier days with lag, of earlier rows online, and none raw", async () => {
  const load = (inputs: "raw" | "lag" | "online") => logOf(inputs, "examples/sample", false);
  const [raw, lag, online] = [await load("raw"), await load("lag"), await load("online")];
  const shown = ({ columns }: Log): readonly number[] => numbers(columns, "shown to user");
  assertEquals(raw.columns.columns["shown to user"], undefined);
  const known = Object.keys(raw.features);
  assertEquals(Object.keys(lag.features).slice(0, known.length), known);
  assertEquals(Object.keys(lag.features), Object.keys(online.features));
  assert(tasks.every((task) => !Object.hasOwn(lag.features, task)));
  assert(shown(lag).every((count, row) => count <= shown(online)[row]) && Math.max(...shown(lag)) > 0);
  assertEquals([...new Set(raw.split as Int32Array)], [0, 1, 2]);
  await withTemp(async (dir) => {
    const path = await writeTable(tableOf(lag), `${dir}/inner`);
    const { rows, inputs } = JSON.parse(await Deno.readTextFile(`${path}.json`));
    const lines = (await Deno.readTextFile(`${path}.csv`)).trimEnd().split("\n");
    assertEquals([rows, inputs, lines.length], [220, "lag", 221]);
    assertEquals([...Deno.readDirSync(`${dir}/inner`)].length, 2);
  });
});

Deno.test("predictions are read as they were written, and undefined where there are none", async () => {
  await withTemp(async (dir) => {
    const of = { model: "best", inputs: "lag", seed: 7, split: "test" };
    await writePredictions(`${dir}/some`, of, { is_click: [0.25, 1e-9], is_like: Float32Array.of(0.5, 0.75) });
    const found = await readPredictions(`${dir}/some`, of, ["is_like", "is_click"]);
    assertEquals(found, { is_like: Float64Array.of(0.5, 0.75), is_click: Float64Array.of(0.25, 1e-9) });
    assertEquals(await readPredictions(`${dir}/some`, { ...of, seed: 8 }, ["is_like"]), undefined);
    await Deno.writeTextFile(`${dir}/some/best,lag,7.test.csv`, "is_like\n0.5\n");
    await assertRejects(() => readPredictions(`${dir}/some`, of, ["is_click"]), Error, "is_click");
  });
});

const line = (model: string, task: string, seed: number, auc: number, split = "test"): Judged => {
  return { model, inputs: "raw", task, split, auc, gauc: auc - 0.1, seed, seconds: 10 * seed, mib: 100 + seed };
};

Deno.test("judgedIn() reads what a model did, and nothing else", () => {
  const wanted = line("mmoe", "is_click", 7, 0.7);
  assertEquals(judgedIn(JSON.stringify(wanted)), wanted);
  assertEquals(judgedIn(JSON.stringify({ ...wanted, gauc: null }))?.gauc, NaN);
  for (const other of ["", "Training", '{"task":"is_click","loss":1}']) assertEquals(judgedIn(other), undefined);
});

Deno.test("differences() compare ours with the best peer of a task, by the mean over paired seeds", () => {
  const labels = { is_click: [0, 0, 1, 1, 0, 1] };
  const predicted: Record<string, number[]> = {
    "ours 1": [0.1, 0.2, 0.3, 0.4, 0.35, 0.6],
    "ours 2": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    "peer 1": [0.3, 0.2, 0.1, 0.4, 0.5, 0.6],
  };
  const lines = [
    line("ours", "is_click", 1, 0.9),
    line("ours", "is_click", 2, 0.8),
    line("peer", "is_click", 1, 0.75),
    line("other", "is_click", 1, 0.7),
    line("other", "is_click", 1, 0.99, "validation"),
  ];
  const scores = (model: string, _inputs: string, _task: string, seed: number) => predicted[`${model} ${seed}`];
  const [found, ...rest] = differences(lines, ["ours"], scores, { labels });
  assertEquals([rest.length, found.model, found.peer], [0, "ours", "peer"]);
  const tests = [1, 2].map((seed) => compareAuc(predicted[`ours ${seed}`], predicted["peer 1"], labels.is_click));
  assertAlmostEquals(found.difference, (tests[0].difference + tests[1].difference) / 2, 1e-12);
  assertAlmostEquals(found.interval[0], (tests[0].interval[0] + tests[1].interval[0]) / 2, 1e-12);
  assertEquals(differences(lines, ["ours"], () => undefined, { labels }), []);
  assertEquals(differences(lines.slice(0, 2), ["ours"], scores, { labels }), []);
});

Deno.test("differences() compare GAUC with the peer of the best one, over users that are drawn", () => {
  const rows = { labels: { is_click: [0, 1, 0, 1, 0, 1] }, users: [1, 1, 2, 2, 3, 3] };
  const predicted: Record<string, number[]> = {
    ours: [0.1, 0.9, 0.2, 0.8, 0.7, 0.3],
    peer: [0.9, 0.1, 0.2, 0.8, 0.7, 0.3],
    other: [0.1, 0.9, 0.8, 0.2, 0.7, 0.3],
  };
  const lines = [
    { ...line("ours", "is_click", 1, 0.9), gauc: 0.6 },
    { ...line("peer", "is_click", 1, 0.8), gauc: 0.5 },
    { ...line("other", "is_click", 1, 0.7), gauc: 0.6 },
  ];
  const [auc, gauc, ...rest] = differences(lines, ["ours"], (model) => predicted[model], rows);
  assertEquals([rest.length, auc.of, auc.peer, gauc.of, gauc.peer], [0, "auc", "peer", "gauc", "other"]);
  const { difference, error, interval } = compareGauc(
    predicted.ours,
    predicted.other,
    rows.labels.is_click,
    rows.users,
  );
  assertEquals([gauc.difference, gauc.error, gauc.interval], [difference, error, interval]);
});

Deno.test("resultsText() has a table for each of the inputs, means over seeds, and the differences", () => {
  const lines = [
    line("mmoe", "is_click", 1, 0.71),
    line("mmoe", "is_click", 2, 0.73),
    line("mmoe", "long_view", 1, 0.5),
    line("mmoe", "long_view", 2, 0.7),
    line("mmoe", "is_click", 2, 0.99, "validation"),
    line("LightGBM", "is_click", 1, 0.74),
    { ...line("LightGBM", "is_click", 1, 0.75), inputs: "lag" },
  ];
  const differ = { inputs: "raw", model: "mmoe", task: "is_click", peer: "LightGBM", difference: -0.02 };
  const found = [
    { ...differ, of: "auc", interval: [-0.03, 0.01], error: 0.01 },
    { ...differ, of: "gauc", interval: [-0.05, 0.01], error: 0.021 },
  ] as const;
  const text = resultsText(lines, found, ["mmoe"], { torch: "2.15.0" });
  for (
    const part of [
      "Peers: torch 2.15.0.",
      "|  | click | long view | GAUC click | GAUC long view | seconds | MiB | seeds |",
      "| **mmoe** | .7200 | .6000 | .620 | .500 | 15 | 102 | 2 |",
      "| LightGBM | .7400 |  | .640 |  | 10 | 101 | 1 |",
      "## Inputs: lag",
      "| raw | is_click | mmoe | LightGBM | -.0200 | -.0300 to +.0100 |",
      "-.0300 to +.0100 | .0100 | no |",
      "## GAUC: ours less the best peer",
      "| raw | is_click | mmoe | LightGBM | -.0200 | -.0500 to +.0100 | .0210 | yes |",
    ]
  ) assert(text.includes(part), `${part}\n${text}`);
});

function numbers({ columns }: Columns, name: string): readonly number[] {
  const column = columns[name];
  return column.kind === "number" ? [...column.values] : [];
}
