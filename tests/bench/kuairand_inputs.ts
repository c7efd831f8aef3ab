/**
 * Writes KuaiRand-Pure with the inputs of our models for those of others: of `raw`, `lag` and `online`, or those that are
 * named, `out/bench_kuairand/INPUTS.csv` and what it holds, `INPUTS.json`.
 */
import { days, inputNames, type Inputs, prepare, withPast } from "../../examples/kuairand/inputs.ts";
import { readLog, readTables, tasks, text } from "../../examples/kuairand/log.ts";
import { partOf, writeChunks } from "../../lib/datasets/unpack.ts";
import { type Log, type Table, tableOf } from "./kuairand_table.ts";

/**
 * KuaiRand-Pure with the inputs that `deno task kuairand` gives our models, in the order of its log.
 *
 * @param folder The folder of the files. By default GATEHOUSE_DATA, then `data`.
 * @throws {Error} if the files are not found, or others.
 */
export async function logOf(inputs: Inputs, folder?: string, verify = true): Promise<Log> {
  const reading = { folder, verify };
  const log = await readLog(await readTables(reading), reading);
  const { features } = prepare(log, inputs);
  const { table } = withPast(log, inputs);
  const { codes, words } = text(table, "date");
  const parts = Object.values(days);
  const of = words.map((day) => parts.findIndex(([first, last]) => first <= day && day <= last));
  return {
    inputs,
    columns: table,
    features,
    splits: Object.keys(days),
    split: codes.map((code) => of[code]),
    tasks,
    group: "user_id",
  };
}

/** Writes a table to `FOLDER/INPUTS.csv` and `.json`, which is written last; each whole, or not at all. */
export async function writeTable({ form, csv }: Table, folder: string): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/${form.inputs}`;
  await write(`${path}.csv`, csv());
  await write(`${path}.json`, [JSON.stringify(form)]);
  return path;
}

async function write(path: string, pieces: Iterable<string>): Promise<void> {
  const part = partOf(path);
  try {
    await writeChunks(part, chunks(pieces));
    await Deno.rename(part, path);
  } finally {
    await Deno.remove(part).catch(() => {});
  }
}

/** Yields text as bytes, in pieces that are worth a write. */
async function* chunks(pieces: Iterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = "";
  for (const piece of pieces) {
    text += piece;
    if (text.length < 2 ** 16) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(text);
}

if (import.meta.main) {
  const unknown = Deno.args.find((name) => !inputNames.some((known) => known === name));
  if (unknown !== undefined) {
    throw new TypeError(`Cannot write inputs: found ${unknown}, wanted ${inputNames.join(", ")}`);
  }
  for (const name of inputNames) {
    if (Deno.args.length > 0 && !Deno.args.includes(name)) continue;
    console.log(await writeTable(tableOf(await logOf(name)), "out/bench_kuairand"));
  }
}
