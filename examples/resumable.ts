import { type Data, type Model, type Progress, train, type TrainOptions } from "@gatehouse/gatehouse";
import { explained, kindAt, message, placeOf } from "../lib/files/place.ts";
import { failure } from "../lib/files/runtime.ts";
import { holdVersions, type Version } from "../lib/files/versions.ts";
import { baseOf } from "../lib/train/checkpoint.ts";
import { type Options, UsageError, type ValuesOf } from "./options.ts";
import { makeFolder } from "./make_folder.ts";

/** The options of an example that trains: its run can be ended at any moment, and goes on to the same numbers. */
export const trainingOptions = {
  checkpoint: { kind: "path", help: "the folder of checkpoints, in which each training has a folder of its own" },
  resume: { kind: "flag", help: "go on from what is in that folder, as if nothing had ended the run" },
  every: { kind: "number", help: "seconds from one checkpoint to the next", default: 10, from: 0 },
  json: {
    kind: "flag",
    help: "results as one JSON object a line on standard output, and in the last the SHA-256 of what was trained",
  },
} as const satisfies Options;

/** The way in which trainings are kept, so that they can go on. */
export interface Keeping {
  /** The folder of one training: its checkpoints, and `records.jsonl` beside them; or that of the folders of several. */
  readonly folder: string;
  /** The seconds from one checkpoint to the next. */
  readonly every: number;
}

/** Returns the way in which a training is kept, in a folder of its own within that of a run. */
export function keptAs(name: string, keeping: Keeping | undefined): Keeping | undefined {
  return keeping && { ...keeping, folder: `${keeping.folder}/${name}` };
}

/**
 * Returns the way in which the trainings of a run are kept, in a folder that is made where it is missing; undefined if they
 * are not kept.
 *
 * @param name The name of the example.
 * @throws {UsageError} if there is no folder to go on from, or one that has something without the word to go on from it.
 * @throws {Deno.errors.NotADirectory} if something else is there.
 * @throws {Deno.errors.NotCapable} if the folder may not be written.
 */
export async function keepingOf(
  name: string,
  { checkpoint: folder, resume = false, every = trainingOptions.every.default }: Partial<
    ValuesOf<typeof trainingOptions>
  >,
): Promise<Keeping | undefined> {
  if (folder === undefined) {
    if (!resume) return undefined;
    throw new UsageError(`Cannot run ${name}: --resume needs --checkpoint <path>, the folder to go on from`);
  }
  const names = await namesIn(folder);
  if (names.length > 0 && !resume) {
    const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
    const found = `the folder of --checkpoint, ${folder}, has ${shown} in it`;
    throw new UsageError(`Cannot run ${name}: ${found}: --resume goes on from there, another folder begins anew`);
  }
  return { folder, every };
}

