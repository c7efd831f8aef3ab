import { type Case, cases, prepared } from "./cases.ts";
import { against, type Bench, own } from "./lines.ts";
import type { Asked, Found } from "./memory_apart.ts";
import { dimsOf, peakOfPeer } from "./python.ts";

/** Memory at a tenth and at the end of a long training of W1: what is leaked shows as a difference. */
export async function leaks(engines: readonly string[], steps: number, bench: Bench): Promise<void> {
  for (const engine of engines) {
    bench.note(`W1: memory over ${steps} steps on ${engine}`);
    const { resident, arrays } = await apart({ of: { name: "W1", ...cases.W1 }, engine, steps }, bench);
    const write = (metric: string, value: number) => bench.write(own("W1", engine, metric, [value]));
    write(`resident_at_${steps / 10}_mib`, resident.early / mebi);
    write(`resident_at_${steps}_mib`, resident.late / mebi);
    write("resident_growth", resident.late / resident.early);
    if (engine === "wasm") write("arrays_gained", arrays.late - arrays.early);
  }
}

/** The most memory of training steps of W3, beside what they need at least: parameters, slots and live activations. */
export async function peaks(engines: readonly string[], bench: Bench): Promise<void> {
  for (const engine of engines) {
    bench.note(`W3: peak memory on ${engine}`);
    const { peak, needed, arrays } = await apart({ of: { name: "W3", ...cases.W3 }, engine, steps: 10 }, bench);
    const write = (metric: string, value: number) => bench.write(own("W3", engine, metric, [value]));
    write("needed_mib", needed / mebi);
    write("peak_mib", peak / mebi);
    write("peak_over_needed", peak / needed);
    if (engine === "wasm") write("arrays_peak_over_needed", arrays.most / needed);
  }
}

/** The most memory of processes that train W8, ours and torch-rechub's. */
export async function processes(engines: readonly string[], bench: Bench): Promise<void> {
  const of = { name: "W8", ...cases.W8 };
  bench.note("W8: memory of a process of torch-rechub");
  const theirs = await peakOfPeer(dimsOf(prepared(of)), "torch-rechub", bench.signal);
  for (const engine of engines) {
    bench.note(`W8: memory of a process on ${engine}`);
    const { process, peak } = await apart({ of, engine, steps: 10 }, bench);
    const write = (metric: string, ours: number, theirs: number | undefined) => {
      bench.write(own("W8", engine, metric, [ours / mebi]));
      if (theirs === undefined) return;
      bench.write(against("W8", engine, metric, "torch-rechub", [theirs / mebi], [ours / mebi]));
    };
    write("process_mib", process, theirs?.process);
    write("training_mib", peak, theirs?.training);
  }
}

/** The most memory of training steps of a case, in MiB. */
export async function peakOf(of: Case, engine: string, bench: Bench): Promise<number> {
  return (await apart({ of, engine, steps: 10 }, bench)).peak / mebi;
}

/** Asks a process of its own, in which nothing was freed before that could be used again. */
async function apart(asked: Asked, { signal }: Bench): Promise<Found> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      flags,
      "--allow-read",
      "--allow-ffi",
      "tests/bench/memory_apart.ts",
      JSON.stringify(asked),
    ],
    signal,
  }).output();
  signal.throwIfAborted();
  const [text, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`Cannot measure memory\n  at ${asked.of.name} on ${asked.engine}: ${error.trim()}`);
  return JSON.parse(text);
}

/** V8's young generation has one size from the start: how far it is enlarged and when is a matter of chance. */
const flags = "--v8-flags=--expose-gc,--min-semi-space-size=8,--max-semi-space-size=8";

const mebi = 2 ** 20;
