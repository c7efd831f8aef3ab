import { explained, kindAt, message, placeOf } from "../lib/files/place.ts";
import { failure } from "../lib/files/runtime.ts";

/**
 * Makes a folder with those above it; one that is there stays as it is.
 *
 * @param action The action that errors name, such as `save models`.
 * @throws {Deno.errors.NotADirectory} if something else is there.
 * @throws {Error} if it may not or cannot be made.
 */
export async function makeFolder(folder: string, action: string): Promise<void> {
  const place = placeOf(folder, action);
  try {
    const kind = await kindAt(folder);
    if (kind !== undefined && kind !== "folder") {
      throw failure("NotADirectory", message(place, `found a ${kind}, wanted a folder`));
    }
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw explained(error, place);
  }
}
