import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { figure4 } from "../examples/paper/curves.ts";
import { apart, figure6, sortedGates } from "../examples/paper/figure6.ts";
import { figure6Gates } from "../examples/paper/printed.ts";
import { openResults, readResults } from "../examples/paper/results.ts";
import { studies } from "../examples/paper/studies.ts";
import {
  type Budget,
  type Job,
  keyOf,
  type Result,
  resultsOf,
  runsOf,
  seedOf,
  type Study,
} from "../examples/paper/study.ts";
import { withTemp } from "./temp.ts";

const result: Result = {
  study: "figure2",
  setting: { correlation: 0.5 },
  run: 0,
  seed: 7,
  engine: "onnx",
  seconds: 0.25,
  found: { pearson: 0.0739 },
};
const lineOf = (of: Partial<Result>) => JSON.stringify({ ...result, ...of }) + "\n";
/** The results in a file of some text, and the text that is left. */
const opened = (text: string | Uint8Array<ArrayBuffer>, seed = 7) =>
  withTemp(async (dir) => {
    const path = `${dir}/figure2.jsonl`;
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    const results = await openResults(dir, "figure2", seed);
    results.close();
    assertEquals(await readResults(dir, "figure2", seed), results.all);
    return { all: results.all, bytes: await Deno.readFile(path) };
  });

Deno.test("openResults() cuts an unfinished last line off and leaves the rest byte for byte", async () => {
  const whole = new TextEncoder().encode(lineOf({}) + "\n" + lineOf({ run: 1, engine: "µ" }));
  const last = new TextEncoder().encode(lineOf({ run: 2, engine: "µ" }));
  for (let cut = 0; cut < last.length; cut++) {
    const { all, bytes } = await opened(Uint8Array.of(...whole, ...last.subarray(0, cut)));
    assertEquals(bytes, whole, `${cut} bytes of a line`);
    assertEquals(all.map(({ run }) => run), [0, 1]);
  }
  assertEquals((await opened(Uint8Array.of(...whole, ...last))).all.length, 3);
  assertEquals((await opened(lineOf({}).slice(0, 30))).bytes, new Uint8Array());
});

Deno.test("openResults() refuses another line that is not a result, with file and line", async () => {
  const lines = ["{", "7", "null", "[]", lineOf({}).slice(0, -9), lineOf({ study: "figure3" }), lineOf({ run: 0.5 })];
  for (const line of lines) {
    await withTemp(async (dir) => {
      const text = `${lineOf({})}${line.trimEnd()}\n${lineOf({ run: 1 })}`;
      await Deno.writeTextFile(`${dir}/figure2.jsonl`, text);
      const { message } = await assertRejects(() => openResults(dir, "figure2", 7), SyntaxError);
      assert(message.startsWith(`Cannot read results of figure2\n  at ${dir}/figure2.jsonl:2: `), message);
      assertEquals(await Deno.readTextFile(`${dir}/figure2.jsonl`), text);
    });
  }
});

Deno.test("openResults() leaves out other seeds, and takes the first of two results of a run", async () => {
  const other = { found: { pearson: 1 } };
  const { all } = await opened(lineOf({ seed: 8, ...other }) + lineOf({}) + lineOf(other) + lineOf({ run: 1 }));
  assertEquals(all, [result, { ...result, run: 1 }]);
  assertEquals((await opened(lineOf({}), 8)).all, []);
});

