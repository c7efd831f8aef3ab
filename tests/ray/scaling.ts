/**
 * Measures steps of the benchmarks' cases on Ray, by one worker of one thread and by two, beside those of `train` with
 * ONNX Runtime on one thread: `deno run -A tests/ray/scaling.ts [CASE...]`, after `deno task test:ray` has installed Ray.
 * Rows of 1 and of 4 times the case's batch. Sums go over objects, and over gloo where Python finds torch. Each is the
 * better of two runs.
 */
import { adam, compile, type Rows, rowwiseAdagrad, train } from "../../mod.ts";
import { onnx } from "../../lib/onnx.ts";
import { writeJob } from "../../lib/ray/job.ts";
import { mapEntries } from "../../lib/trace/entries.ts";
import { batches, type CaseName, cases, prepared } from "../bench/cases.ts";

const python = "out/ray/venv/bin/python";
const folder = "out/ray/scaling";
const names = (Deno.args.length > 0 ? Deno.args : ["W3", "W6"]) as CaseName[];
const { success: torch } = await new Deno.Command(python, { args: ["-c", "import torch"], stderr: "null" }).output();
if (!torch) console.log("SKIPPED: sums by collectives need torch");
for (const name of names) {
  for (const [times, steps] of [[1, 64], [4, 16]]) {
    const batch = times * cases[name].batch;
    const of = prepared({ name, ...cases[name], batch: steps * batch / batches }); // an epoch is all steps
    const given = { steps, batch, optimiser: adam(1e-3), vectors: rowwiseAdagrad() };
    const storage = `${folder}/${name}-${batch}`;
    await writeJob(of.spec, of.rows, { ...given, lanes: 2, seed: 1 }, { job: `${storage}/job`, storage });
    const runs: Record<string, () => Promise<number>> = {
      "train()": () => ofTrain(of.spec, of.rows, given),
      "1 worker": () => ofProgram(storage, 1, "objects"),
      "2 workers, objects": () => ofProgram(storage, 2, "objects"),
      ...torch && { "2 workers, gloo": () => ofProgram(storage, 2, "collective") },
    };
    const rates = mapEntries(runs, () => 0);
    for (let round = 0; round < 2; round++) {
      for (const [what, run] of Object.entries(runs)) rates[what] = Math.max(rates[what], await run());
    }
    for (const [what, rate] of Object.entries(rates)) {
      const than = what.startsWith("2") ? "1 worker" : "train()";
      const times = (rate / rates[than]).toFixed(2);
      console.log(`${name}, ${batch} rows, ${what}: ${rate.toFixed(0)} rows/s, ${times} times ${than}`);
    }
  }
}
await Deno.remove(folder, { recursive: true });

type Given = { readonly steps: number; readonly batch: number } & Parameters<typeof train>[2];

/** The rows a second of `train`. */
async function ofTrain(spec: Parameters<typeof compile>[0], rows: Rows, given: Given): Promise<number> {
  const model = await compile(spec, { engine: await onnx({ threads: 1 }), seed: 1 });
  const times: [rows: number, seconds: number][] = [];
  for await (const { step } of train(model, rows, given)) times.push([step * given.batch, performance.now() / 1000]);
  model.dispose();
  return rateOf(times);
}

/** The same of the program on a cluster of its own. */
async function ofProgram(storage: string, workers: number, transport: string): Promise<number> {
  const words = ["--job", `${storage}/job`, "--storage", storage, "--workers", `${workers}`, "--transport", transport];
  const args = ["-B", "lib/ray/program.py", ...words, "--fresh", "--address", "local"];
  const { stdout } = await new Deno.Command(python, { args, env: { RAY_USAGE_STATS_ENABLED: "0" }, stderr: "null" })
    .output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  if (lines.at(-1).model === undefined) throw new Error(`The program ended with ${JSON.stringify(lines.at(-1))}`);
  const times = lines.filter(({ rate }) => rate).map(({ rows, rate }) => [rows, rows / rate] as const);
  // The records of a call come at one time; the last call writes the model, too.
  return rateOf(times.filter(([, seconds], at) => at + 1 < times.length && times[at + 1][1] > seconds + 0.02));
}

/** The best rate of half a second after the first quarter of the rows: what else a machine does makes others worse. */
function rateOf(times: readonly (readonly [rows: number, seconds: number])[]): number {
  let [rows, seconds] = times[Math.floor(times.length / 4)];
  let best = 0;
  for (const [later, end] of times) {
    if (end < seconds + 0.4) continue;
    best = Math.max(best, (later - rows) / (end - seconds));
    [rows, seconds] = [later, end];
  }
  return best;
}
