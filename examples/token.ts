/**
 * Reads a token, which callers carry, from its file.
 *
 * @param action The action that errors name.
 * @throws {Error} if the file cannot be read, or is empty.
 */
export async function readToken(path: string, action: string): Promise<string> {
  const wanted = "wanted the path of a file that holds the token alone";
  let token: string;
  try {
    token = (await Deno.readTextFile(path)).trim();
  } catch (error) {
    const { name, message } = error as Error;
    const found = name === "NotFound" ? "found nothing there" : name === "IsADirectory" ? "found a folder" : message;
    throw new Error(`Cannot ${action}\n  at --token ${JSON.stringify(path)}: ${found}, ${wanted}`, { cause: error });
  }
  if (token !== "") return token;
  throw new Error(`Cannot ${action}\n  at --token ${JSON.stringify(path)}: found an empty file, ${wanted}`);
}
