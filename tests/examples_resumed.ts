import { assert, assertEquals, assertMatch } from "@std/assert";
import { endedBy, finished, start } from "./programs.ts";
import { versionsIn } from "../lib/files/versions.ts";

/** An example whose trainings are ended, and where. */
export interface Endings {
  /** The options of a run that takes little time. */
  readonly args: readonly string[];
  /** The trainings, by the names of their folders, in which SIGKILL and then Ctrl-C end the run. */
  readonly killed: string;
  readonly stopped: string;
}

/**
 * A run that is ended by SIGKILL, goes on, is stopped by Ctrl-C and goes on again writes in the end what one writes that
 * nothing ended, the digest of what was trained in its last line; so does one that has nothing left to do.
 */
export async function resumes(name: string, folder: string, { args, killed, stopped }: Endings): Promise<void> {
  const whole = await finished(start(name, [...args, "--json"]));
  assertEquals(whole.code, 0, whole.error);
  assertMatch(whole.out.trimEnd().split("\n").at(-1)!, /^\{"sha256":"[0-9a-f]{64}"\}$/);

  const kept = [...args, "--json", "--checkpoint", folder, "--every", "0.01"];
  const isAt = (training: string, before = 0) => async () =>
    ((await versionsIn(`${folder}/${training}`))[0]?.step ?? 0) > before;
  await endedBy("SIGKILL", start(name, kept), isAt(killed));

  const refused = await finished(start(name, kept));
  assertEquals([refused.code, refused.out], [2, ""], refused.error);
  assertMatch(
    refused.error,
    /^Cannot run [^\n]+--resume goes on from there, another folder begins anew \(see --help\)\n$/,
  );

  const before = (await versionsIn(`${folder}/${stopped}`))[0]?.step;
  const interrupted = await endedBy("SIGINT", start(name, [...kept, "--resume"]), isAt(stopped, before));
  assertEquals(interrupted.code, 130, interrupted.error);
  assert(!interrupted.out.includes("sha256"), "it ended before it was stopped");
  assertMatch(
    interrupted.error,
    new RegExp(`\nTo go on: deno task ${name} [^\n]+ --checkpoint ${folder} [^\n]+--resume\n$`),
  );

  for (const _ of ["what is left", "nothing"]) {
    const resumed = await finished(start(name, [...kept, "--resume"]));
    assertEquals(resumed.code, 0, resumed.error);
    assertEquals(timeless(resumed.out), timeless(whole.out), name);
  }
}

/** Returns the lines of an output without the time and memory that things took. */
function timeless(out: string): unknown[] {
  return out.trimEnd().split("\n").map((line) => {
    const { seconds: _, mib: __, ...rest } = JSON.parse(line);
    return rest;
  });
}
