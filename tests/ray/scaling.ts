/**
 * Measures steps of the benchmarks' cases on Ray, by one worker of one thread and by two, beside those of `train` with
 * ONNX Runtime on one thread: `deno run -A tests/ray/scaling.ts [CASE...]`, after `deno task test:ray` has installed Ray.
 * Rows of 1 and of 4 times the case's batch. Sums go over actors, and over gloo where Python finds torch.
 */
import { adam, compile, type Rows, rowwiseAdagrad, train } from "../../mod.ts";
import { onnx } from "../../lib/onnx.ts";
import { writeJob } from "../../lib/ray/job.ts";
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
    const alone = await ofTrain(of.spec, of.rows, given);
    console.log(`${name}, ${batch} rows: train() ${alone.toFixed(0)} rows/s`);
    const storage = `${folder}/${name}-${batch}`;
    const folders = { job: `${storage}/job`, storage };
    await writeJob(of.spec, of.rows, { ...given, lanes: 2, seed: 1 }, folders);
    const one = await ofProgram(storage, 1, "objects");
    const two = await ofProgram(storage, 2, "objects");
    print("1 worker", one, one / alone, "of train()");
    print("2 workers, objects", two, two / one, "times 1 worker");
    if (!torch) continue;
    const gloo = await ofProgram(storage, 2, "collective");
    print("2 workers, gloo", gloo, gloo / one, "times 1 worker");
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
  return rateOf(times.filter(([, seconds]) => seconds < times.at(-1)![1] - 0.1)); // the last call writes the model, too
}

/** The median of the rates from call to call after the first quarter of the rows; records of a call come at one time. */
function rateOf(times: readonly (readonly [rows: number, seconds: number])[]): number {
  const ends = times.filter(([, seconds], at) => at + 1 === times.length || times[at + 1][1] > seconds + 0.02);
  const later = ends.filter(([rows]) => rows >= times.at(-1)![0] / 4);
  const rates = later.slice(1).map(([rows, seconds], at) => (rows - later[at][0]) / (seconds - later[at][1]));
  return rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)];
}

function print(what: string, rate: number, ratio: number, than: string): void {
  console.log(`  ${what}: ${rate.toFixed(0)} rows/s, ${ratio.toFixed(2)} ${than}`);
}
