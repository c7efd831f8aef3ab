import { categoryKind } from "../../lib/features/category.ts";
import type { Loaded } from "./cases.ts";
import { type Conversation, converse } from "./converse.ts";

/** PyTorch and native libraries, run by Python in a process of its own. */
export interface Peers {
  /** The versions of Python, torch and numpy. */
  readonly versions: Readonly<Record<string, string>>;
  /** The variants that can be timed here: `torch eager`, `torch fused`, and `torch compile` where it works. */
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
  /** The width of the encoded input. */
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
}

/** The place of Python in the virtual environment, from the root of the repository. */
export const own = Deno.build.os === "windows" ? "out/peers/Scripts/python.exe" : "out/peers/bin/python";
const script = "tests/bench/peers/mmoe.py";
const remedy = `python3 -m venv out/peers && out/peers/bin/pip install -r tests/bench/peers/requirements.txt`;

/**
 * The peers of the virtual environment in `out/peers`, else those of the Python that GATEHOUSE_PYTHON names.
 *
 * @param say Called with a line that says what is missing, and how to add it.
 * @returns Undefined where Python, torch or the permission to run them is missing.
 */
export async function python(say: (line: string) => void = console.error): Promise<Peers | undefined> {
  const path = await exists(own) ? own : await named();
  if (path === undefined) {
    say(`Peers in Python are left out: found neither ${own} nor GATEHOUSE_PYTHON. To add them: ${remedy}`);
    return undefined;
  }
  try {
    return await peersOf(converse(spawn(path), "the peers in Python"), say);
  } catch (error) {
    const why = (error as Error).message.replaceAll(/\n\s*/g, ": ");
    const wanted = error instanceof Deno.errors.NotCapable ? `Add --allow-run=${path}` : `To add them: ${remedy}`;
    say(`Peers in Python are left out: ${path} cannot be used: ${why}. ${wanted}`);
    return undefined;
  }
}

/** The dimensions of a case, as peers take them. */
export function dimsOf({ name, spec, experts, units, tower, tasks, batch }: Loaded): Dims {
  const dims = { name, experts, units, tower, tasks, batch };
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

function spawn(path: string): Deno.ChildProcess {
  return new Deno.Command(path, { args: [script], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
}
