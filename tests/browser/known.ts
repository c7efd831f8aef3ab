import type { Known } from "./verdict.ts";

/** The failures that are known. A case that is mended must leave the list: `deno task test:browser` fails until it does. */
export const known: readonly Known[] = [];
