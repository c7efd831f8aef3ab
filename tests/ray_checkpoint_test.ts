import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  adam,
  binary,
  category,
  compile,
  cosineDecay,
  define,
  dense,
  embed,
  encode,
  fit,
  lazyAdam,
  mmoe,
  pipe,
  reference,
  rows,
  train,
} from "../mod.ts";
import { onnx } from "../lib/onnx.ts";
import { sha256 } from "../lib/files/sha256.ts";
import { decodeSafetensors, encodeSafetensors } from "../lib/formats/safetensors.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { writeJob } from "../lib/ray/job.ts";
import { driven, openedJob } from "./ray_driver.ts";
import { laws } from "./ray_laws.ts";
import { bitsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

const column = { user: Array.from({ length: 120 }, (_, row) => `u${row * row % 37}`) };
const input = fit({ user: category() }, column);
const spec = define(mmoe({ input, expert: pipe(embed(3), dense(4)), experts: 2, tasks: { click: binary() } }));
const data = rows(encode(input, column), { labels: { click: column.user.map((_, row) => row % 3 === 0) } });

async function trained(steps: number, more: object) {
  const model = await compile(spec, { engine: reference(), seed: 3 });
  const options = { batch: 16, optimiser: adam(1e-2), vectors: lazyAdam(1e-2), steps, ...more };
  for await (const _ of train(model, data, options));
  const bits = await bitsOf(model);
  model.dispose();
  return bits;
}

/** Puts the state of vectors into so many files, row r into the one at place `r mod files`, as a cluster writes it. */
async function cut(folder: string, files: number): Promise<void> {
  const { checkpoint } = JSON.parse(await Deno.readTextFile(`${folder}/checkpoint.json`));
  const bytes = await Deno.readFile(`${folder}/training.bin`);
  const arrays: readonly Entry[] = checkpoint.arrays;
  const states = arrays.filter(({ name }) => name.startsWith("vectors/"));
  assertEquals(states, arrays.slice(-states.length)); // the last ones
  const begin = bytes.length - states.reduce((sum, { length }) => sum + 4 * length, 0);
  const names = Array.from({ length: files }, (_, file) => `training-rows-${file}.safetensors`);
  const tensors: Record<string, Tensor>[] = names.map(() => ({}));
  let at = begin;
  for (const { name, length } of states) {
    const state = new Float32Array(bytes.slice(at, at += 4 * length).buffer);
    const all = Array.from({ length: length / width }, (_, row) => state.slice(row * width, (row + 1) * width));
    tensors.forEach((own, file) => {
      const numbers = all.filter((_, row) => row % files === file).flatMap((row) => [...row]);
      own[name.slice("vectors/".length)] = {
        shape: [numbers.length / width, width],
        data: Float32Array.from(numbers),
      };
    });
  }
  const written = {
    "training.bin": bytes.slice(0, begin),
    ...Object.fromEntries(names.map((name, file) => [name, encodeSafetensors(tensors[file])])),
  };
  for (const [file, content] of Object.entries(written)) {
    await Deno.writeFile(`${folder}/${file}`, content);
    checkpoint.files[file] = sha256(content);
  }
  checkpoint.arrays = arrays.slice(0, -states.length);
  checkpoint.rows = Object.fromEntries(states.map(({ name }) => [name, names]));
  const text = JSON.stringify({ sha256: sha256(JSON.stringify(checkpoint)), checkpoint }, undefined, 2);
  await Deno.writeTextFile(`${folder}/checkpoint.json`, `${text}\n`);
}

interface Entry {
  readonly name: string;
  readonly length: number;
}

/** The numbers that lazyAdam keeps beside a vector of 3. */
const width = 6;

Deno.test("train() goes on from a checkpoint whose state of vectors is in several files", () =>
  withTemp(async (dir) => {
    const whole = await trained(20, {});
    for (const files of [1, 3]) {
      const folder = `${dir}/${files}`;
      await trained(9, { checkpoint: { folder } });
      await cut(`${folder}/step-00000009`, files);
      assertEquals(await trained(20, { resume: folder }), whole);
    }
  }));

Deno.test("a job of one lane takes rows in memory in the order of train(), and its checkpoints have its identity", () =>
  withTemp(async (dir) => {
    const [spec, data] = laws["dropout and noisy gates"];
    const given = { optimiser: adam(cosineDecay(1e-3, 30)), steps: 25, batch: 40 };
    const model = await compile(spec, { engine: await onnx({ threads: 1 }), seed: 5 });
    for await (const _ of train(model, data, { ...given, checkpoint: { folder: `${dir}/here` } }));
    const write = async (lanes: number) => {
      const folders = { job: `${dir}/job-${lanes}`, storage: `${dir}/storage-${lanes}` };
      const options = { ...given, lanes, groupRows: 50, seed: 5, validation: data } as const;
      return (await writeJob(spec, data, options, folders)).described;
    };
    const { checkpoint: { identity, rates }, window, shuffleGroups } = await write(1);
    assertEquals([window, shuffleGroups], [400, false]);
    const { parameters } = await driven(await openedJob(`${dir}/job-1`, `${dir}/storage-1`), 1);
    for (const [path, { data }] of Object.entries(await model.parameters())) {
      data.forEach((value, at) => assertAlmostEquals(parameters[path][at], value, 1e-5, path));
    }
    model.dispose();
    const { facts } = JSON.parse(await Deno.readTextFile(`${dir}/here/step-00000025/checkpoint.json`)).checkpoint;
    assertEquals(JSON.parse(JSON.stringify({ ...identity, validation: null })), facts.identity);
    const { tensors } = decodeSafetensors(await Deno.readFile(`${dir}/job-1/arrays.safetensors`));
    const found = rates.map((rate) => {
      if ("constant" in rate) return [rate.path.join("/"), rate.constant];
      const bits = tensors[rate.array].data as Int32Array;
      return [rate.path.join("/"), new Float64Array(Int32Array.from(bits).buffer)[24]];
    });
    assertEquals(Object.fromEntries(found), facts.rates);
    const four = await write(4);
    const { data: rows } = identity;
    assertEquals(four.checkpoint.identity.data, {
      ...{ kind: "encoded rows", of: rows, lanes: 4, window: null, groupRows: 50 },
    });
  }));
