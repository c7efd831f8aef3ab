import type { ByChanges } from "../../lib/train/changes.ts";
import { trainBy } from "../../lib/train/train.ts";
import { bitsOf, dataOf, type Kinds, modelOf, optionsOf } from "../runs.ts";

/** The program that is killed: it trains with checkpoints, goes on from the last one, and prints the bits of the end. */
export interface Program {
  readonly kinds: Kinds;
  readonly folder: string;
  readonly every: { readonly steps: number } | { readonly seconds: number };
  readonly keep: number;
  readonly form: ByChanges;
}

const { kinds, folder, every, keep, form }: Program = JSON.parse(Deno.args[0]);
const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());
const model = await modelOf(kinds);
const options = { ...optionsOf(kinds), checkpoint: { folder, every, keep }, resume: folder, signal: stop.signal };
for await (const _ of trainBy(model, await dataOf(kinds), options, form)) { /* goes on */ }
if (!stop.signal.aborted) console.log(await bitsOf(model));
Deno.exit(stop.signal.aborted ? 130 : 0);
