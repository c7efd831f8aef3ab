import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { binary, compile, define, dense, mmoe, reference, rows } from "../mod.ts";
import { digestOf, digestOfAll } from "../examples/digest.ts";
import { UsageError } from "../examples/options.ts";
import { type Keeping, keepingOf, keptAs, maySave, type Taken, taken } from "../examples/resumable.ts";
import { sha256 } from "../lib/files/sha256.ts";
import { withTemp } from "./temp.ts";

const spec = define(mmoe({ input: 2, expert: dense(3), tasks: { click: binary() } }));
const x = Array.from({ length: 40 }, (_, i) => [Math.sin(i), Math.cos(3 * i)]);
const data = rows(x, { labels: { click: x.map(([a]) => a > 0) } });

/** Trains with two epochs of five steps, and returns the records and the digest of the end. */
async function trained(keeping?: Keeping, most = Infinity, epochs = 2): Promise<{ steps: Taken[]; digest: string }> {
  const model = await compile(spec, { engine: reference(), seed: 3 });
  const stop = new AbortController();
  const options = { epochs, batch: 8, validation: data, stopping: { task: "click" as const }, signal: stop.signal };
  const steps: Taken[] = [];
  try {
    for await (const { epoch, step, loss } of taken(model, data, options, keeping)) {
      steps.push({ epoch, step, loss });
      if (step === most) stop.abort();
    }
    return { steps, digest: await digestOf(model) };
  } finally {
    model.dispose();
  }
}

Deno.test("taken() gives the same records and parameters wherever the training was ended", async () => {
  const whole = await trained();
  assertEquals(whole.steps.map(({ step }) => step), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await withTemp(async (folder) => {
    for (const every of [0, 1000]) {
      const keeping = keptAs(`every-${every}`, { folder, every });
      for (const most of [1, 3, 5, 6, 10, 10]) {
        const { steps } = await trained(keeping, most);
        assertEquals(steps, whole.steps.slice(0, most), `${most}`);
      }
      assertEquals(await trained(keeping), whole);
      assertEquals(await trained(keeping), whole);
    }
  });
});

Deno.test("taken() passes over a checkpoint whose record did not come out", async () => {
  const whole = await trained();
  await withTemp(async (folder) => {
    const path = `${folder}/records.jsonl`;
    for (const lines of [9, 4, 0]) {
      assertEquals(await trained({ folder, every: 0 }), whole);
      const text = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, `${text.split("\n").slice(0, lines).map((line) => `${line}\n`).join("")}{"epo`);
    }
    assertEquals(await trained({ folder, every: 0 }), whole);
  });
});

Deno.test("taken() refuses records that are missing, damaged or of another program", async () => {
  await withTemp(async (folder) => {
    const keeping = { folder, every: 0 };
    await trained(keeping, 4);
    const path = `${folder}/records.jsonl`;
    const text = await Deno.readTextFile(path);
    const file = await Deno.open(path);
    await file.lock(true);
    await assertRejects(() => trained(keeping), Deno.errors.Busy, "records.jsonl: another program trains there");
    file.close();
    await Deno.writeTextFile(path, text.replace(/\n.*\n/, "\n[7]\n"));
    await assertRejects(() => trained(keeping), SyntaxError, 'records.jsonl:2: wanted a record as JSON, found "[7]');
    await Deno.remove(path);
    await assertRejects(() => trained(keeping), Deno.errors.NotFound, "the records that go with the checkpoints");
    await Deno.writeTextFile(path, text);
    assertEquals(await trained(keeping), await trained());
  });
});

Deno.test("taken() takes more steps than before, and not fewer", async () => {
  await withTemp(async (folder) => {
    const keeping = { folder, every: 0 };
    assertEquals((await trained(keeping, 7)).steps.length, 7);
    await assertRejects(
      () => trained(keeping, Infinity, 1),
      RangeError,
      "the training has taken 7 steps, in epoch 2, where 1 epochs are asked for: wanted as many or more",
    );
    assertEquals(await trained(keeping, Infinity, 3), await trained(undefined, Infinity, 3));
  });
});

Deno.test("keepingOf() goes on where that is asked for, and nowhere else", async () => {
  await withTemp(async (folder) => {
    assertEquals(await keepingOf("demo", {}), undefined);
    await assertRejects(() => keepingOf("demo", { resume: true }), UsageError, "--resume needs --checkpoint");
    const checkpoint = `${folder}/runs`;
    assertEquals(await keepingOf("demo", { checkpoint, every: 3 }), { folder: checkpoint, every: 3 });
    assertEquals(await keepingOf("demo", { checkpoint, resume: true }), { folder: checkpoint, every: 10 });
    for (const name of ["b", "a", "d", "c"]) await Deno.mkdir(`${checkpoint}/${name}`);
    const error = await assertRejects(() => keepingOf("demo", { checkpoint }), UsageError);
    assertMatch(
      error.message,
      /runs, has a, b, c, ... in it: --resume goes on from there, another folder begins anew$/,
    );
    assert(await keepingOf("demo", { checkpoint, resume: true }) !== undefined);
    await Deno.writeTextFile(`${folder}/file`, "");
    const odd = { checkpoint: `${folder}/file` };
    await assertRejects(() => keepingOf("demo", odd), Deno.errors.NotADirectory, "file: found a file, wanted a folder");
  });
});

Deno.test("digestOf() is of paths, shapes and numbers", async () => {
  const model = await compile(define({ input: 1, tasks: { click: binary() } }), { engine: reference() });
  const number = (value: number) => ({ shape: [1], data: Float32Array.of(value) });
  const [bias, kernel] = Object.keys(await model.parameters()).sort();
  model.assign({ [kernel]: { ...number(2), shape: [1, 1] }, [bias]: number(1) });
  const found = await model.parameters();
  const text = (value: string) => new TextEncoder().encode(value);
  const numbers = (path: string) => new Uint8Array(found[path].data.buffer.slice(0) as ArrayBuffer);
  const parts = [text(`["${bias}",[1]]\n`), numbers(bias), text(`["${kernel}",[1,1]]\n`), numbers(kernel)];
  assertEquals(await digestOf(model), sha256(Uint8Array.from(parts.flatMap((part) => [...part]))));
  assertEquals(digestOfAll([["a b", "12"], ["c", "3"]]), sha256(text("a b 12\nc 3\n")));
  model.dispose();
});

Deno.test("maySave() keeps an older model where a run was stopped, and says so", async () => {
  await withTemp(async (folder) => {
    const said: string[] = [];
    const context = (signal: AbortSignal) => ({ signal, say: (text: string) => void said.push(text) });
    const [going, stopped] = [new AbortController().signal, AbortSignal.abort()].map(context);
    await Deno.mkdir(`${folder}/old`);
    const found = [];
    for (const at of [going, stopped]) {
      for (const name of ["old", "new"]) found.push(await maySave(`${folder}/${name}`, at));
    }
    assertEquals(found, [true, true, false, true]);
    assertEquals(said.length, 1);
    assertMatch(said[0], /old keeps its older model, as the training was stopped: --save FOLDER/);
  });
});
