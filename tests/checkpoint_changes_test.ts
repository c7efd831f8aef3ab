import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { load, type Model, type Progress, reference, train, type TrainOptions } from "../mod.ts";
import { marksOf } from "../lib/train/marks.ts";
import { trainBy } from "../lib/train/train.ts";
import { bitsOf, dataOf, type Kinds, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

const kinds: Kinds = {
  engine: "reference",
  table: "embedded",
  data: "rows",
  optimiser: "adam",
  vectors: "lazyAdam",
  weighting: "none",
  validation: "none",
  shuffle: true,
  steps: "plain",
};
const data = await dataOf(kinds);
const every = { steps: 1 };

/** Whole, changes, changes, whole, and so on. */
const form = { share: 10, least: 0, most: 2 };

type Options = TrainOptions<"click" | "spend">;

/** Returns a model's parameters as files have them. */
async function numbersOf(model: Model<string>): Promise<string> {
  return JSON.stringify(
    Object.entries(await model.parameters()).map(([path, { data }]) => [path, ...Float32Array.from(data)]),
  );
}

/** Trains a new model for some steps, by changes; returns the bits of its end, or what else is asked of it. */
async function ran(
  steps: number,
  options: Options,
  after: (at: Progress) => unknown = () => {},
  ask: (model: Model<"click" | "spend">) => Promise<string> = bitsOf,
): Promise<string> {
  const model = await modelOf(kinds);
  for await (const at of trainBy(model, data, { ...optionsOf(kinds), ...options, steps }, form)) await after(at);
  const bits = await ask(model);
  model.dispose();
  return bits;
}

const listed = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort().map((name) => Number(name.slice(5)));

const stepIn = (folder: string, step: number) => `${folder}/step-${`${step}`.padStart(8, "0")}`;

/** Returns true if a checkpoint is by changes. */
async function isByChanges(path: string): Promise<boolean> {
  return JSON.parse(await Deno.readTextFile(`${path}/checkpoint.json`)).checkpoint.base !== undefined;
}

Deno.test("a base stays as long as a checkpoint that is kept needs it, and every checkpoint loads as the model was", async () => {
  const bits = new Map<number, string>();
  for (let step = 1; step <= 9; step++) bits.set(step, await ran(step, {}, undefined, numbersOf));
  const wanted: Readonly<Record<number, readonly (readonly number[])[]>> = {
    1: [[1], [1, 2], [1, 3], [4], [4, 5], [4, 6], [7], [7, 8], [7, 9]],
    2: [[1], [1, 2], [1, 2, 3], [1, 3, 4], [4, 5], [4, 5, 6], [4, 6, 7], [7, 8], [7, 8, 9]],
    3: [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 3, 4, 5], [4, 5, 6], [4, 5, 6, 7], [4, 6, 7, 8], [7, 8, 9]],
  };
  for (const keep of [1, 2, 3]) {
    await withTemp(async (dir) => {
      const folder = `${dir}/run`;
      await ran(9, { checkpoint: { folder, every, keep } }, async ({ step }) => {
        assertEquals(await listed(folder), wanted[keep][step - 1], `keep ${keep}, step ${step}`);
        for (const at of await listed(folder)) {
          const path = stepIn(folder, at);
          assertEquals(await isByChanges(path), at % 3 !== 1);
          assertEquals(await numbersOf(await load(path, { engine: reference() })), bits.get(at));
        }
        assertEquals(await numbersOf(await load(folder, { engine: reference() })), bits.get(step));
      });
    });
  }
});

Deno.test("checkpoints by changes are smaller, and small tables are written whole", async () => {
  await withTemp(async (dir) => {
    const model = await modelOf(kinds);
    const options = { ...optionsOf(kinds), checkpoint: { folder: `${dir}/run`, every }, steps: 3 };
    for await (const _ of train(model, data, options));
    for (const step of [1, 2, 3]) assert(!await isByChanges(stepIn(`${dir}/run`, step)));
    await ran(2, { checkpoint: { folder: `${dir}/other`, every } });
    const size = async (path: string) => (await Deno.stat(`${path}/training.bin`)).size;
    assert(await size(stepIn(`${dir}/other`, 2)) < await size(stepIn(`${dir}/other`, 1)));
  });
});

