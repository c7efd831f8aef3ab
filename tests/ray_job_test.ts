import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { compile, evaluate, type Rows, type Spec, train, type TrainOptions } from "../mod.ts";
import { onnx } from "../lib/onnx.ts";
import { writeJob } from "../lib/ray/job.ts";
import { inGroups } from "./coded_rows.ts";
import { type Driven, driven, openedJob, type Stepped } from "./ray_driver.ts";
import { laws } from "./ray_laws.ts";
import { withTemp } from "./temp.ts";

const engine = await onnx({ threads: 1 });

/** Trains here, and by jobs of one lane and of four on one, two and four workers. */
async function compared(spec: Spec, data: Rows, options: TrainOptions, steps = 200) {
  const given = { ...options, steps, batch: 40 };
  const model = await compile(spec, { engine, seed: 5 });
  const records: Stepped[] = [];
  let seen = 0;
  for await (const { loss, auxiliary, total, norm, rows } of train(model, inGroups(data, 50, 120), given)) {
    records.push({ loss, auxiliary, total, norm, rows: rows - seen });
    seen = rows;
  }
  const parameters = Object.fromEntries(
    Object.entries(await model.parameters()).map(([path, { data }]) => [path, Float32Array.from(data)]),
  );
  const judged = (await evaluate(model, data)).loss;
  model.dispose();
  const wanted: Driven = { parameters, steps: records, judged };
  return await withTemp(async (dir) => {
    const job = async (lanes: number) => {
      const folders = { job: `${dir}/job-${lanes}`, storage: `${dir}/storage-${lanes}` };
      const more = { seed: 5, lanes, groupRows: 50, window: 120, validation: data };
      await writeJob(spec, data, { ...given, ...more } as never, folders);
      return await openedJob(folders.job, folders.storage);
    };
    const alone = await driven(await job(1), 1);
    const four = await job(4);
    const split = [];
    for (const workers of [1, 2, 4]) split.push(await driven(four, workers));
    return { wanted, alone, split };
  });
}

function assertSame(found: Driven, wanted: Driven, name: string): void {
  assertEquals(found.steps.length, wanted.steps.length);
  for (const [at, { loss, auxiliary, total, norm, rows }] of wanted.steps.entries()) {
    const near = (a: number, b: number, what: string) =>
      assert(Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b)), `${name}: step ${at + 1}: ${what}: ${a}, ${b}`);
    for (const [task, value] of Object.entries(loss)) near(found.steps[at].loss[task], value, task);
    for (const [path, value] of Object.entries(auxiliary)) near(found.steps[at].auxiliary[path], value, path);
    assertEquals(found.steps[at].rows, rows);
    near(found.steps[at].total, total, "total");
    near(found.steps[at].norm, norm, "norm");
  }
  for (const [task, loss] of Object.entries(wanted.judged)) {
    assertAlmostEquals(found.judged[task], loss, 1e-4, `${name}: ${task} in the end`);
  }
  for (const [path, data] of Object.entries(wanted.parameters)) {
    const own = found.parameters[path];
    assertEquals(own.length, data.length, path);
    const far = data.reduce((most, value, at) => Math.max(most, Math.abs(value - own[at])), 0);
    assert(far <= 1e-5, `${name}: ${path} differs by ${far}`);
  }
}

for (const [name, [spec, data, options]] of Object.entries(laws)) {
  Deno.test(`a job gives what train() does, and the same on one, two and four workers: ${name}`, async () => {
    const { wanted, alone, split } = await compared(spec, data, options);
    assertSame(alone, wanted, "one lane and train()");
    for (const [at, other] of split.entries()) assertSame(other, split[0], `${[1, 2, 4][at]} workers and one`);
  });
}
