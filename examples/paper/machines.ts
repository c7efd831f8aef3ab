import { cpus } from "node:os";

/** Adds this machine to those that made the results of a folder, a line of `machines.jsonl`, where it is not among them. */
export async function keepMachine(folder: string): Promise<void> {
  const machine = thisMachine();
  if ((await readMachines(folder)).includes(machine)) return;
  await Deno.writeTextFile(`${folder}/machines.jsonl`, JSON.stringify({ machine }) + "\n", { append: true });
}

/** The machines that made the results of a folder, in words; none where that was not kept. */
export async function readMachines(folder: string): Promise<readonly string[]> {
  try {
    const text = await Deno.readTextFile(`${folder}/machines.jsonl`);
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).machine);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The processor, if it may be asked for, its threads, and what programs ran on it. */
function thisMachine(): string {
  const asked = Deno.permissions.querySync({ name: "sys", kind: "cpus" }).state === "granted";
  const processor = asked ? `${cpus()[0].model}, ` : "";
  return `${processor}${navigator.hardwareConcurrency} threads, ${Deno.build.os} ${Deno.build.arch}, ` +
    `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`;
}