Deno.test("a checkpoint goes on or warm from its base, and a damaged, missing or other base is an error that names it", async () => {
  const whole = await ran(12, {});
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const checkpoint = { folder, every, keep: 4 };
    await ran(6, { checkpoint });
    assertEquals(await listed(folder), [1, 3, 4, 5, 6]);
    const copy = async (name: string) => {
      for (const step of [1, 3, 4, 5, 6]) {
        const to = stepIn(`${dir}/${name}`, step);
        await Deno.mkdir(to, { recursive: true });
        for await (const { name } of Deno.readDir(stepIn(folder, step))) {
          await Deno.copyFile(`${stepIn(folder, step)}/${name}`, `${to}/${name}`);
        }
      }
      return `${dir}/${name}`;
    };
    for (const step of [3, 5, 6]) {
      const own = await copy(`from-${step}`);
      const resume = stepIn(own, step);
      assertEquals(await ran(12, { checkpoint: { ...checkpoint, folder: own }, resume }), whole);
    }
    const warm: string[] = [];
    for (const from of [stepIn(folder, 6), folder]) warm.push(await ran(2, { warm: from }));
    assertEquals(warm[0], warm[1]);

    const fails = async (path: string, texts: readonly string[], loads?: string) => {
      const error = await assertRejects(() => ran(12, { resume: path }), Error);
      for (const text of texts) assertStringIncludes(error.message, text);
      if (loads !== undefined) await assertRejects(() => load(path, { engine: reference() }), Error, loads);
    };
    const damaged = await copy("damaged");
    for (const file of ["training.bin", "params.safetensors", "checkpoint.json"]) {
      const path = `${stepIn(damaged, 4)}/${file}`;
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.map((byte, at) => at === bytes.length >> 1 ? byte ^ 1 : byte));
      await fails(damaged, [`at ${path}: the file is damaged`, `resume: "${stepIn(damaged, 3)}" goes on from there`]);
      await Deno.writeFile(path, bytes);
    }
    assertEquals(await ran(12, { checkpoint: { ...checkpoint, folder: damaged }, resume: stepIn(damaged, 3) }), whole);

    const missing = await copy("missing");
    await Deno.remove(stepIn(missing, 4), { recursive: true });
    const holds = "it holds what has changed since step-00000004";
    await fails(missing, [
      `at ${stepIn(missing, 6)}: ${holds}, and ${stepIn(missing, 4)} is missing`,
      `resume: "${stepIn(missing, 3)}" goes on from there`,
    ], `at ${stepIn(missing, 6)}: ${holds}, which cannot be read: wanted ${stepIn(missing, 4)} beside it`);
    await Deno.rename(stepIn(missing, 6), `${dir}/alone`);
    await fails(
      `${dir}/alone`,
      [`${holds}, and ${dir}/alone/../step-00000004 is missing`, "wanted another checkpoint"],
      holds,
    );

    const other = await copy("other");
    await Deno.remove(stepIn(other, 4), { recursive: true });
    await Deno.rename(stepIn(other, 1), stepIn(other, 4));
    const found = `${holds}, and ${stepIn(other, 4)} is another checkpoint of that name`;
    await fails(stepIn(other, 6), [found], found);
  });
});

Deno.test("a checkpoint by changes loads by a file URL, and not from its files alone", async () => {
  await withTemp(async (dir) => {
    const folder = await Deno.realPath(dir) + "/run";
    const bits = await ran(2, { checkpoint: { folder, every } }, undefined, numbersOf);
    const path = stepIn(folder, 2);
    for (const from of [new URL(`file://${path}/`), `${path}/`]) {
      assertEquals(await numbersOf(await load(from, { engine: reference() })), bits);
    }
    const files: Record<string, Uint8Array> = {};
    for (const name of ["spec.json", "params.safetensors"]) files[name] = await Deno.readFile(`${path}/${name}`);
    const wanted = "it holds what has changed since step-00000001: wanted the path or the URL of a folder";
    await assertRejects(() => load(files, { engine: reference() }), Error, wanted);
  });
});

Deno.test("marks are the rows that were added, each once and in order", () => {
  const marks = marksOf(70);
  marks.begin();
  marks.add(Int32Array.of(69, 0, 31, 32, 0, 63, 31, 5), 7);
  assertEquals([...marks.rows()], [0, 31, 32, 63, 69]);
  assertEquals(marks.count(), 5);
  marks.all();
  assertEquals([marks.count(), ...marks.rows()], [70, ...Array(70).keys()]);
  marks.begin();
  assertEquals([marks.count(), ...marks.rows()], [0]);
});
