import { categoryKind } from "../../lib/features/category.ts";
import type { Loaded } from "./cases.ts";
import { type Conversation, converse } from "./converse.ts";
import { isIds } from "./ids.ts";

/** PyTorch and native libraries, run by Python in a process of its own. */
export interface Peers {
  /** The versions of Python, torch and numpy. */
  readonly versions: Readonly<Record<string, string>>;
  /** The variants that can be timed here, those of {@linkcode variantsOf} where nothing is missing. */
  readonly variants: readonly string[];
  /** The way each variant was run: its fastest form and number of threads, by case, variant and metric. */
  readonly settings: ReadonlyMap<string, string>;
  /** The milliseconds of every run. The first call for a case looks for the fastest form, outside of what is timed. */
  time(of: Dims, variant: string, metric: "train_step_ms" | "predict_ms", repeats: number): Promise<number[]>;
  /** The number of parameters that the peers train: as many as we do. */
  weights(of: Dims): Promise<number>;
  /** The best speed of a float32 product of two [size, size] matrices, in 10^9 operations a second. */
  blas(size: number): Promise<{ gflops: number }>;
  /** The milliseconds of every run of a [rows, inner] x [inner, columns] product by PyTorch. */
  product(lengths: readonly [rows: number, inner: number, columns: number]): Promise<number[]>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** The sizes of a case, from which the peers make their own model and rows. */
export interface Dims {
  /** The case's name. */
  readonly name: string;
  /** The width of the encoded input, of ids with their vectors. */
  readonly input: number;
  /** The number of experts. */
  readonly experts: number;
  /** The units of an expert's layers. */
  readonly units: readonly number[];
  /** The units of a tower's layer. */
  readonly tower: number;
  /** The number of tasks. */
  readonly tasks: number;
  /** The rows of a step. */
  readonly batch: number;
  /** The lengths of the one-hot vectors at the end of the input, if there are any. */
  readonly sizes?: readonly number[];
  /** The numbers of ids of each feature, if there are any; the numbers of the input come after their vectors. */
  readonly vocabularies?: readonly number[];
  /** The size of the vectors of ids. */
  readonly k?: number;
  /** The most words of a bag, if there is one. */
  readonly bag?: number;
  /** The number of words that it can have. */
  readonly tags?: number;
  /** The most ids of a sequence, of the last vocabulary, if there is one. */
  readonly sequence?: number;
}

/** The variants of cases without ids. */
const dense = ["torch eager", "torch fused", "torch compile"];
/** The variants of cases whose ids have vectors that all follow Adam: torch-rechub's model, also without its norms. */
const all = [...dense, "torch-rechub", "torch-rechub, plain"];
/** The variants of cases of which a step trains the vectors that it has: the last one needs an environment of its own. */
const touched = [
  "torch eager, SparseAdam",
  "torch SparseAdam",
  "torch sparse Adagrad",
  "torch dense Adam",
  "torch FBGEMM Adagrad",
];

/** The variants that a case is measured against. */
export function variantsOf({ input }: Pick<Loaded, "input">): readonly string[] {
  if (!isIds(input)) return dense;
  return input.vectors === "all" ? all : touched;
}

/** The places of Python in the virtual environments, from the root of the repository: of PyTorch, and of FBGEMM. */
export const own: Readonly<Record<"peers" | "fbgemm", string>> = {
  peers: pythonIn("out/peers"),
  fbgemm: pythonIn("out/fbgemm"),
};
const script = "tests/bench/peers/mmoe.py";

/**
 * The peers of the virtual environment in `out/peers`, else those of the Python that GATEHOUSE_PYTHON names; with them
 * those in `out/fbgemm`, where FBGEMM has the version of PyTorch that it needs.
 *
 * @param say Called with a line that says what is missing, and how to add it.
 * @returns Undefined where Python, torch or the permission to run them is missing.
 */
export async function python(say: (line: string) => void = console.error): Promise<Peers | undefined> {
  const path = await exists(own.peers) ? own.peers : await named();
  if (path === undefined) {
    say(`Peers in Python are left out: found neither ${own.peers} nor GATEHOUSE_PYTHON. ${remedyOf("peers")}`);
    return undefined;
  }
  const main = await peersAt(path, [], "Peers in Python are", "peers", say);
  if (main === undefined) return undefined;
  if (!await exists(own.fbgemm)) {
    say(`torch FBGEMM Adagrad is left out: found no ${own.fbgemm}. ${remedyOf("fbgemm")}`);
    return main;
  }
  const other = await peersAt(own.fbgemm, ["--fbgemm"], "torch FBGEMM Adagrad is", "fbgemm", say);
  return other === undefined ? main : together(main, other);
}

/**
 * The most memory of a process that trains a variant for ten steps, in bytes: all of it, and what it has above what it had
 * before the model.
 *
 * @returns Undefined where Python or torch is missing.
 */
export async function peakOfPeer(
  of: Dims,
  variant: string,
  signal: AbortSignal,
): Promise<{ readonly process: number; readonly training: number } | undefined> {
  const path = await exists(own.peers) ? own.peers : await named();
  if (path === undefined) return undefined;
  const args = [script, "--memory", JSON.stringify({ case: of, variant })];
  const { success, stdout, stderr } = await new Deno.Command(path, { args, signal }).output();
  signal.throwIfAborted();
  const [text, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`Cannot measure memory\n  at ${of.name}, ${variant}: ${error.trim()}`);
  return JSON.parse(text);
}

/** Peers of two environments as one: what only the second has is asked of it. */
export function together(main: Peers, other: Peers): Peers {
  const whose = (variant: string) => main.variants.includes(variant) ? main : other;
  return {
    ...main,
    versions: { ...main.versions, ...other.versions },
    variants: [...main.variants, ...other.variants],
    get settings(): ReadonlyMap<string, string> {
      return new Map([...main.settings, ...other.settings]);
    },
    time: (of, variant, metric, repeats) => whose(variant).time(of, variant, metric, repeats),
    async close(): Promise<void> {
      await Promise.all([main.close(), other.close()]);
    },
  };
}

/** Peers of an environment; undefined, said so, if it cannot be used. */
async function peersAt(
  path: string,
  flags: readonly string[],
  subject: string,
  environment: keyof typeof own,
  say: (line: string) => void,
): Promise<Peers | undefined> {
  try {
    return await peersOf(converse(spawn(path, flags), "the peers in Python"), say);
  } catch (error) {
    const why = (error as Error).message.replaceAll(/\n\s*/g, ": ");
    const wanted = error instanceof Deno.errors.NotCapable ? `Add --allow-run=${path}` : remedyOf(environment);
    say(`${subject} left out: ${path} cannot be used: ${why}. ${wanted}`);
    return undefined;
  }
}

/** Returns the way to add an environment. */
export function remedyOf(environment: keyof typeof own): string {
  const list = `tests/bench/peers/${environment === "peers" ? "requirements" : "fbgemm"}.txt`;
  return `To add them: python3 -m venv out/${environment} && out/${environment}/bin/pip install -r ${list}`;
}

function pythonIn(environment: string): string {
  return `${environment}/${Deno.build.os === "windows" ? "Scripts/python.exe" : "bin/python"}`;
}

/** The dimensions of a case, as peers take them. */
export function dimsOf({ name, input, spec, experts, units, tower, tasks, batch }: Loaded): Dims {
  const dims = { name, experts, units, tower, tasks, batch };
  if (isIds(input)) {
    const { numbers, vocabularies, k, bag, sequence } = input;
    const vectors = vocabularies.length + (bag ? 1 : 0) + (sequence ? 1 : 0);
    const lists = { ...bag && { bag: bag.most, tags: bag.vocabulary }, ...sequence && { sequence: sequence.most } };
    return { ...dims, input: k * vectors + numbers, vocabularies, k, ...lists };
  }
  if ("width" in spec.input) return { ...dims, input: spec.input.width };
  const features = Object.values(spec.input.features);
  const sizes = features.flatMap((feature) => feature.kind === "category" ? [categoryKind.width(feature)] : []);
  const numbers = features.length - sizes.length;
  return { ...dims, input: sizes.reduce((sum, size) => sum + size, numbers), sizes };
}

/** Peers that a conversation is held with, from its first line on. */
export async function peersOf({ ask, close }: Conversation, say: (line: string) => void): Promise<Peers> {
  const { versions, variants, missing } = await ask() as Hello;
  for (const [variant, why] of Object.entries(missing)) say(`${variant} is left out: ${why}`);
  const settings = new Map<string, string>();
  return {
    versions,
    variants,
    settings,
    async time(of, variant, metric, repeats): Promise<number[]> {
      const { times, form, threads } = await ask({ case: of, variant, metric, repeats }) as Timed;
      settings.set(`${of.name}, ${variant}, ${metric}`, `${form}, threads: ${threads}`);
      return times;
    },
    async weights(of): Promise<number> {
      return (await ask({ case: of, weights: true }) as { weights: number }).weights;
    },
    async blas(size): Promise<{ gflops: number }> {
      return await ask({ blas: size }) as { gflops: number };
    },
    async product(lengths): Promise<number[]> {
      return (await ask({ product: lengths }) as { times: number[] }).times;
    },
    close,
  };
}

/** The worker's first line. */
interface Hello {
  readonly versions: Readonly<Record<string, string>>;
  readonly variants: readonly string[];
  readonly missing: Readonly<Record<string, string>>;
}

/** The worker's reply to a request for times. */
interface Timed {
  readonly times: number[];
  readonly form: string;
  readonly threads: number;
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The Python that the environment names, where it may be read. */
async function named(): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "env", variable: "GATEHOUSE_PYTHON" });
  return state === "granted" ? Deno.env.get("GATEHOUSE_PYTHON") || undefined : undefined;
}

function spawn(path: string, flags: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(path, { args: [script, ...flags], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
}
