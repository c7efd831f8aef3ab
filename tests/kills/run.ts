/**
 * Kills trainings at random moments, and lets them go on until they are done: `deno task test:kills --kills 1000 --seed 7`.
 * Each is of kinds at random, and in the end has the same bits as one that nothing killed. At every moment the newest
 * checkpoint loads as a model. Kills are by SIGKILL; now and then one is SIGINT, after which a checkpoint comes first.
 */
import { assertEquals } from "@std/assert";
import { load, reference } from "../../mod.ts";
import { type Random, random } from "../../lib/data/random.ts";
import { versionsIn } from "../../lib/files/versions.ts";
import { byChanges } from "../../lib/train/changes.ts";
import { type Kinds, kinds } from "../runs.ts";
import type { Program } from "./child.ts";

const [wanted, seed] = [["--kills", "12"], ["--seed", "1"]].map(([name, otherwise]) => {
  const at = Deno.args.indexOf(name);
  return Number(at < 0 ? otherwise : Deno.args[at + 1]);
});
const source = random(`kills:${seed}`);
await Deno.mkdir("out", { recursive: true });
const folder = await Deno.makeTempDir({ dir: "out", prefix: "kills-" });
const counts = { SIGKILL: 0, SIGINT: 0 };
let trainings = 0;
try {
  while (counts.SIGKILL < wanted) await killed(programOf(source, `${folder}/${++trainings}`));
} finally {
  await Deno.remove(folder, { recursive: true });
}
console.log(
  `${counts.SIGKILL} kills and ${counts.SIGINT} interrupts, the same bits in the end: ok | ${trainings} passed | 0 failed`,
);

/** Returns a training of kinds at random. */
function programOf(source: Random, folder: string): Program {
  const pick = <T>(all: readonly T[]): T => all[source.bits() % all.length];
  const drawn = Object.fromEntries(Object.entries(kinds).map(([name, all]) => [name, pick(all)]));
  const some = drawn.vectors === "byTable" ? { ...drawn, table: "embedded" } : drawn; // it names a table of vectors
  const every = pick<Program["every"]>([{ steps: 1 }, { steps: 1 }, { steps: 2 }, { steps: 5 }, { seconds: 0.05 }]);
  const form = pick([byChanges, { share: 10, least: 0, most: 3 }]); // tables are so small that all are written whole, or none
  return { kinds: some as unknown as Kinds, folder, every, keep: pick([1, 2, 3]), form };
}

/** Runs a training to its end once without, and once with kills. */
async function killed(program: Program): Promise<void> {
  const text = JSON.stringify(program);
  const start = performance.now();
  const { out: bits } = await ran({ ...program, folder: `${program.folder}/whole` });
  const time = performance.now() - start;
  for (let turn = 0;; turn++) {
    const killing = { ...program, folder: `${program.folder}/killed` };
    const after = 50 + source.uniform() * (0.6 + 0.05 * turn) * time; // longer and longer, so that each ends on any machine
    const { out, signal } = await ran(killing, after, source.bits() % 10 === 0 ? "SIGINT" : "SIGKILL");
    if (signal === undefined) {
      assertEquals(out, bits, text);
      return;
    }
    counts[signal]++;
    if ((await versionsIn(killing.folder)).length === 0) continue;
    (await load(killing.folder, { engine: reference() })).dispose();
  }
}

/** Runs a training until it ends, or a signal ends it after some milliseconds. */
async function ran(
  program: Program,
  after?: number,
  by: keyof typeof counts = "SIGKILL",
): Promise<{ readonly out: string; readonly signal?: keyof typeof counts }> {
  const args = ["run", "-q", "--no-prompt", "--allow-read", "--allow-write=out", "--allow-ffi", "tests/kills/child.ts"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, JSON.stringify(program)],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = after === undefined ? undefined : setTimeout(() => {
    try {
      child.kill(by);
    } catch {
      // it has ended by itself, at this moment
    }
  }, after);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (signal === "SIGKILL") return { out: "", signal };
  if (by === "SIGINT" && (code === 130 || signal === "SIGINT")) return { out: "", signal: "SIGINT" };
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  if (code !== 0) throw new Error(`The training ended with ${code}: ${JSON.stringify(program)}\n${error}`);
  return { out };
}
