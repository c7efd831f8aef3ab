/** Makes the table of KuaiRand-Pure again: our models, and those of others on the same rows and inputs. */
import { commandLine, type Context, run, type Values } from "../../examples/cli.ts";
import type { Options } from "../../examples/options.ts";
import { readPredictions } from "../../examples/kuairand/predictions.ts";
import { labels, type NumberColumn, readCsv, take, type TextColumn } from "../../mod.ts";
import { inputNames, type Inputs } from "../../examples/kuairand/inputs.ts";
import { tasks } from "../../examples/kuairand/log.ts";
import { names } from "../../examples/kuairand/models.ts";
import { logOf, writeTable } from "./kuairand_inputs.ts";
import { differences, type Judged, judgedIn, resultsText, type Tested } from "./kuairand_results.ts";
import { tableOf } from "./kuairand_table.ts";
import { own, remedyOf } from "./python.ts";

const folder = "out/bench_kuairand";
const predicted = `${folder}/predictions`;
const peers = [
  "logistic regression",
  "torch-rechub MMOE",
  "torch-rechub PLE",
  "DeepCTR-Torch DCN-v2",
  "LightGBM",
] as const;
/** The models whose training no seed changes. */
const seedless: readonly string[] = ["logistic regression"];

const settings = {
  inputs: { kind: "choices", help: "what models read", of: inputNames, default: inputNames },
  peers: { kind: "choices", help: "the models of others", of: [...peers, "none"], default: peers },
  ours: { kind: "choices", help: "our models", of: [...names, "none"], default: names },
  engine: { kind: "choice", help: "what computes ours", of: ["wasm", "onnx"], default: "wasm" },
  seeds: { kind: "number", help: "trainings of each model, from the seed on", default: 3, from: 1, whole: true },
  write: { kind: "flag", help: "writes the table as tests/bench/KUAIRAND.md" },
} as const satisfies Options;

const command = commandLine(
  "bench:kuairand",
  "Trains our models and those of others on KuaiRand-Pure, and prints how they do. What was trained before is in " +
    `${folder}/lines.jsonl, and is not trained again.`,
  settings,
  "--inputs lag --peers LightGBM --seeds 1",
);

await run(command, async (options, context) => {
  const kept = await keptLines();
  for (const name of options.inputs) {
    for (let seed = options.seed; seed < options.seed + options.seeds; seed++) {
      for (const model of options.ours) {
        if (model !== "none") await train(ourRun(model, name, seed, options.engine), kept, context);
      }
      for (const model of options.peers) {
        if (model === "none" || seedless.includes(model) && seed > options.seed) continue;
        await train(await peerRun(model, name, seed), kept, context);
      }
    }
  }
  const lines = kept.filter((line) => wanted(line, options));
  for (const line of lines) context.record({ ...line });
  if (lines.length === 0) return;
  const text = resultsText(lines, await compared(lines), ours(lines), await versions());
  context.say(text);
  if (options.write) await Deno.writeTextFile("tests/bench/KUAIRAND.md", text);
});

/** A training in a process of its own. */
interface Run {
  readonly model: string;
  readonly inputs: string;
  readonly seed: number;
  /** The program, what comes before its words, and the way to have it where it is missing. */
  readonly program: string;
  readonly words: readonly string[];
  readonly remedy: string;
}

function ourRun(model: string, inputs: string, seed: number, engine: string): Run {
  const words = ["--json", "--inputs", inputs, "--model", model, "--seed", `${seed}`, "--engine", engine];
  const kept = ["--save", `${folder}/models`, "--predictions", predicted];
  const task = ["task", "-q", "kuairand", ...words, ...kept];
  return { model, inputs, seed, program: Deno.execPath(), words: task, remedy: "" };
}

async function peerRun(model: string, inputs: string, seed: number): Promise<Run> {
  const table = `${folder}/${inputs}`;
  if (!await exists(`${table}.json`)) {
    await writeTable(tableOf(await logOf(inputs as Inputs)), folder);
  }
  const words = ["tests/bench/peers/kuairand.py", table, model, "--seed", `${seed}`, "--predictions", predicted];
  return { model, inputs, seed, program: own.peers, words, remedy: remedyOf("peers") };
}

