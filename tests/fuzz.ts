import { commandLine, run } from "../examples/cli.ts";
import { engineOf } from "../examples/engine.ts";
import { Fault, type Kind } from "./fuzz/kind.ts";
import { kindsOfData } from "./fuzz/kinds.ts";
import { type Counts, type FoundFault, fuzz } from "./fuzz/run.ts";

const names = ["csv", "tables", "rows", "lists", "tensors", "folders", "models", "requests", "specs", "calls"] as const;

const command = commandLine(
  "fuzz",
  "Run random inputs through all that takes what users write: each must give a result or an error of the library.",
  {
    cases: { kind: "number", help: "how many", default: 2000, from: 1, to: 1e9, whole: true },
    from: { kind: "number", help: "the first of them, to run one again", default: 0, from: 0, whole: true },
    kinds: { kind: "choices", help: "kinds of inputs", of: names, default: names },
    engine: { kind: "choice", help: "what computes", of: ["wasm", "cpu", "reference"], default: "reference" },
  },
  "--cases 100000 --seed 12",
);

if (import.meta.main) {
  await run(command, async ({ cases, from, kinds, seed, engine: name }, { signal, say, record }) => {
    const all = { ...await kindsOfData(), ...await kindsOfTests() };
    const chosen = Object.fromEntries(kinds.map((kind) => [kind, all[kind as keyof typeof all]]));
    const engine = await engineOf(name);
    let faults = 0;
    let shown = performance.now();
    const counts = await fuzz(chosen, { seed, from, cases, engine }, (counts, fault) => {
      if (fault !== undefined) {
        faults++;
        say(textOf(fault, seed, kinds));
        record({ kind: fault.kind, case: fault.at, seed, error: messageOf(fault.error) });
      }
      if (performance.now() - shown > 5000) {
        shown = performance.now();
        console.error(
          `${counts.cases.toLocaleString("en-US")} of ${cases.toLocaleString("en-US")} cases, ${faults} faults`,
        );
      }
      return !signal.aborted;
    });
    say(summary(counts, faults, seed));
    record({ cases: counts.cases, seed, faults, kinds: counts.byKind });
    if (faults > 0) throw new Error(`Cannot pass: ${faults} of ${counts.cases} cases are faults`);
  });
}

/** The kinds whose inputs tests have: mutated specs, and calls of every exported function. Their tests do not run. */
async function kindsOfTests(): Promise<Readonly<Record<"specs" | "calls", Kind>>> {
  const [{ mutation }, { wrongCall }] = [await import("./mutation_test.ts"), await import("./wrong_types_test.ts")];
  return {
    specs: { share: 60, run: (source) => mutation(source, source.bits()) },
    calls: {
      share: 260,
      run: async (source) => {
        const { end, failure } = await wrongCall(source);
        if (failure !== undefined) throw new Fault(failure);
        return end;
      },
    },
  };
}

function textOf({ kind, at, error }: FoundFault, seed: number, kinds: readonly string[]): string {
  const chosen = kinds.length < names.length ? ` --kinds ${kinds}` : "";
  return `${kind}: ${messageOf(error)}\n  deno task fuzz --seed ${seed} --from ${at} --cases 1${chosen}\n`;
}

function messageOf(error: unknown): string {
  return error instanceof Fault ? error.message : error instanceof Error ? error.stack ?? error.message : String(error);
}

function summary({ cases, byKind }: Counts, faults: number, seed: number): string {
  const lines = Object.entries(byKind).map(([kind, { valid, refused, faults }]) => {
    return `  ${kind}: ${valid} valid, ${refused} refused, ${faults} faults`;
  });
  return [`${cases.toLocaleString("en-US")} cases of seed ${seed}, ${faults} faults`, ...lines].join("\n");
}
