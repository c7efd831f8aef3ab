import { kindAt } from "../lib/files/place.ts";

/**
 * Reads a token, which callers carry, from its file.
 *
 * @param action The action that errors name.
 * @throws {Error} if the file cannot be read.
 */
export async function readToken(path: string, action: string): Promise<string> {
  try {
    const kind = await kindAt(path);
    if (kind === undefined || kind === "folder") {
      throw new Error(`found ${kind === undefined ? "nothing" : "a folder"}, wanted a file that holds the token`);
    }
    const token = (await Deno.readTextFile(path)).trim();
    if (token !== "") return token;
    throw new Error("the file is empty, wanted a token");
  } catch (error) {
    throw new Error(`Cannot ${action}\n  at --token ${path}: ${(error as Error).message}`, { cause: error });
  }
}
