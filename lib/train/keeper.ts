import { failure } from "../files/runtime.ts";
import { holdVersions, versionName, type Versions } from "../files/versions.ts";
import { insidesOf } from "../model/insides.ts";
import { changedParametersIn, filesOfModel, parametersIn, type SpecFiles, specFiles } from "../model/save.ts";
import { areFew, type ByChanges, changedIn } from "./changes.ts";
import { baseOf, checkpointFiles } from "./checkpoint.ts";
import type { Keeping } from "./settings.ts";
import { arraysIn, factsOf, type Run, stateOf } from "./run.ts";

/** The writer of a training's checkpoints. */
export interface Keeper {
  /** Writes a checkpoint of a training as it stands, if it has gone on since the last one. */
  readonly write: <Tasks extends string>(run: Run<Tasks>) => Promise<void>;
  /** Writes one if enough steps or seconds have passed since the last. */
  readonly writeIfDue: <Tasks extends string>(run: Run<Tasks>) => Promise<void>;
  /** Lets another training write in the folder. */
  readonly release: () => Promise<void>;
}

/**
 * Returns the writer of checkpoints in a folder, which it holds until it is released.
 *
 * @param resume The folder or checkpoint that the training goes on from, if any.
 * @param form The way in which checkpoints are written by changes.
 * @throws {Deno.errors.AlreadyExists} if the folder has checkpoints that the training does not go on from.
 * @throws {Deno.errors.Busy} if another training writes there.
 */
export async function keeperOf(
  { folder, steps, seconds, keep }: Keeping,
  resume: string | undefined,
  form: ByChanges,
): Promise<Keeper> {
  const advice = "the model in memory has learnt up to this step: save(model, path) saves it elsewhere";
  const versions = await holdVersions(folder, "write checkpoint", advice, baseOf);
  try {
    await checkOwn(versions, folder, resume);
  } catch (error) {
    await versions.release();
    throw error;
  }
  let before = performance.now();
  let spec: SpecFiles | undefined; // the same for all
  let written = "";
  let base: { readonly folder: string; readonly sha256: string } | undefined; // the last whole one
  let after = 0; // those by changes since then
  const write: Keeper["write"] = async (run) => {
    const { model, insides, given, now, clock } = run;
    const place = JSON.stringify([now.step, now.epoch, now.position ?? null, now.validated]);
    if (place === written || now.step === 0) return;
    insidesOf(model, "write checkpoint"); // it may be disposed in the loop
    clock.pause();
    const state = await stateOf(run);
    spec ??= specFiles(model.spec);
    const step = given.from.step + now.step;
    const folder = versionName(step);
    const { vectors } = state.steps;
    const isWhole = base === undefined || base.folder === folder || after >= form.most ||
      !areFew(insides.tables, vectors, form);
    const changed = isWhole ? undefined : changedIn(vectors);
    const parameters = changed === undefined
      ? parametersIn(model, state.flat, spec.id, "F32")
      : changedParametersIn(model, state.flat, spec.id, changed, base!);
    let sha256 = "";
    const saved = filesOfModel(spec, parameters);
    const arrays = arraysIn(insides, state, changed);
    const files = checkpointFiles(saved, factsOf(run, state), arrays, isWhole ? undefined : base, (digest) => {
      sha256 = digest;
    });
    await versions.write(step, files, keep);
    after++;
    if (isWhole) {
      run.steps.mark();
      [base, after] = [{ folder, sha256 }, 0];
    }
    clock.resume();
    [written, before] = [place, performance.now()];
  };
  return {
    write,
    writeIfDue: async (run) => {
      if (run.now.step % steps === 0 || performance.now() - before >= 1000 * seconds) await write(run);
    },
    release: versions.release,
  };
}

/** Makes sure that the checkpoints in a folder, if there are any, are those that the training goes on from. */
async function checkOwn(versions: Versions, folder: string, resume: string | undefined): Promise<void> {
  const [newest] = await versions.list();
  if (newest === undefined || resume !== undefined && await versions.has(resume)) return;
  const wanted = `wanted resume: ${JSON.stringify(folder)}, which goes on with it, or another folder`;
  const found = `the folder has the checkpoints of a training, up to step ${newest.step}`;
  throw failure("AlreadyExists", `Cannot write checkpoint\n  at ${folder}: ${found}: ${wanted}`);
}
