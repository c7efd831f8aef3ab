import { assert, assertEquals } from "@std/assert";

/** The outputs of a program that has ended, and its exit code. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/**
 * Starts an example as its task does, without the task's shell.
 *
 * @param without A permission of the task that it is not given, such as `--allow-ffi`.
 */
export function start(name: string, args: readonly string[], without?: string): Deno.ChildProcess {
  const { command } = JSON.parse(Deno.readTextFileSync("deno.json")).tasks[name];
  const [program, run, ...rest] = command.split(" ");
  assertEquals([program, run], ["deno", "run"], command);
  return new Deno.Command(Deno.execPath(), {
    args: [run, "--no-prompt", ...rest.filter((word: string) => word !== without), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits for the end of a program. */
export async function finished(process: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await process.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

/** Presses Ctrl-C, or sends another signal, once the standard output is as wanted, and waits for the end of the program. */
export async function interrupted(
  process: Deno.ChildProcess,
  wanted: (out: string) => boolean,
  signal: "SIGINT" | "SIGTERM" = "SIGINT",
): Promise<Ended> {
  const error = new Response(process.stderr).text();
  let [out, asked] = ["", false];
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    out += text;
    if (asked || !wanted(out)) continue;
    asked = true;
    process.kill(signal);
  }
  return { code: (await process.status).code, out, error: await error };
}

/** Ends a program by a signal once something is so, and waits for its end. */
export async function endedBy(
  signal: "SIGKILL" | "SIGINT",
  process: Deno.ChildProcess,
  isSo: () => Promise<boolean>,
): Promise<Ended> {
  const end = finished(process);
  let running = true;
  process.status.then(() => running = false);
  while (running && !await isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
  assert(running, "it ended before it was ended");
  process.kill(signal);
  return await end;
}
