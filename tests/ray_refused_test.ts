import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  binary,
  category,
  compile,
  define,
  embed,
  encode,
  fit,
  pcgrad,
  ranking,
  reference,
  regression,
  rows,
  rowwiseAdagrad,
  sgd,
  type VectorOptimiser,
} from "../mod.ts";
import { codingId, writeJob } from "../lib/ray/job.ts";
import type { JobOptions } from "../lib/ray/settings.ts";
import { withTemp } from "./temp.ts";

const spec = define({ input: 2, tasks: { click: binary() } });
const data = rows(Array.from({ length: 40 }, (_, row) => [row, -row]), {
  labels: { click: Array.from({ length: 40 }, (_, row) => row % 2) },
});

/** Makes sure that a job is refused in these words, and nothing is written. */
async function refused(message: string, options: object, of: unknown = spec, on = data): Promise<void> {
  await withTemp(async (dir) => {
    const folders = { job: `${dir}/job`, storage: `${dir}/storage` };
    const error = await assertRejects(() => writeJob(of as typeof spec, on, options as JobOptions<"click">, folders));
    assert(error instanceof TypeError || error instanceof RangeError, `${error}`);
    assertEquals(error.message.slice(0, message.length), message);
    assertEquals([...Deno.readDirSync(dir)], []);
  });
}

Deno.test("writeJob() refuses by name what several machines do not do, before anything is written", async () => {
  const others = {
    accumulate: 2,
    average: 0.9,
    judges: {},
    stopping: { task: "click" },
    sorting: {},
    health: false,
    from: { epoch: 1, step: 1 },
    resume: "runs",
    warm: "runs",
  };
  for (const [name, value] of Object.entries(others)) {
    await refused(`Cannot write job: ${name} is of train() alone: `, { [name]: value });
  }
  await refused("Cannot write job: the weighting pcgrad is computed from", { weighting: pcgrad() });
  await refused("Cannot write job: the weighting mine is computed from", {
    weighting: { name: "mine", losses: () => 1 },
  });
  const ranked = define({ input: 2, tasks: { click: ranking() } });
  await refused('Cannot write job: the task "click" is a ranking: ', {}, ranked);
  const { traced: _, ...rule } = rowwiseAdagrad().vectors;
  const mine: VectorOptimiser = { ...rowwiseAdagrad(), name: "mine", vectors: rule };
  await refused("Cannot write job: the optimiser of vectors mine has no update as values", { vectors: mine });
  await refused("Cannot write job: the optimiser of vectors mine has no update as values", { vectors: { user: mine } });
});

Deno.test("writeJob() refuses options that are wrong, before anything is written", async () => {
  await refused("Cannot write job: a step cannot take as many rows of each of 3 lanes", { batch: 256, lanes: 3 });
  await refused("Cannot write job: lanes must be", { lanes: 0 });
  await refused("Cannot write job: shards must be", { shards: 1.5 });
  await refused("Cannot write job: groupRows must be", { groupRows: -1 });
  await refused("Cannot write job: seed must be a whole number, found 0.5", { seed: 0.5 });
  await refused("Cannot train: batch must be", { batch: 0 });
  await refused("Cannot train: checkpoint: every must be", { checkpoint: { every: 5 } });
  await refused('Cannot train: parts: no parameter\'s path begins with "towers"', { parts: { towers: sgd(1) } });
  await refused('Cannot train: vectors: no table of vectors is named "user"', { vectors: { user: rowwiseAdagrad() } });
  await refused('Cannot write job: option "lane"', { lane: 3 });
  await refused(
    "Cannot train: the model has no input",
    {},
    spec,
    rows(encode(fit({ a: category() }, { a: ["b"] }), { a: ["b"] })),
  );
  await refused("Cannot", {}, {});
});

Deno.test("writeJob() refuses rows that teach nothing, and fewer row groups than lanes, and writes no job", () =>
  withTemp(async (dir) => {
    const folders = { job: `${dir}/job`, storage: `${dir}/storage` };
    const none = rows([[1, 2]], { labels: { click: [null] } });
    await assertRejects(() => writeJob(spec, none, {}, folders), RangeError, "no row has a label of any task");
    const few = { ...folders, data: "few" };
    const two = rows([[1, 2], [3, 4]], { labels: { click: [0, 1] } });
    const message = "the rows are in 2 row groups, wanted at least one for each of 4 lanes: give lanes: 2";
    await assertRejects(() => writeJob(spec, two, { lanes: 4, batch: 8 }, few), RangeError, message);
    const { described } = await writeJob(spec, two, { batch: 8 }, { ...few, data: "two", job: `${dir}/tiny` });
    assertEquals(described.lanes, [[0], [1]]);
    await Deno.mkdir(`${dir}/mine`);
    await Deno.writeTextFile(`${dir}/mine/notes.txt`, "");
    const taken = { ...folders, job: `${dir}/mine`, data: "other" };
    await assertRejects(() => writeJob(spec, data, {}, taken), Error, "notes.txt, which would be lost");
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), ["mine", "storage", "tiny"]);
  }));

Deno.test("writeJob() takes a model as it is, and writes over an older job", () =>
  withTemp(async (dir) => {
    const input = fit({ user: category() }, { user: ["a", "b", "c"] });
    const looked = define({ input, tasks: { click: binary(embed(2)), price: regression(embed(2)) } });
    const model = await compile(looked, { engine: reference(), seed: 3 });
    const users = Array.from({ length: 40 }, (_, row) => "abc"[row % 3]);
    const on = rows(encode(input, { user: users }), { labels: { click: users.map((_, row) => row % 2) } });
    const folders = { job: `${dir}/job`, storage: `${dir}/storage` };
    const { described } = await writeJob(model, on, { batch: 8, steps: 7 }, folders);
    assertEquals([described.seed, described.steps, described.stepsPerEpoch, described.epochs], [3, 7, 5, 2]);
    assertEquals(described.lanes.length, 8);
    assertEquals(described.tables.map(({ first }) => Object.keys(first)), [["file", "tensor"], ["file", "tensor"]]);
    const again = await writeJob(looked, on, { batch: 8, steps: 7, seed: 3 }, folders);
    const kinds = again.described.tables.map(({ first }) => Object.keys(first));
    assertEquals(kinds, [["drawn", "zeros"], ["drawn", "zeros"]]);
    const { sha256, ...written } = JSON.parse(await Deno.readTextFile(`${dir}/job/job.json`));
    assertEquals(sha256.length, 64);
    assertEquals(written, JSON.parse(JSON.stringify(again.described)));
    const ids = [{}, { batch: 512 }, { batch: 100 }, { groupRows: 100 }].map((options) => codingId(looked, options));
    assertEquals([ids[0] === ids[1], ids[0] === ids[2], ids[0] === ids[3]], [true, false, false]);
    await assertRejects(() => writeJob(model, on, { seed: 4 }, folders), TypeError, "seed is given beside a model");
    model.dispose();
  }));
