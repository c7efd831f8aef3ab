/** Words for what is found at a path, by the name of the system's error. */
const words: Readonly<Record<string, string>> = {
  NotFound: "found nothing there",
  IsADirectory: "found a folder",
  PermissionDenied: "it may not be read by this user",
  NotCapable: "Deno may not read it, run with --allow-read",
};

/**
 * Reads a token, which callers carry, from its file.
 *
 * @param action The action that errors name.
 * @throws {Error} if the file cannot be read, is empty, or has more than a token.
 */
export async function readToken(path: string, action: string): Promise<string> {
  const wanted = "wanted the path of a file that holds the token alone";
  let token: string;
  try {
    token = (await Deno.readTextFile(path)).trim();
  } catch (error) {
    const { name, message } = error as Error;
    const found = Object.hasOwn(words, name) ? words[name] : message;
    throw new Error(`Cannot ${action}\n  at --token ${JSON.stringify(path)}: ${found}, ${wanted}`, { cause: error });
  }
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const found = token === "" ? "an empty file" : "spaces, lines or signs that no token has";
  throw new Error(`Cannot ${action}\n  at --token ${JSON.stringify(path)}: found ${found}, ${wanted}`);
}
