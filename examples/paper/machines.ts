import { cpus } from "node:os";

/** Adds this machine to those that made the results of a folder, in `machines.json`, where it is not among them. */
export async function keepMachine(folder: string): Promise<void> {
  const known = await readMachines(folder);
  const own = thisMachine();
  if (known.includes(own)) return;
  await Deno.writeTextFile(`${folder}/machines.json`, JSON.stringify([...known, own], null, 2) + "\n");
}

/** The machines that made the results of a folder, in words; none where that was not kept. */
export async function readMachines(folder: string): Promise<readonly string[]> {
  try {
    return JSON.parse(await Deno.readTextFile(`${folder}/machines.json`));
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
