import { helpText, type Options, readOptions, UsageError, type ValuesOf } from "./options.ts";
import { type Keeping, keepingOf, resumeCommand, type trainingOptions } from "./resumable.ts";

/** The options that every example has. */
export const common = {
  seed: {
    kind: "number",
    help: "seed of data, initial values and the order of rows",
    default: 7,
    from: 0,
    whole: true,
  },
  engine: { kind: "choice", help: "what computes", of: ["wasm", "cpu", "reference"], default: "wasm" },
  json: { kind: "flag", help: "results as one JSON object a line on standard output" },
  debug: { kind: "flag", help: "with the stack trace of an error" },
  help: { kind: "flag", help: "this text" },
} as const satisfies Options;

/** The values of a command's options, the common ones among them. */
export type Values<O extends Options> = ValuesOf<Omit<typeof common, keyof O> & O>;

/** A command: what it is called, what it takes. */
export interface Command<O extends Options> {
  /** The name of the task that runs it. */
  readonly name: string;
  /** The text that `--help` shows. */
  readonly help: string;
  /**
   * Reads the words of a command line.
   *
   * @throws {UsageError} if an option is unknown or its value is wrong.
   */
  read(args: readonly string[]): Values<O>;
}

/** The arguments of a command's code, beside its options. */
export interface Context {
  /** Aborts at the first Ctrl-C: stop soon, and save what is worth saving. */
  readonly signal: AbortSignal;
  /** The way in which trainings are kept, by the options of {@linkcode trainingOptions}; undefined if they are not. */
  readonly keeping: Keeping | undefined;
  /** Writes a line for people: on standard output, or on standard error with `--json`. */
  say(text: string): void;
  /** Writes a record as a line of JSON on standard output with `--json`, and nothing without. NaN is null in JSON. */
  record(values: Readonly<Record<string, unknown>>): void;
}

/**
 * A command with typed options: its help text and how its words are read.
 *
 * @param name The name of the task that runs it: `deno task <name>`.
 * @param description Its purpose, in a sentence.
 * @param options Its own options; they come before, or in the place of, the common ones.
 * @param example Words to try.
 */
export function commandLine<const O extends Options>(
  name: string,
  description: string,
  options: O,
  example = "",
): Command<O> {
  const table = { ...options, ...common, ...options }; // own options first, and they win
  return {
    name,
    help: helpText(name, description, table, example),
    read: (args) => readOptions(name, table, args) as Values<O>,
  };
}

/**
 * Runs a command and ends the program: exit code 0 where it is done, 1 where it failed, 2 where its options are wrong,
 * 130 where Ctrl-C stopped it, and then it names the command that goes on, if the run is kept. The first Ctrl-C asks it to
 * stop, the second ends it at once. Output that nobody reads any more (`| head`) ends it quietly.
 */
export async function run<O extends Options>(
  command: Command<O>,
  main: (options: Values<O>, context: Context) => Promise<void>,
): Promise<never> {
  const stop = new AbortController();
  let keeping: Keeping | undefined;
  const leave = (code: number): never => {
    const goesOn = code === 130 && keeping !== undefined;
    if (goesOn) write(Deno.stderr, `To go on: ${resumeCommand(command.name, Deno.args)}\n`);
    Deno.exit(code);
  };
  const interrupt = () => {
    if (stop.signal.aborted) leave(130);
    stop.abort();
    write(Deno.stderr, "\nStopping; press Ctrl-C again to end at once\n");
  };
  Deno.addSignalListener("SIGINT", interrupt);
  let failure: unknown;
  let debug = false;
  try {
    const options = command.read(Deno.args) as Values<Options>;
    debug = options.debug === true;
    if (options.help === true) write(Deno.stdout, command.help);
    else {
      keeping = await keepingOf(command.name, options as Partial<ValuesOf<typeof trainingOptions>>);
      await main(options as Values<O>, contextOf(options.json === true, stop.signal, keeping));
    }
  } catch (error) {
    failure = error;
  }
  const { code, text } = ending(failure, { interrupted: stop.signal.aborted, debug, name: command.name });
  write(Deno.stderr, text);
  return leave(code);
}

/** The end of a program: its exit code, and its text on standard error. */
export function ending(
  failure: unknown,
  { interrupted, debug, name }: { readonly interrupted: boolean; readonly debug: boolean; readonly name: string },
): { readonly code: number; readonly text: string } {
  if (failure instanceof Error && failure.name === "BrokenPipe") return { code: 0, text: "" };
  if (interrupted && (failure === undefined || isAbort(failure))) return { code: 130, text: "" };
  if (failure === undefined) return { code: 0, text: "" };
  if (failure instanceof UsageError) return { code: 2, text: `${failure.message} (see --help)\n` };
  const message = failure instanceof Error ? failure.message : String(failure);
  if (debug) return { code: 1, text: `${failure instanceof Error ? failure.stack ?? message : message}\n` };
  if (isExpected(failure)) return { code: 1, text: `${message}\n` };
  return { code: 1, text: `Cannot finish ${name}: ${message}\n--debug shows where this happened\n` };
}

/** Returns true if an error is one that a stopped run throws. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/**
 * Returns true if an error's message is all that its reader needs: Gatehouse's begin with what cannot be done, those
 * of the system have a class of their own. JavaScript's own errors may begin alike, and are not expected.
 */
function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (Object.hasOwn(Deno.errors, error.name)) return true;
  return /^Cannot /.test(error.message) &&
    !/^Cannot ([\w ]+ propert|destructure|convert|access '|mix BigInt|perform)/.test(error.message);
}

/** The output of a command. */
function contextOf(json: boolean, signal: AbortSignal, keeping: Keeping | undefined): Context {
  return {
    signal,
    keeping,
    say: (text) => write(json ? Deno.stderr : Deno.stdout, text + "\n"),
    record: (values) => json && write(Deno.stdout, JSON.stringify(values) + "\n"),
  };
}

/** Writes all of a text; on standard error, as far as somebody reads it. */
function write(to: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
  } catch (error) {
    if (to === Deno.stdout) throw error;
  }
}
