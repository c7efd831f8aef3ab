import { writeFileAtomic } from "../lib/files/atomic.ts";

/** Writes a picture, in a folder that is made where it is missing. */
export async function writePicture(path: string, svg: string): Promise<void> {
  await writeFileAtomic(path, svg, "write picture");
}
