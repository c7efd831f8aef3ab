/**
 * Checks that TensorBoard's own reader takes event files: those of a whole training, one that goes on in a second file, one
 * that was cut off at any byte, as by a kill, and one that is still written. Installs the package `tensorboard` in
 * `out/tensorboard`, and says so where that cannot be done.
 */
import { assert, assertEquals } from "@std/assert";
import { writeEvents } from "../../lib/tensorboard.ts";
import { binary, compile, define, type Progress, reference, rows, train } from "../../mod.ts";

const venv = "out/tensorboard";
const python = `${venv}/bin/python`;
const wanted = "tensorboard==2.21.0";

async function run(program: string, args: readonly string[]): Promise<string | undefined> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (success) return new TextDecoder().decode(stdout);
  console.log(new TextDecoder().decode(stderr).trim().split("\n").slice(-3).join("\n"));
  return undefined;
}

async function isInstalled(): Promise<boolean> {
  const done = await Deno.readTextFile(`${venv}/installed`).catch(() => "");
  if (done === wanted) return true;
  if (await run("python3", ["-m", "venv", venv]).catch(() => undefined) === undefined) return false;
  if (await run(python, ["-m", "pip", "install", "--quiet", wanted]) === undefined) return false;
  await Deno.writeTextFile(`${venv}/installed`, wanted);
  return true;
}

type Scalars = Readonly<Record<string, readonly (readonly number[])[]>>; // [step, value] by tag

async function read(folders: readonly string[]): Promise<Readonly<Record<string, Scalars>>> {
  const found = await run(python, ["tests/tensorboard/read.py", ...folders]);
  assert(found !== undefined, "TensorBoard's reader failed");
  return JSON.parse(found);
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

if (!await isInstalled()) {
  console.log(`SKIPPED: ${wanted} cannot be installed here`);
  Deno.exit(0);
}
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
