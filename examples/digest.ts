import type { Model } from "@gatehouse/gatehouse";
import { sha256, sha256Of } from "../lib/files/sha256.ts";

/**
 * Returns the SHA-256 of a model's parameters, vectors that are looked up among them: of each path, in the order of their
 * characters, a line of JSON, `["tasks/click/bias",[1]]`, and then its numbers as they are in memory.
 */
export async function digestOf(model: Model): Promise<string> {
  const [hash, parameters] = [sha256Of(), await model.parameters()];
  for (const path of Object.keys(parameters).sort()) {
    const { shape, data: { buffer, byteOffset, byteLength } } = parameters[path];
    hash.update(new TextEncoder().encode(`${JSON.stringify([path, shape])}\n`));
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest();
}

/** Returns the SHA-256 of the digests of several models, a line `<name> <digest>` of each: the last line with `--json`. */
export function digestOfAll(digests: readonly (readonly [name: string, digest: string])[]): string {
  return sha256(new TextEncoder().encode(digests.map(([name, digest]) => `${name} ${digest}\n`).join("")));
}
