import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  adam,
  type Data,
  load,
  type Model,
  type Progress,
  reference,
  sgd,
  train,
  type TrainOptions,
  warmUp,
  type Weighting,
} from "../mod.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { differenceOf } from "../lib/train/identity.ts";
import { bitsOf, dataOf, type Kinds, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

const kinds: Kinds = {
  engine: "reference",
  table: "embedded",
  data: "rows",
  optimiser: "adam",
  vectors: "rowwiseAdagrad",
  weighting: "dwa",
  validation: "stopping",
  shuffle: true,
  steps: "plain",
};
const usual = optionsOf(kinds);
const data = await dataOf(kinds);

const users = "levels/0/experts/ids/0/0/user";

type Options = TrainOptions<"click" | "spend">;

/** Trains a new model, and does something after each record; returns the model and the records. */
async function trained(
  options: Options,
  after: (at: Progress, model: Model) => unknown = () => {},
  given: Data = data,
  model?: Model<"click" | "spend">,
): Promise<{ readonly model: Model<"click" | "spend">; readonly records: readonly Progress[] }> {
  const own = model ?? await modelOf(kinds);
  const records: Progress[] = [];
  for await (const at of train(own, given, { ...usual, ...options })) {
    records.push(at);
    if (await after(at, own) === "leave") break;
  }
  return { model: own, records };
}

const every = { steps: 1 };
const wholeBits = await bitsOf((await trained({})).model);

/** Trains with checkpoints for some steps. */
const begun = (folder: string, steps: number, options: Options = {}) =>
  trained({ checkpoint: { folder, every }, ...options }, ({ step }) => step === steps ? "leave" : undefined);

/** Trains to the end from where a folder has it; returns the bits of the end. */
const ended = async (folder: string, resume = folder) =>
  await bitsOf((await trained({ checkpoint: { folder, every }, resume })).model);

const listed = async (folder: string) => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();

const fails = async (options: Options, wanted: readonly string[], given: Data = data): Promise<Error> => {
  const error = await assertRejects(() => trained(options, undefined, given), Error);
  for (const text of wanted) assertStringIncludes(error.message, text);
  return error;
};

Deno.test("checkpoints are folders that load as models, so does a folder of them, and few of them stay", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/a/run`;
    const { model } = await begun(folder, 5);
    assertEquals(await listed(folder), ["step-00000003", "step-00000004", "step-00000005"]);
    const [asked] = [sliceRows(data as never, 0, 8)];
    const wanted = await model.predict(asked);
    for (const path of [folder, `${folder}/step-00000005`]) {
      const loaded = await load(path, { engine: reference(), tasks: ["click", "spend"] });
      assertEquals(Object.keys(await loaded.predict(asked)), Object.keys(wanted));
      const [found, kept] = [await loaded.parameters(), await model.parameters()].map((all) => all[users].data);
      assertEquals(found, kept);
    }
  });
});

Deno.test("two trainings cannot write in one folder, and none begins where another has left its checkpoints", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    await trained({ checkpoint: { folder, every }, steps: 3 }, async ({ step }) => {
      if (step > 2) return;
      const error = await fails({ checkpoint: { folder, every }, resume: folder }, [
        folder,
        "another training writes there",
      ]);
      assert(error instanceof Deno.errors.Busy);
    });
    await fails({ checkpoint: { folder, every } }, [
      `at ${folder}: the folder has the checkpoints of a training, up to step 3`,
    ]);
    await fails({ resume: `${dir}/none` }, [`at ${dir}/none: no checkpoint found`]);
    await fails({ checkpoint: { folder, every }, resume: `${dir}/none` }, ["up to step 3"]);
    await Deno.writeTextFile(`${dir}/file`, "");
    await fails({ checkpoint: { folder: `${dir}/file` } }, [`at ${dir}/file: found a file, wanted a folder`]);
  });
});

Deno.test("a disk that is full at any byte is an error that names the path, and nothing is lost", async () => {
  const { write } = Deno.FsFile.prototype;
  for (const most of [0, 1, 3_000, 9_000, 12_000]) {
    await withTemp(async (dir) => {
      const folder = `${dir}/run`;
      await begun(folder, 4);
      let left = most;
      Deno.FsFile.prototype.write = function (bytes) {
        if (left < bytes.length) return Promise.reject(new Error("No space left on device (os error 28)"));
        left -= bytes.length;
        return write.call(this, bytes);
      };
      try {
        await fails({ checkpoint: { folder, every }, resume: folder }, [
          "Cannot write checkpoint\n",
          `at ${folder}/step-0000000`,
          "No space left on device",
          "save(model, path) saves it elsewhere",
        ]);
      } finally {
        Deno.FsFile.prototype.write = write;
      }
      assertEquals((await listed(folder)).filter((name) => name.startsWith(".")), [], `${most}`);
      assertEquals(await ended(folder), wholeBits);
    });
  }
});

Deno.test("a folder that is removed, replaced by a link or may not be written is an error that names it", async () => {
  const { mkdir, realPath } = Deno;
  const changes: Readonly<Record<string, (folder: string) => Promise<unknown> | unknown>> = {
    "was removed": (folder) => Deno.rename(folder, `${folder}-moved`),
    "now leads to": (folder) => { // tests may not make links
      Deno.realPath = async (path) => `${path}` === folder ? `${await realPath(path)}-other` : await realPath(path);
    },
    "the system denies access": (folder) => {
      Deno.mkdir = (path, options) =>
        `${path}`.startsWith(`${folder}/`)
          ? Promise.reject(new Deno.errors.PermissionDenied("Permission denied (os error 13)"))
          : mkdir(path, options);
    },
  };
  for (const [wanted, change] of Object.entries(changes)) {
    await withTemp(async (dir) => {
      const folder = `${dir}/run`;
      const run = () =>
        trained({ checkpoint: { folder, every } }, ({ step }) => step === 3 ? change(folder) : undefined);
      try {
        const { message } = await assertRejects(run, Error, wanted);
        assertStringIncludes(message, folder);
      } finally {
        Object.assign(Deno, { mkdir, realPath });
      }
      const moved = await listed(dir).then((names) => names.includes("run-moved"));
      const place = moved ? `${folder}-moved` : folder;
      assertEquals((await listed(place)).at(-1), "step-00000003");
      assertEquals(await ended(place), wholeBits);
    });
  }
});

Deno.test("a damaged checkpoint is an error that names the file, and the older one that is whole", async () => {
  const damages: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>>> = {
    "a changed byte": (bytes) => bytes.map((byte, at) => at === bytes.length >> 1 ? byte ^ 1 : byte),
    "cut off": (bytes) => bytes.slice(0, bytes.length - 1),
    "one byte more": (bytes) => Uint8Array.of(...bytes, 32, 0),
    empty: () => new Uint8Array(),
  };
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    await begun(folder, 12);
    const newest = `${folder}/step-00000012`;
    for (const file of await listed(newest)) {
      const bytes = await Deno.readFile(`${newest}/${file}`);
      for (const damage of Object.values(damages)) {
        await Deno.writeFile(`${newest}/${file}`, damage(bytes));
        const older = `resume: "${folder}/step-00000011" goes on from there`;
        await fails({ checkpoint: { folder, every }, resume: folder }, [
          `at ${newest}/${file}: the file is damaged`,
          older,
        ]);
      }
      await Deno.remove(`${newest}/${file}`);
      await fails({ resume: folder }, [`at ${newest}: no ${file} found`, "step-00000011"]);
      await Deno.writeFile(`${newest}/${file}`, bytes);
    }
    await Deno.writeFile(`${newest}/training.bin`, new Uint8Array(9));
    await fails({ resume: newest }, [`at ${newest}/training.bin`, "wanted another checkpoint"]);
    assertEquals(await ended(folder, `${folder}/step-00000011`), wholeBits);
  });
});

Deno.test("what a killed writer left is swept, and what it was about to replace comes back", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    await begun(folder, 3);
    await Deno.rename(`${folder}/step-00000003`, `${folder}/.step-00000003.gatehouse-old-00000001`);
    await Deno.mkdir(`${folder}/.step-00000002.gatehouse-old-00000001`);
    await Deno.mkdir(`${folder}/.step-00000004.gatehouse-new-00000001`);
    await Deno.writeTextFile(`${folder}/notes.txt`, "mine");
    const { records } = await trained({ checkpoint: { folder, every }, resume: folder, steps: 4 });
    assertEquals(records.map(({ step }) => step), [4]);
    assertEquals(await listed(folder), ["notes.txt", "step-00000002", "step-00000003", "step-00000004"]);
  });
});

Deno.test("the only checkpoint is found where a writer was killed that was about to replace it", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    await begun(folder, 3);
    await Deno.remove(`${folder}/step-00000002`, { recursive: true });
    await Deno.rename(`${folder}/step-00000003`, `${folder}/.step-00000003.gatehouse-old-00000001`);
    await Deno.mkdir(`${folder}/.step-00000003.gatehouse-new-00000001`);
    (await load(folder, { engine: reference() })).dispose();
    const { records } = await trained({ resume: folder, steps: 4 });
    assertEquals(records.map(({ step }) => step), [4]);
  });
});

Deno.test("a training of something else cannot go on: the difference is named", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    await begun(folder, 3);
    const other = sliceRows(data as never, 0, 69);
    const table: readonly [Options, string, Data?][] = [
      [{ batch: 7 }, "batch: found 7, the checkpoint has 8"],
      [{ shuffle: false }, "shuffle: found false, the checkpoint has true"],
      [{ from: { epoch: 1, step: 9 } }, "from.epoch: found 1, the checkpoint has 0"],
      [{ optimiser: sgd(0.1) }, 'optimiser.name: found "sgd", the checkpoint has "adam"'],
      [
        { optimiser: adam(0.1, { weightDecay: 0.01 }) },
        "the rate at step 3.optimiser: found 0.1, the checkpoint has 0.0",
      ],
      [
        { optimiser: adam(warmUp(1, 0.02 / (1 + 3 / 10)), { weightDecay: 0.01 }) }, // the same at step 3
        'the schedule of rates.optimiser: found "warmUp(1, 0.0153',
      ],
      [{ optimiser: adam(0.1, { weightDecay: 0.01, beta1: 0.8 }) }, "optimiser.rule: found"],
      [{ weighting: undefined }, "weighting: found nothing, the checkpoint has"],
      [{ stopping: { task: "click" } }, 'stopping.task: found "click", the checkpoint has "spend"'],
      [{ validation: other }, "validation.count: found"],
      [{}, "data.count: found 69, the checkpoint has 70", other],
      [{}, 'data.kind: found "function", the checkpoint has "rows"', async function* () {}],
    ];
    for (const [options, wanted, given] of table) await fails({ resume: folder, ...options }, [folder, wanted], given);
    const seeded = await modelOf(kinds, { seed: 6 });
    await assertRejects(
      () => trained({ resume: folder }, undefined, data, seeded),
      TypeError,
      "seed: found 6, the checkpoint has 5",
    );
    const noisy = await modelOf({ ...kinds, table: "noisy" });
    const rows = await dataOf({ ...kinds, table: "noisy" });
    const validation = rows as never;
    await assertRejects(() => trained({ resume: folder, validation }, undefined, rows, noisy), TypeError, "spec.input");
  });
});

Deno.test("a training that has taken more than is asked for takes no more steps", async () => {
  for (const budget of [{ steps: 1 }, { steps: 12, epochs: 1 }]) {
    await withTemp(async (dir) => {
      const folder = `${dir}/run`;
      await begun(folder, 12);
      const { records } = await trained({ checkpoint: { folder, every }, resume: folder, ...budget });
      assertEquals(records.every(({ step }) => step <= 12), true, JSON.stringify(records.map(({ step }) => step)));
    });
  }
});

Deno.test("differenceOf() names the file that changed, and the place in lists of other lengths", () => {
  const files = [["a.csv", 10], ["b.csv", 20]];
  const saved = { files };
  assertEquals(differenceOf({ files: [["a.csv", 10], ["b.csv", 20]] }, saved), undefined);
  const table: readonly [unknown, string][] = [
    [[["a.csv", 10], ["b.csv", 21]], 'files.1: found ["b.csv",21], the checkpoint has ["b.csv",20]'],
    [[...files, ["c.csv", 5]], 'files.2: found ["c.csv",5], the checkpoint has nothing'],
    [[["a.csv", 10]], 'files.1: found nothing, the checkpoint has ["b.csv",20]'],
  ];
  for (const [found, wanted] of table) assertEquals(differenceOf({ files: found }, saved), wanted);
});

Deno.test("wrong options of checkpoints are refused before anything is written", async () => {
  const table: readonly [unknown, string][] = [
    [7, "Cannot train: checkpoint: options must be an object, found 7"],
    [{}, "folder must be the path of a folder, found nothing"],
    [{ folder: "" }, 'folder must be the path of a folder, found ""'],
    [{ folder: "out/x", every: 5 }, "every must be { steps } or { seconds }, found 5"],
    [{ folder: "out/x", every: { steps: 1, seconds: 1 } }, "every must be { steps } or { seconds }"],
    [{ folder: "out/x", every: { minutes: 1 } }, "every must be { steps } or { seconds }, found { minutes }"],
    [
      { folder: "out/x", every: { step: 5 } },
      'every must be { steps } or { seconds }, found { step }: did you mean "steps"?',
    ],
    [{ folder: "out/x", every: { steps: 0 } }, "steps must be a whole number of at least 1, found 0"],
    [{ folder: "out/x", every: { seconds: NaN } }, "seconds must be a number of at least 0, found NaN"],
    [{ folder: "out/x", keep: 0 }, "keep must be a whole number of at least 1, found 0"],
    [{ folder: "out/x", kept: 3 }, 'option "kept" is unknown: wanted "folder", "every" or "keep"'],
  ];
  for (const [checkpoint, wanted] of table) {
    await fails({ checkpoint } as Options, ["Cannot train: checkpoint", wanted]);
  }
  await fails({ resume: 7 } as unknown as Options, ["Cannot train: resume must be the path of a folder, found 7"]);
  await fails({ resume: "deno.json" }, ["at deno.json: found a file, wanted a folder of checkpoints"]);
  await fails({ checkpoint: { folder: "/none/run" } }, ["Cannot write checkpoint", "/none/run", "--allow-write"]);
});

Deno.test("a weighting whose state cannot be saved is refused where checkpoints are taken", async () => {
  const state = { weights: () => [1, 1], next: () => state };
  const own: Weighting = { name: "own", losses: () => state };
  await withTemp(async (dir) => {
    const wanted = "Cannot take checkpoints: the weighting own cannot be saved: wanted states with saved()";
    await fails({ weighting: own, checkpoint: { folder: `${dir}/run` } }, [wanted]);
    assertEquals((await trained({ weighting: own, steps: 1 })).records.length, 1);
  });
});

Deno.test("a longer training goes on from a finished one, and a finished one restores its best and yields nothing", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const free = { stopping: undefined, validation: undefined };
    await trained({ ...free, epochs: 1, checkpoint: { folder } });
    const { model, records } = await trained({ ...free, epochs: 3, checkpoint: { folder }, resume: folder });
    assertEquals(records.map(({ step }) => step), Array.from({ length: 18 }, (_, at) => 10 + at));
    assertEquals(await bitsOf(model), await bitsOf((await trained(free)).model));
    const stopped = `${dir}/stopped`;
    assertEquals(await bitsOf((await trained({ checkpoint: { folder: stopped } })).model), wholeBits);
    const again = await trained({ checkpoint: { folder: stopped }, resume: stopped });
    assertEquals(again.records, []);
    assertEquals(await bitsOf(again.model), wholeBits);
  });
});

Deno.test("an abort at any moment writes a checkpoint before the last record, from which the training goes on", async () => {
  const whole = (await trained({})).records;
  for (const [step, how] of [[1, "after"], [5, "during"], [9, "during"], [9, "after"], [27, "during"]] as const) {
    await withTemp(async (dir) => {
      const folder = `${dir}/run`;
      const stop = new AbortController();
      const options = { checkpoint: { folder, every: { steps: 1000 } }, signal: stop.signal, stopping: undefined };
      const first = await trained(options, async (at) => {
        if (how === "after" && at.step === step) stop.abort();
        if (how === "during" && at.step === step - 1) queueMicrotask(() => queueMicrotask(() => stop.abort()));
        if (at.ended === "aborted") assertEquals((await listed(folder)).length, 1);
      });
      const last = first.records.at(-1)!;
      const next = await trained({ ...options, signal: undefined, resume: folder });
      const steps = new Set([...first.records, ...next.records].map(({ step }) => step));
      assertEquals([...steps], Array.from({ length: 27 }, (_, at) => at + 1), `${step} ${how} ${last.step}`);
      assertEquals(await bitsOf(next.model), await bitsOf((await trained({ stopping: undefined })).model));
      const validated = [...first.records, ...next.records].filter(({ validation }) => validation !== undefined);
      assertEquals(validated.map(({ step }) => step), [9, 18, 27]);
    });
  }
  assert(whole.length > 0);
});

Deno.test("another engine goes on with a training, by the paths of its parameters", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    await begun(folder, 5);
    const other = await modelOf({ ...kinds, engine: "cpu" });
    const { records } = await trained({ resume: folder, steps: 7 }, undefined, data, other);
    const whole = (await trained({ steps: 7 })).records.slice(5);
    assertEquals(records.map(({ step }) => step), [6, 7]);
    records.forEach(({ loss }, at) => assert(Math.abs(loss.spend - whole[at].loss.spend) < 1e-4));
  });
});

Deno.test("a folder loads while a training replaces its only checkpoint, whatever form its path has", async () => {
  await withTemp(async (dir) => {
    let done = false;
    const options = { checkpoint: { folder: `${dir}/run/`, every, keep: 1 }, resume: `${dir}/run` };
    const training = trained(options).finally(() => done = true);
    while (!done) {
      const isThere = await Deno.stat(`${dir}/run`).then(() => [...Deno.readDirSync(`${dir}/run`)], () => []);
      if (!isThere.some(({ name }) => name.startsWith("step-"))) await new Promise((next) => setTimeout(next, 1));
      else (await load(`${dir}/run`, { engine: reference() })).dispose();
    }
    const { model } = await training;
    assertEquals(await bitsOf(model), wholeBits);
    model.dispose();
  });
});
