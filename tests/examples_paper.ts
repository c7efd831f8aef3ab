import { assert, assertEquals, assertMatch } from "@std/assert";
import { studies } from "../examples/paper/studies.ts";
import { keyOf, type Result } from "../examples/paper/study.ts";
import { endedBy, finished, interrupted, start } from "./programs.ts";

/**
 * The paper's runs on tiny budgets: all of them, stopped in between and started again, none repeated and none lost; runs
 * that go on from their checkpoints; and how what cannot be run ends.
 */
export async function papers(folder: string): Promise<void> {
  await resumes(`${folder}/results`, `${folder}/paper`);
  await goesOn(`${folder}/ended`);
  await fails(`${folder}/failed`);
  const { code, out, error } = await finished(start("paper", ["figure99"]));
  assertEquals([code, out], [2, ""]);
  assertMatch(error, /^Cannot run paper: what is "figure99": [^\n]+ \(see --help\)\n$/);
}

/** Ctrl-C keeps the whole results that were reported; the next start makes the others; one more has nothing to do. */
async function resumes(results: string, report: string): Promise<void> {
  const args = ["--smoke", "--json", "--results", results, "--out", report];
  const begun = await interrupted(start("paper", ["all", ...args]), (out) => out.includes('"study":"figure3"'));
  assertEquals(begun.code, 130, begun.error);
  assert(!/^\s+at .*\.ts:\d/m.test(begun.error), begun.error);
  const first = reported(begun.out);
  assertEquals(await kept(results), sorted(first));
  assert(first.length < wanted(first).size, "it ended before it was stopped");

  const resumed = await finished(start("paper", ["all", ...args]));
  assertEquals(resumed.code, 0, resumed.error);
  const all = [...first, ...reported(resumed.out)];
  assertEquals(await kept(results), sorted(all)); // so none is there twice, and none is lost
  assertEquals(new Set(all.map(keyOf)), wanted(all));

  for (const what of ["all", "report"]) {
    await Deno.remove(report, { recursive: true });
    const again = await finished(start("paper", [what, ...args]));
    assertEquals([again.code, reported(again.out)], [0, []], again.error);
    assertEquals(await kept(results), sorted(all));
    const page = await Deno.readTextFile(`${report}/index.html`);
    assert(
      page.length > 10_000 && !/<link|<script[^>]+src=|<img[^>]+src="(?!data:)|@import|url\((?!#)/.test(page),
      what,
    );
  }
}

/** A study whose runs are ended by SIGKILL and by Ctrl-C, and go on, has the results of one that nothing ended. */
async function goesOn(folder: string): Promise<void> {
  const args = (name: string) => ["figure3", "--smoke", "--json", "--results", `${folder}/${name}`];
  const whole = await finished(start("paper", args("whole")));
  assertEquals(whole.code, 0, whole.error);
  const options = [...args("kept"), "--checkpoint", `${folder}/checkpoints`, "--every", "0.02"];
  const isUnderWay = async () => await countAt(`${folder}/checkpoints`, /\/step-\d+$/) > 0;
  await endedBy("SIGKILL", start("paper", options), isUnderWay);
  const before = (await kept(`${folder}/kept`)).length;
  const isFurther = async () => (await kept(`${folder}/kept`)).length > before && await isUnderWay();
  const stopped = await endedBy("SIGINT", start("paper", [...options, "--resume"]), isFurther);
  assertEquals(stopped.code, 130, stopped.error);
  assertMatch(stopped.error, /\nTo go on: deno task paper figure3 [^\n]+ --resume\n$/);
  const resumed = await finished(start("paper", [...options, "--resume"]));
  assertEquals(resumed.code, 0, resumed.error);
  assertEquals(resumed.out.trimEnd().split("\n").at(-1), whole.out.trimEnd().split("\n").at(-1));
  const timeless = async (name: string) =>
    (await kept(`${folder}/${name}`)).map((result) => ({ ...result, seconds: 0 }));
  assertEquals(await timeless("kept"), await timeless("whole"));
  assertEquals(await countAt(`${folder}/checkpoints`, /./), 0);
}

/** Returns the number of paths in a folder, at any depth, that match; a folder may be removed meanwhile. */
async function countAt(folder: string, wanted: RegExp): Promise<number> {
  let count = 0;
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      count += Number(wanted.test(path)) + (isDirectory ? await countAt(path, wanted) : 0);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return count;
}

/** Without data or the permission to load the native engine a run ends with what to do, and earlier results stay. */
async function fails(results: string): Promise<void> {
  const made = await finished(start("paper", ["figure2", "--runs", "1", "--smoke", "--results", results]));
  assertEquals(made.code, 0, made.error);
  const before = await kept(results);
  const cases: [string, string[], string | undefined, RegExp][] = [
    [
      "figure6",
      ["--data", `${results}/none`],
      undefined,
      /^Cannot find KuaiRand-Pure\n[^]*--data FOLDER[^]*\n {2}in run figure6\(data=kuairand model=mmoe\)#\d\n$/,
    ],
    ["figure2", ["--runs", "2"], "--allow-ffi", /^Cannot start the onnx engine: [^]*--allow-ffi\n {2}in run figure2\(/],
  ];
  for (const [what, args, without, wanted] of cases) {
    const { code, error } = await finished(start("paper", [what, ...args, "--results", results], without));
    assertEquals(code, 1, error);
    assertMatch(error, wanted);
    assertEquals(await kept(results), before);
  }
}

/** The results among lines of JSON. */
function reported(out: string): Result[] {
  return out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)).filter((line) =>
    "found" in line
  );
}

/** The results of all files of a folder, by key; every line is whole. */
async function kept(folder: string): Promise<Result[]> {
  const results: Result[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    assert(text === "" || text.endsWith("\n"), name);
    results.push(...reported(text));
  }
  return sorted(results);
}

function sorted(results: readonly Result[]): Result[] {
  return [...results].sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
}

/** The runs that the studies want, given what is known. */
function wanted(results: readonly Result[]): Set<string> {
  const jobs = Object.values(studies).flatMap((study) =>
    study.jobs(results.filter((result) => result.study === study.name), { smoke: true })
  );
  return new Set(jobs.map(keyOf));
}
