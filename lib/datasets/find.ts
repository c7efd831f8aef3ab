import { builtin } from "../files/builtin.ts";
import { failureOf, files } from "../files/runtime.ts";

/** The place of a file of a data set, or the places that were searched in vain. */
export interface Found {
  readonly path: string | undefined;
  readonly places: readonly string[];
}

/**
 * Looks for a file of a data set, packed (`.gz`) or plain: in `folder` where it is given, else in the folder that the
 * environment variable GATEHOUSE_DATA names, then in `data`; in each in the folder of the set first.
 *
 * @param set The name of the data set's own folder.
 * @param name The name of the file, without `.gz`.
 */
export async function findFile(set: string, name: string, folder?: string): Promise<Found> {
  const roots = folder !== undefined ? [folder] : [await variable("GATEHOUSE_DATA"), "data"];
  const places = roots.filter((root) => root !== undefined).flatMap((root) => [`${root}/${set}`, root]);
  for (const place of places) {
    for (const path of [`${place}/${name}.gz`, `${place}/${name}`]) {
      if (await isFile(path)) return { path, places };
    }
  }
  return { path: undefined, places };
}

/** An environment variable, where it is set and may be read. */
async function variable(name: string): Promise<string | undefined> {
  if (typeof Deno === "undefined") return builtin("node:process")?.env[name] || undefined;
  const { state } = await Deno.permissions.query({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) || undefined : undefined;
}

/** Returns true if there is such a file. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await files().stat(path)).kind === "file";
  } catch (error) {
    if (["NotFound", "NotADirectory"].includes(failureOf(error) ?? "")) return false;
    throw error;
  }
}
