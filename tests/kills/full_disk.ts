/** Trains with checkpoints on a disk that fills up, a small tmpfs, which root alone can mount: a part of `deno task test:kills`. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { adam, compile, define, dense, load, mmoe, pipe, reference, regression, relu, rows, train } from "../../mod.ts";
import { random } from "../../lib/data/random.ts";
import { bitsOf } from "../runs.ts";

const disk = "out/full-disk";
const ignore = !await mounted();
if (ignore) console.log("SKIPPED: a training on a full disk: root alone can mount one of its own");

/** Mounts a disk of 8 MiB; returns true if that was done. */
async function mounted(): Promise<boolean> {
  await Deno.mkdir(disk, { recursive: true });
  return await ran("mount", ["-t", "tmpfs", "-o", "size=8m", "none", disk]);
}

async function ran(command: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: [...args], stderr: "null" }).output()).success;
  } catch {
    return false; // there is no such command here
  }
}

const spec = define(mmoe({
  input: 40,
  experts: 4,
  expert: pipe(dense(256), relu),
  tasks: { a: regression(), b: regression() },
}));
const { uniform } = random("full disk");
const numbers = (width: number) => Array.from({ length: 64 }, () => Array.from({ length: width }, uniform));
const data = rows(numbers(40), { labels: { a: numbers(1).flat(), b: numbers(1).flat() } });

/** Trains for some steps, with a checkpoint after each, or goes on; returns the bits of the end. */
async function trained(folder: string, after: (step: number) => Promise<void> = () => Promise.resolve()) {
  const model = await compile(spec, { engine: reference(), seed: 7 });
  const options = { epochs: 2, batch: 16, optimiser: adam(1e-2), checkpoint: { folder, every: { steps: 1 }, keep: 2 } };
  try {
    for await (const { step } of train(model, data, { ...options, resume: folder })) await after(step);
    return await bitsOf(model);
  } finally {
    model.dispose();
  }
}

/** Fills the disk up to some bytes. */
async function filled(path: string, left: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const block = new Uint8Array(4096);
  try {
    while (true) await file.write(block);
  } catch {
    await file.truncate((await file.stat()).size - left);
  }
}

Deno.test("a training on a disk that fills up ends with an error, keeps its checkpoints, and goes on from them", {
  ignore,
}, async () => {
  try {
    const wanted = await trained(`${disk}/whole`);
    await Deno.remove(`${disk}/whole`, { recursive: true });
    for (const left of [0, 4096, 65_536, 200_000, 400_000]) {
      const [folder, filler] = [`${disk}/${left}`, `${disk}/filler`];
      const error = await assertRejects(
        () => trained(folder, async (step) => step === 3 ? await filled(filler, left) : undefined),
        Error,
        "No space left on device",
      );
      assert(error.message.includes(folder), error.message);
      const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
      assertEquals(names, ["step-00000002", "step-00000003"], `${left}`);
      (await load(folder, { engine: reference() })).dispose();
      await Deno.remove(filler);
      assertEquals(await trained(folder), wanted);
      await Deno.remove(folder, { recursive: true });
    }
  } finally {
    await ran("umount", [disk]);
  }
});
