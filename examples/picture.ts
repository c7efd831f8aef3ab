import { writeFileAtomic } from "../lib/files/atomic.ts";
import { explained, kindAt, message, placeOf } from "../lib/files/place.ts";
import { failure } from "../lib/files/runtime.ts";

const action = "write picture";

/**
 * Makes sure that a picture can be written, before what it shows takes its time: makes the folder, where it is missing.
 *
 * @throws {Deno.errors.AlreadyExists} if a folder has its name.
 * @throws {Error} if its folder may not or cannot be made.
 */
export async function placePicture(path: string): Promise<void> {
  const place = placeOf(path, action);
  try {
    const kind = await kindAt(path);
    if (kind === "folder") throw failure("AlreadyExists", message(place, "found a folder, wanted a file"));
    await Deno.mkdir(place.parent, { recursive: true });
  } catch (error) {
    throw explained(error, place);
  }
}

/** Writes a picture, in a folder that is made where it is missing. */
export async function writePicture(path: string, svg: string): Promise<void> {
  await writeFileAtomic(path, svg, action);
}