/** Returns the names in a folder, sorted; the folder is made if nothing is there. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const place = placeOf(folder, "keep checkpoints");
  try {
    await makeFolder(folder, place.action);
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  } catch (error) {
    throw explained(error, place);
  }
}

/** Returns the command that goes on with a run, as a shell takes it. */
export function resumeCommand(name: string, args: readonly string[]): string {
  const words = args.includes("--resume") ? args : [...args, "--resume"];
  const quoted = words.map((word) => /^[\w./=,:-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
  return ["deno task", name, ...quoted].join(" ");
}

/** The record of a step; of one that was taken before the training went on, its place and losses alone are known. */
export type Taken<Tasks extends string = string> =
  & Pick<Progress<Tasks>, "epoch" | "step" | "loss">
  & Partial<Progress<Tasks>>;

/**
 * Trains a model as `train` does and, where it is kept, from where its last run was: first come the records of the steps
 * that it took, then those of the steps that are left. The records of all steps are lines of `records.jsonl`, written before
 * they are given; a checkpoint that is ahead of them, as one is when its record did not come out any more, is passed over
 * for the one before. So what is computed from records is the same, however often the training was ended.
 *
 * @throws {Deno.errors.Busy} if another program keeps its training in the folder.
 * @throws {Deno.errors.NotFound} if the folder has checkpoints without their records.
 * @throws {SyntaxError} with file and line, if a line of records is damaged.
 * @throws {RangeError} if more steps were taken than are asked for.
 */
export async function* taken<Tasks extends string>(
  model: Model<Tasks>,
  data: Data,
  options: TrainOptions<NoInfer<Tasks>>,
  keeping: Keeping | undefined,
): AsyncGenerator<Taken<Tasks>, void, void> {
  if (keeping === undefined) return yield* train(model, data, options);
  const { folder, every } = keeping;
  const { log, versions } = await opened<Tasks>(folder);
  try {
    let last = log.records.at(-1)?.step ?? 0;
    const from = versions.find(({ step }) => step <= last); // the newest comes first
    if (from === undefined) await Promise.all(versions.map(({ path }) => Deno.remove(path, { recursive: true })));
    last = from?.step ?? 0;
    const before = log.records.filter(({ step }) => step <= last);
    checkBudget(folder, before.at(-1), options);
    log.cut(last);
    yield* before;
    const checkpoint = { folder, every: { seconds: every }, keep: 2 }; // one may be passed over
    for await (const at of train(model, data, { ...options, checkpoint, resume: from?.path })) {
      if (at.step <= last) continue; // it comes again where its epoch had not been validated
      last = at.step;
      log.add(at);
      yield at;
    }
  } finally {
    log.close();
  }
}

/** Makes sure that a training has not taken more steps than it is to take. */
function checkBudget(
  folder: string,
  { step, epoch }: Pick<Taken, "step" | "epoch"> = { step: 0, epoch: 0 },
  { steps = Infinity, epochs = Infinity }: TrainOptions,
): void {
  if (step <= steps && epoch <= epochs) return;
  const most = step > steps ? `${steps} steps are` : `${epochs} epochs are`;
  const found = `the training has taken ${step} steps, in epoch ${epoch}, where ${most} asked for`;
  throw new RangeError(`Cannot resume training\n  at ${folder}: ${found}: wanted as many or more, or another folder`);
}

/** The records of a training on the disk. */
interface Log<Tasks extends string> {
  /** Those that were there. */
  readonly records: readonly Taken<Tasks>[];
  /** Removes those after a step. */
  readonly cut: (step: number) => void;
  readonly add: (record: Taken<Tasks>) => void;
  /** Lets other programs write there. */
  readonly close: () => void;
}

/** Opens the records of a training for this program alone, and lists its checkpoints, the newest first. */
async function opened<Tasks extends string>(
  folder: string,
): Promise<{ readonly log: Log<Tasks>; readonly versions: readonly Version[] }> {
  const held = await holdVersions(folder, "resume training", "", baseOf); // brings back what a kill left under a hidden name
  try {
    const versions = await held.list();
    return { log: await openLog<Tasks>(`${folder}/records.jsonl`, versions.length > 0), versions };
  } finally {
    await held.release();
  }
}

/** Opens a file of records. */
async function openLog<Tasks extends string>(path: string, isWanted: boolean): Promise<Log<Tasks>> {
  const place = placeOf(path, "resume training");
  if (isWanted && await kindAt(path) === undefined) {
    const wanted = "wanted the folder as it was, or another one to begin anew";
    throw failure("NotFound", message(place, `the records that go with the checkpoints are missing: ${wanted}`));
  }
  const file = await Deno.open(path, { read: true, append: true, create: true });
  try {
    if (!await file.tryLock(true)) {
      throw failure("Busy", message(place, "another program trains there: wanted a folder of its own for each"));
    }
    const text = await Deno.readTextFile(path);
    const lines = text.slice(0, text.lastIndexOf("\n") + 1).split(/(?<=\n)/).filter((line) => line !== "");
    const records = lines.map((line, at) => recordIn<Tasks>(line, `${path}:${at + 1}`));
    const encoder = new TextEncoder();
    return {
      records,
      cut: (step) => {
        const kept = lines.filter((_, at) => records[at].step <= step);
        file.truncateSync(encoder.encode(kept.join("")).length);
      },
      add: ({ epoch, step, loss }) => {
        try {
          let line = encoder.encode(`${JSON.stringify({ epoch, step, loss })}\n`);
          while (line.length > 0) line = line.subarray(file.writeSync(line));
        } catch (error) {
          throw explained(error, { ...place, action: "keep records" });
        }
      },
      close: () => file.close(), // which unlocks it
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Returns the record in a line. */
function recordIn<Tasks extends string>(line: string, place: string): Taken<Tasks> {
  const found = parsed(line);
  if (isRecord<Tasks>(found)) return found;
  throw new SyntaxError(
    `Cannot resume training\n  at ${place}: wanted a record as JSON, found ${JSON.stringify(line.slice(0, 60))}\n` +
      "  without this line and those below it the training goes on from an earlier checkpoint",
  );
}

/** Returns the value of a text; undefined if it is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord<Tasks extends string>(value: unknown): value is Taken<Tasks> {
  const { epoch, step, loss } = Object(value);
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(step) && typeof loss === "object" && loss !== null;
}

/**
 * Returns true if what a run has trained may be saved at a path: always, but where Ctrl-C stopped it, which leaves an older
 * model there as it is.
 */
export async function maySave(
  path: string,
  { signal, say }: { readonly signal: AbortSignal; readonly say: (text: string) => void },
): Promise<boolean> {
  if (!signal.aborted || await kindAt(path) === undefined) return true;
  say(
    `${path} keeps its older model, as the training was stopped: --save FOLDER saves what was trained in another folder`,
  );
  return false;
}
