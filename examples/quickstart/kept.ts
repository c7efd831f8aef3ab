import { writeFileAtomic } from "../../lib/files/atomic.ts";
import { kindAt } from "../../lib/files/place.ts";
import { parsed } from "../resumable.ts";
import type { Outcome, Request } from "./training.ts";

/** Keeps the outcome of a run that is complete, and the settings that it was made by, beside its checkpoints. */
export async function keepOutcome(request: Request, outcome: Outcome): Promise<void> {
  const path = pathOf(request);
  if (path === undefined) return;
  await writeFileAtomic(path, JSON.stringify({ settings: settingsOf(request), outcome }), "keep outcome");
}

/**
 * Returns the outcome that was kept of a run; undefined if there is none by its settings, or its model is to be saved,
 * which its last checkpoint has.
 */
export async function keptOutcome(request: Request): Promise<Outcome | undefined> {
  const path = pathOf(request);
  if (path === undefined || await kindAt(path) === undefined) return undefined;
  const { settings, outcome } = Object(parsed(await Deno.readTextFile(path)));
  return JSON.stringify(settings) === JSON.stringify(settingsOf(request)) ? outcome : undefined;
}

function pathOf({ keeping, keep }: Request): string | undefined {
  return keeping === undefined || keep !== undefined ? undefined : `${keeping.folder}/outcome.json`;
}

/** Returns all that the numbers of a run follow from. */
function settingsOf({ keep: _keep, keeping: _keeping, ...settings }: Request): Omit<Request, "keep" | "keeping"> {
  return settings;
}
