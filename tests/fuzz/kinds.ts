import { csv } from "./csv.ts";
import { fileKinds } from "./files.ts";
import type { Kind } from "./kind.ts";
import { rowsOfLists } from "./lists.ts";
import { models } from "./models.ts";
import { rowsOfModels } from "./rows.ts";
import { requests } from "./requests.ts";
import { tables } from "./tables.ts";

/** Returns the kinds of inputs, by name, that have no test of their own. */
export async function kindsOfData(): Promise<Readonly<Record<string, Kind>>> {
  return { csv, tables, rows: rowsOfModels, lists: rowsOfLists, models, requests, ...await fileKinds() };
}
