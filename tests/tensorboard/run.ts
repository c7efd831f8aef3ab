/**
 * Checks that TensorBoard's own reader takes event files: those of a whole training, one that goes on in a second file, one
 * that was cut off at any byte, as by a kill, and one that is still written. Installs the package `tensorboard` in
 * `out/tensorboard`, and says so where that cannot be done.
 */
import { assert, assertEquals } from "@std/assert";
import { writeEvents } from "../../lib/tensorboard.ts";
import { binary, compile, define, type Progress, reference, rows, train } from "../../mod.ts";
import { pythonOf, ran } from "../environment.ts";

const python = await pythonOf("out/tensorboard", ["tensorboard==2.21.0"]);
if (python === undefined) Deno.exit(0);

type Scalars = Readonly<Record<string, readonly (readonly number[])[]>>; // [step, value] by tag

async function read(folders: readonly string[]): Promise<Readonly<Record<string, Scalars>>> {
  const found = await ran(python!, ["tests/tensorboard/read.py", ...folders]);
  if ("failed" in found) throw new Error(`TensorBoard's reader failed: ${found.failed}`);
  return JSON.parse(found.out);
}

async function written(folder: string, steps: number, from = 0): Promise<Progress[]> {
  const model = await compile(define({ input: 1, tasks: { click: binary(), like: binary() } }), {
    engine: reference(),
  });
  const data = rows([[-1], [1], [2]], { labels: { click: [0, 1, 1], like: [1, null, 0] } });
  const options = { steps, batch: 1, validation: data, from: { epoch: 0, step: from } };
  return await Array.fromAsync(writeEvents(folder, train(model, data, options)));
}

const curve = (records: readonly Progress[], of: (at: Progress) => number | undefined) =>
  records.flatMap((at) => of(at) === undefined ? [] : [[at.step, Math.fround(of(at)!)]]);

const folder = await Deno.makeTempDir({ dir: "out", prefix: "events-" });
try {
  const whole = await written(`${folder}/whole`, 30);
  const first = await written(`${folder}/resumed`, 20);
  const second = await written(`${folder}/resumed`, 10, 12); // the steps from 13 on are computed anew
  const [{ name }] = [...Deno.readDirSync(`${folder}/whole`)];
  const bytes = await Deno.readFile(`${folder}/whole/${name}`);
  const cuts = Array.from({ length: 20 }, (_, at) => Math.floor(bytes.length * (at + 0.37) / 20));
  for (const cut of cuts) {
    await Deno.mkdir(`${folder}/cut-${cut}`);
    await Deno.writeFile(`${folder}/cut-${cut}/${name}`, bytes.subarray(0, cut));
  }
  const found = await read(["whole", "resumed", ...cuts.map((cut) => `cut-${cut}`)].map((one) => `${folder}/${one}`));
  const { [`${folder}/whole`]: all, [`${folder}/resumed`]: resumed } = found;
  assertEquals(all["total"], curve(whole, ({ total }) => total));
  assertEquals(all["loss/like"], curve(whole, ({ loss }) => loss.like));
  assertEquals(all["validation/click/auc"], curve(whole, ({ validation }) => validation?.metrics.click.auc));
  assertEquals(resumed["norm"], [
    ...curve(first.slice(0, 12), ({ norm }) => norm),
    ...curve(second, ({ norm }) => norm),
  ]);
  for (const cut of cuts) {
    const { total = [] } = found[`${folder}/cut-${cut}`];
    assertEquals(total, all["total"].slice(0, total.length));
    const share = cut / bytes.length * whole.length;
    assert(Math.abs(total.length - share) < 2, `${total.length} steps of ${cut} bytes`);
  }
  console.log(`TensorBoard's reader takes the event files: ok | 4 passed | 0 failed`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
