import { cpus } from "node:os";

/** Adds this machine to those that made the results of a folder, a line of `machines.jsonl`, where it is not among them. */
export async function keepMachine(folder: string): Promise<void> {
  const machine = thisMachine();
  if ((await readMachines(folder)).includes(machine)) return;
  await Deno.writeTextFile(`${folder}/machines.jsonl`, JSON.stringify({ machine }) + "\n", { append: true });
}

/**
 * The machines that made the results of a folder, in words; none where that was not kept.
 *
 * @throws {SyntaxError} with file and line, if a line names no machine.
 */
export async function readMachines(folder: string): Promise<readonly string[]> {
  const path = `${folder}/machines.jsonl`;
  try {
    const lines = (await Deno.readTextFile(path)).split("\n");
    return lines.flatMap((line, i) => line === "" ? [] : [machineOf(line, `${path}:${i + 1}`)]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function machineOf(line: string, place: string): string {
  let machine: unknown;
  try {
    ({ machine } = JSON.parse(line));
  } catch {
    machine = undefined;
  }
  if (typeof machine === "string") return machine;
  throw new SyntaxError(
    `Cannot read machines\n  at ${place}: wanted {"machine": "its name"}, found ${line.slice(0, 60)}`,
  );
}

/** The processor, if it may be asked for, its threads, and what programs ran on it. */
function thisMachine(): string {
  const asked = Deno.permissions.querySync({ name: "sys", kind: "cpus" }).state === "granted";
  const processor = asked ? `${cpus()[0].model}, ` : "";
  return `${processor}${navigator.hardwareConcurrency} threads, ${Deno.build.os} ${Deno.build.arch}, ` +
    `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`;
}
