import { assertEquals } from "@std/assert";
import {
  adam,
  binary,
  category,
  compile,
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
import { sha256 } from "../lib/files/sha256.ts";
import { encodeSafetensors } from "../lib/formats/safetensors.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
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
