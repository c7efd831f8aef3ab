/**
 * Reads a token, which callers carry, from its file.
 *
 * @param action The action that errors name.
 * @throws {Error} if the file cannot be read.
 */
export async function readToken(path: string, action: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (error) {
    throw new Error(`Cannot ${action}\n  at --token: ${(error as Error).message}`, { cause: error });
  }
}
