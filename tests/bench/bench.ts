/** Measures training steps, predictions, epochs, growth and memory, and compares them with what others take. */
import type { Engine } from "../../mod.ts";
import { commandLine, run } from "../../examples/cli.ts";
import { type CaseName, cases, load } from "./cases.ts";
import { encoding } from "./encoding.ts";
import { engineNames, engineOf } from "./engines.ts";
import { epoch } from "./epoch.ts";
import { growth } from "./growth.ts";
import { pasts } from "./history.ts";
import { type Bench, type Line, lineTable } from "./lines.ts";
import { machine } from "./machine.ts";
import { spread } from "./measure.ts";
import { leaks, peaks } from "./memory.ts";
import { profiles } from "./profile.ts";
import { type Peers, python } from "./python.ts";
import { reading } from "./reading.ts";
import { steps } from "./steps.ts";
import { axes, sweep } from "./sweep.ts";
import { vocabulary } from "./vocabulary.ts";

const sections = [
  "peak",
  "steps",
  "epoch",
  "growth",
  "vocabulary",
  "encoding",
  "reading",
  "history",
  "memory",
  "sparse",
  "profile",
] as const;

const command = commandLine("bench", "Measures time and memory of our engines, and of their peers.", {
  only: { kind: "choices", help: "what is measured", of: sections, default: sections },
  case: { kind: "choices", help: "the cases of steps", of: Object.keys(cases), default: Object.keys(cases) },
  engine: { kind: "choices", help: "ours", of: engineNames, default: engineNames },
  peers: { kind: "flag", help: "also PyTorch, if it was set up as tests/bench/peers says" },
  experts: {
    kind: "choices",
    help: "the numbers of experts of sparse",
    of: axes.experts.map(String),
    default: axes.experts.map(String),
  },
  steps: {
    kind: "number",
    help: "steps of the long training of memory, a multiple of ten",
    default: 20_000,
    from: 10,
    whole: true,
  },
  repeats: { kind: "number", help: "least timed runs", default: 30, from: 1, whole: true },
}, "--case W1 --engine wasm,onnx");

await run(command, async (options, { say, record, signal }) => {
  const note = (text: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
  const peers = options.peers ? await python(note) : undefined;
  try {
    record({ machine: machine(peers?.versions) });
    const lines: Line[] = [];
    const bench: Bench = {
      seed: options.seed,
      repeats: options.repeats,
      signal,
      note,
      write: (line) => {
        record({ ...line });
        lines.push(line);
      },
    };
    const engines: Record<string, Engine> = {};
    for (const name of options.engine) engines[name] = await engineOf(name);
    if (peers !== undefined) await peakOf(peers, bench);
    const fast = without(engines, "cpu"); // which takes seconds for a step of all cases but one
    const measured: Record<typeof sections[number], () => Promise<void>> = {
      peak: () => peaks(Object.keys(fast), bench),
      steps: async () => {
        for (const name of options.case as CaseName[]) {
          await steps(await load(name), { engines: name === "W1" ? engines : fast, peers }, bench);
          show();
        }
      },
      epoch: () => epoch(fast, bench),
      growth: () => growth(fast, bench),
      vocabulary: () => vocabulary(fast, bench),
      encoding: () => encoding(bench),
      reading: () => reading(fast, bench),
      history: () => pasts(bench),
      memory: () => leaks(Object.keys(fast), options.steps, bench),
      profile: () => profiles(peers, bench),
      sparse: () => sweep(engines, options.experts.map(Number), bench),
    };
    const show = () => lines.length > 0 && say(`${lineTable(lines.splice(0))}\n`);
    for (const section of sections.filter((name) => options.only.includes(name))) {
      await measured[section]();
      show();
    }
    if (peers !== undefined) record({ settings: Object.fromEntries(peers.settings) });
  } catch (error) {
    signal.throwIfAborted(); // peers are interrupted too, and fail
    throw error;
  } finally {
    await peers?.close();
  }
});

function without(engines: Readonly<Record<string, Engine>>, name: string): Record<string, Engine> {
  return Object.fromEntries(Object.entries(engines).filter(([key]) => key !== name));
}

/** The peak of this machine: what a native library reaches in large products, the better of two sizes. */
async function peakOf(peers: Peers, { note, write }: Bench): Promise<void> {
  note("peak of float32 products");
  const found: number[][] = [];
  for (const size of [1024, 2048]) {
    const some: number[] = [];
    for (let run = 0; run < 5; run++) some.push((await peers.blas(size)).gflops);
    found.push(some);
  }
  const [best] = found.toSorted((a, b) => spread(b).median - spread(a).median);
  write({ case: "machine", engine: "blas", metric: "gflops", ...spread(best), peer: null, ratio: null });
}
