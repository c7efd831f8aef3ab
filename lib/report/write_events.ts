import { checkText, isRecord, kindOf } from "../errors/kinds.ts";
import { explained, placeOf } from "../files/place.ts";
import { failureOf, files } from "../files/runtime.ts";
import type { OpenFile } from "../files/system.ts";
import { firstEvent, scalarsEvent, startEvent } from "../formats/events.ts";
import type { Progress } from "../train/progress.ts";

/**
 * Writes the records of a training as an event file of TensorBoard while they pass, and yields them on: the loop over them is
 * that over `train`.
 *
 * Scalars are `total`, `norm`, `rows/second`, `loss/<task>`, `weight/<task>`, `auxiliary/<path>`, `dropped/<gate>` and, after
 * an evaluation, `validation/<task>/loss`, `validation/<task>/auc` and the like, each by its step.
 *
 * Each step is one record, written at once before it is yielded, so that a reader sees whole steps while the training runs,
 * and those of a run that was killed. Each call writes a file of its own in the folder, `events.out.tfevents.<seconds>...`;
 * TensorBoard shows the files of a folder as one run, without the steps of older ones from the first step of the newest on:
 * a training that goes on from its step 1000 continues the curves there, whatever was written after that step before.
 *
 * @param folder The folder of the run, which is made if it is not there. `tensorboard --logdir` takes it, or one above it.
 * @param records What `train` returns.
 * @throws {TypeError} if the folder is not a text, or the records cannot be iterated over.
 * @throws {Error} if the file cannot be written; then the training ends, and the model keeps what it learnt.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, compile, define, reference, rows, train } from "@gatehouse/gatehouse";
 * import { writeEvents } from "@gatehouse/gatehouse/tensorboard";
 *
 * const model = await compile(define({ input: 1, tasks: { click: binary() } }), { engine: reference() });
 * const data = rows([[-1], [1]], { labels: { click: [0, 1] } });
 * let steps = 0;
 * for await (const _ of writeEvents("out/events", train(model, data, { steps: 20 }))) steps++;
 * assertEquals(steps, 20);
 * model.dispose();
 * ```
 */
export async function* writeEvents<Tasks extends string>(
  folder: string,
  records: AsyncIterable<Progress<Tasks>>,
): AsyncGenerator<Progress<Tasks>, void, void> {
  checkText("write events", "folder", folder);
  if (!isRecord(records) || typeof records[Symbol.asyncIterator as unknown as string] !== "function") {
    throw new TypeError(`Cannot write events: wanted what train() returns, found ${kindOf(records)}`);
  }
  let file: EventFile | undefined;
  try {
    for await (const at of records) {
      const moment = { seconds: Date.now() / 1000, step: at.step };
      file ??= await newFile(folder, moment.seconds, startEvent(moment));
      await file.write(scalarsEvent(moment, scalarsOf(at)));
      yield at;
    }
  } finally {
    await file?.close();
  }
}

/** An event file that is written. */
interface EventFile {
  readonly write: (record: Uint8Array) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Returns a new event file in a folder, with its first records. */
async function newFile(folder: string, seconds: number, start: Uint8Array): Promise<EventFile> {
  const name = `events.out.tfevents.${`${Math.floor(seconds)}`.padStart(10, "0")}.gatehouse`;
  const [path, file] = await attempt(`${folder}/${name}`, async () => {
    await files().mkdir(folder, { recursive: true });
    return await created(`${folder}/${name}`);
  });
  const write = async (record: Uint8Array) => {
    for (let at = 0; at < record.length;) at += await attempt(path, () => file.write(record.subarray(at)));
  };
  try {
    await write(firstEvent(seconds));
    await write(start);
  } catch (error) {
    await file.close();
    throw error;
  }
  return { write, close: file.close };
}

/** Returns a new file and its path, which ends in a number: several may begin in one second. */
async function created(start: string): Promise<readonly [path: string, file: OpenFile]> {
  for (let number = 0;; number++) {
    const path = `${start}.${`${number}`.padStart(4, "0")}`; // readers take files by the order of their names
    try {
      return [path, await files().create(path)];
    } catch (error) {
      if (failureOf(error) !== "AlreadyExists") throw error;
    }
  }
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  const place = placeOf(path, "write events");
  try {
    return await work();
  } catch (error) {
    throw explained(error, place);
  }
}

/** Returns the numbers of a record by the names that TensorBoard groups them by. */
function scalarsOf<Tasks extends string>(at: Progress<Tasks>): Record<string, number> {
  const named = (word: string, numbers: Readonly<Record<string, number>>) =>
    Object.entries(numbers).map(([name, number]) => [`${word}/${name}`, number] as const);
  const { loss = {}, metrics = {}, auxiliary = {} } = at.validation ?? {};
  return Object.fromEntries([
    ["total", at.total],
    ["norm", at.norm],
    ["rows/second", at.rate],
    ...named("loss", at.loss),
    ...named("weight", at.weights),
    ...named("auxiliary", at.auxiliary),
    ...named("dropped", at.dropped),
    ...Object.entries<number>(loss).map(([task, number]) => [`validation/${task}/loss`, number] as const),
    ...Object.entries<Readonly<Record<string, number>>>(metrics).flatMap(([task, numbers]) =>
      named(`validation/${task}`, numbers)
    ),
    ...named("validation/auxiliary", auxiliary),
  ]);
}