Deno.test("openResults() adds lines that are read again, in folders that it makes", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/new/er`;
    for (const run of [0, 1, 2]) {
      const results = await openResults(folder, "figure2", 7);
      assertEquals(results.all.length, run);
      await results.append({ ...result, run });
      assertEquals(results.all.length, run + 1);
      results.close();
    }
    assertEquals((await readResults(folder, "figure2", 7)).map(({ run }) => run), [0, 1, 2]);
    assertEquals(await readResults(folder, "figure3", 7), []);
  });
});

Deno.test("openResults() refuses results that are open, until they are closed", async () => {
  await withTemp(async (dir) => {
    const results = await openResults(dir, "figure2", 7);
    await assertRejects(() => openResults(dir, "figure2", 7), Error, `${dir}/figure2.jsonl: another program`);
    assertEquals(await readResults(dir, "figure2", 7), []);
    (await openResults(dir, "figure3", 7)).close();
    results.close();
    (await openResults(dir, "figure2", 7)).close();
  });
});

Deno.test("keyOf() and seedOf() distinguish studies, settings, runs and base seeds, but not orders of keys", () => {
  const job: Job = { study: "figure4", setting: { model: "mmoe", rate: 0.01 }, run: 3 };
  const same = { ...job, setting: { rate: 0.01, model: "mmoe" } };
  assertEquals([keyOf(same), seedOf(same, 7)], [keyOf(job), seedOf(job, 7)]);
  const others: Job[] = [
    { ...job, study: "figure3" },
    { ...job, run: 4 },
    { ...job, setting: { model: "omoe", rate: 0.01 } },
    { ...job, setting: { model: "mmoe", rate: 0.001 } },
    { ...job, setting: { model: "mmoe" } },
  ];
  assertEquals(new Set([job, ...others].map(keyOf)).size, 6);
  assertEquals(new Set([...[job, ...others].map((each) => seedOf(each, 7)), seedOf(job, 8)]).size, 7);
  const many = Object.values(studies).flatMap((study) => study.jobs([], { smoke: false }));
  const seeds = many.map((each) => seedOf(each, 7));
  assert(seeds.every(Number.isSafeInteger));
  assertEquals(new Set(many.map(keyOf)).size, many.length);
  assert(new Set(seeds).size > 0.999 * many.length); // of 2^32
});

Deno.test("resultsOf() gives the results of a cell by run", () => {
  const results = [2, 0, 1].map((run) => ({ ...result, run }));
  const all = [...results, { ...result, setting: { correlation: 0.9 } }, { ...result, study: "figure3" }];
  assertEquals(resultsOf(all, "figure2", { correlation: 0.5 }).map(({ run }) => run), [0, 1, 2]);
  assertEquals(runsOf("figure2", { correlation: 0.5 }, 3, 1).map(({ run }) => run), [1, 2]);
  assertEquals(runsOf("figure2", { correlation: 0.5 }, 1, 3), []);
});

Deno.test("studies have their names, and wish for runs of their own", () => {
  for (const [name, study] of Object.entries(studies)) {
    assertEquals(study.name, name);
    for (const smoke of [true, false]) {
      const jobs = study.jobs([], { smoke });
      assert(jobs.length > 0 && jobs.every((job) => job.study === name), name);
    }
  }
});

Deno.test("figure4 tries every rate alike, goes on with the two best of each model, and ends", () => {
  const losses: Readonly<Record<string, number>> = { "0.01": 0.2, "0.001": 0.1, "0.0001": 0.3 };
  const run = ({ setting: { model, rate }, run }: Job) => {
    const best = model === "omoe" ? -losses[rate] : losses[rate];
    return { curve: [], last: [run < 10 ? best : 100 * losses[rate], 0], held: [0, 0] }; // later runs do not choose
  };
  const stages = made(figure4, { smoke: false, runs: 12 }, run);
  assertEquals(stages.map((jobs) => jobs.length), [3 * 3 * 3 * 10, 3 * 3 * 2 * 2]);
  for (const model of ["shared-bottom", "omoe", "mmoe"]) {
    const rates = stages[1].filter(({ setting }) => setting.model === model).map(({ setting }) => setting.rate);
    assertEquals([...new Set(rates)].sort(), model === "omoe" ? [0.0001, 0.01] : [0.001, 0.01], model);
  }
  assertEquals(made(figure4, { smoke: false, runs: 12 }, run, stages[0].slice(0, 80)).map((jobs) => jobs.length), [
    270 - 80,
    36,
  ]);
});

Deno.test("figure6 puts the experts of every run in the order of the first gate", () => {
  const gates = [
    { task: "a", mean: [0.1, 0.6, 0.3], top: [0, 1, 0], entropy: 1, effective: 2 },
    { task: "b", mean: [0.7, 0.1, 0.2], top: [1, 0, 0], entropy: 1, effective: 2 },
  ];
  const [[a, b]] = sortedGates([{ ...result, study: "figure6", found: { gates } }]);
  assertEquals([a.mean, b.mean], [[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]);
  assertEquals([a.top, b.top], [[1, 0, 0], [0, 0, 1]]);
  assertAlmostEquals(apart(a.mean, b.mean), 0.6, 1e-9);
  assertEquals(apart([0.5, 0.5, 0], [0, 0, 1]), 1);
  assertEquals(apart(a.mean, a.mean), 0);
  assertAlmostEquals(apart(figure6Gates.engagement, figure6Gates.satisfaction), 0.607, 1e-9);
});

Deno.test("figure6 shows the paper's gates before there is a result", () => {
  const text = figure6.summary([], { smoke: true });
  for (const number of ["0.440", "0.775", "0.607", "3.656"]) assert(text.includes(number), number);
});

/** The runs of a study, stage by stage, as they would be made. */
function made(
  study: Study,
  budget: Budget,
  run: (job: Job) => Result["found"],
  before: readonly Job[] = [],
): readonly (readonly Job[])[] {
  const results: Result[] = [];
  const add = (jobs: readonly Job[]) =>
    jobs.forEach((job) => results.push({ ...job, seed: 7, engine: "none", seconds: 0, found: run(job) }));
  add(before);
  const stages: Job[][] = [];
  while (true) {
    const done = new Set(results.map(keyOf));
    const left = study.jobs(results, budget).filter((job) => !done.has(keyOf(job)));
    if (left.length === 0) return stages;
    assert(stages.length < 10, "it does not end");
    stages.push(left);
    add(left);
  }
}