/** Trains a model that was not trained before, and keeps what it says of it. */
async function train({ model, inputs, seed, program, words, remedy }: Run, kept: Judged[], context: Context) {
  if (kept.some((line) => line.model === model && line.inputs === inputs && line.seed === seed)) return;
  console.error(`${new Date().toISOString().slice(11, 19)} ${model}, ${inputs}, seed ${seed}`);
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: [...words], stderr: "piped", signal: context.signal }).output();
  } catch (error) {
    context.signal.throwIfAborted();
    return console.error(`${model} is left out: ${program} cannot be run: ${(error as Error).message}. ${remedy}`);
  }
  context.signal.throwIfAborted();
  const [text, failure] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  const found = text.split("\n").flatMap((line) => judgedIn(line) ?? []);
  if (!output.success || found.length === 0) {
    const last = failure.trim().split("\n").slice(-3).join("\n");
    return console.error(`${model} is left out: its training failed:\n${last}`);
  }
  await Deno.writeTextFile(`${folder}/lines.jsonl`, found.map((line) => `${JSON.stringify(line)}\n`).join(""), {
    append: true,
  });
  kept.push(...found);
}

async function keptLines(): Promise<Judged[]> {
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/lines.jsonl`;
  if (!await exists(path)) return [];
  return (await Deno.readTextFile(path)).split("\n").flatMap((line) => judgedIn(line) ?? []);
}

function wanted({ model, inputs, seed }: Judged, options: Values<typeof settings>): boolean {
  return options.inputs.some((name) => name === inputs) && seed >= options.seed &&
    seed < options.seed + options.seeds &&
    [...options.ours, ...options.peers].some((name) => name === model);
}

/** Returns our models among those that were judged. */
function ours(lines: readonly Judged[]): string[] {
  return [...new Set(lines.map(({ model }) => model))].filter((model) => !peers.some((name) => name === model));
}

/** Returns how far ours are from the best peers, where both have written what they predict. */
async function compared(lines: readonly Judged[]): Promise<ReturnType<typeof differences>> {
  const read = new Map<string, Awaited<ReturnType<typeof readPredictions>>>();
  const keyOf = (model: string, inputs: string, seed: number) => [model, inputs, seed].join("\n");
  for (const { model, inputs, seed } of lines) {
    const key = keyOf(model, inputs, seed);
    if (read.has(key)) continue;
    read.set(key, await readPredictions(predicted, { model, inputs, seed, split: "test" }, tasks));
  }
  const scores = (model: string, inputs: string, task: string, seed: number) => {
    return read.get(keyOf(model, inputs, seed))?.[task];
  };
  return differences(lines, ours(lines), scores, await testRows(lines[0].inputs));
}

/** Returns the labels of the rows to test on, by task, and their users. */
async function testRows(inputs: string): Promise<Tested> {
  const path = `${folder}/${inputs}.csv`;
  if (!await exists(path)) await writeTable(tableOf(await logOf(inputs as Inputs)), folder);
  const numbers = Object.fromEntries([...tasks, "group"].map((name) => [name, "number" as const]));
  const table = await readCsv(path, { columns: { split: "text", ...numbers } });
  const { codes, words } = table.columns.split as TextColumn;
  const rows = take(table, [...codes.keys()].filter((row) => words[codes[row]] === "2"));
  const { values: users } = rows.columns.group as NumberColumn;
  return { labels: labels(rows, Object.fromEntries(tasks.map((task) => [task, task]))), users };
}

async function versions(): Promise<Readonly<Record<string, string>>> {
  try {
    const { stdout } = await new Deno.Command(own.peers, {
      args: ["tests/bench/peers/kuairand.py", "--list"],
      stderr: "null",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout)).versions;
  } catch {
    return {};
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
