import { waited } from "../files/answered.ts";
import type { Progress } from "../train/progress.ts";
import type { JobState, RayJobs } from "./client.ts";
import { type LogReader, logReader } from "./log.ts";
import { type Ended, type Failed, type RayEvent, recordOf } from "./records.ts";
import { plainText } from "./request.ts";
import type { Tail } from "./tail.ts";

/** The way in which a job is followed. */
export interface Following {
  /** The action that errors name. */
  readonly action: string;
  /** The milliseconds from one look at the job to the next, at least. */
  readonly every: number;
  readonly signal: AbortSignal | undefined;
  readonly report: ((event: RayEvent) => void) | undefined;
}

/**
 * Yields the records of a job until it has ended, and returns its end. Its log is sent as it grows; where it is not, it is
 * asked for, whole each time, and the seldomer the longer that takes.
 *
 * @param tail The log as it is sent; where that was closed the log is asked for.
 * @throws {Error} if the job fails or is stopped, with its own words, or the cluster is not reached.
 */
export async function* follow<Tasks extends string>(
  jobs: RayJobs,
  id: string,
  { action, every, signal, report }: Following,
  tail: Tail,
): AsyncGenerator<Progress<Tasks>, Ended, void> {
  const reader = logReader();
  let failed: Failed | undefined;
  for (let again = 2;;) {
    const state = await jobs.state(id, signal);
    if (state === undefined) throw new Error(`Cannot ${action}: the cluster knows no job ${id}`);
    const isOver = !isOn(state);
    const begun = Date.now();
    const piece = isOver ? undefined : tail.take(); // the end of a log that is sent may be missing
    const lines = piece === undefined
      ? reader.take(await logOf(jobs, id, signal) ?? "", isOver)
      : reader.takePiece(piece.text, piece.start);
    const took = Date.now() - begun;
    let ended: Ended | undefined;
    for (const line of lines) {
      const record = recordOf<Tasks>(line);
      if (record?.kind === "step") yield record.at;
      if (record?.kind === "event") report?.(record.event);
      if (record?.kind === "failed") failed = record.failed;
      if (record?.kind === "ended") ended = record.ended;
    }
    if (ended !== undefined) return ended;
    // The last lines of a job may follow the news of its end.
    if (isOver && (state.status !== "SUCCEEDED" || again-- === 0)) throw failure(action, id, state, failed, reader);
    await waited(Math.max(every, Math.min(20 * took, 60_000)), signal);
  }
}

/** Returns the log of a job; undefined if it cannot be had now. */
async function logOf(jobs: RayJobs, id: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    return await jobs.log(id, signal);
  } catch {
    signal?.throwIfAborted();
    return undefined; // the node that has it may be gone, or busy: the job's state counts
  }
}

/** Returns the error of a job that ended without a model: its own words, or the last lines of its log. */
function failure(
  action: string,
  id: string,
  { status, message }: JobState,
  failed: Failed | undefined,
  reader: LogReader,
): Error {
  const at = `Cannot ${action}\n  at job ${id}`;
  if (failed !== undefined) {
    const { where, message, remedy } = failed;
    return new Error(plainText(`${at}${where ? `, ${where}` : ""}: ${message}${remedy ? `: ${remedy}` : ""}`));
  }
  if (status === "STOPPED") return new Error(`${at}: the job was stopped`);
  const words = status === "SUCCEEDED"
    ? "the job ended without a model"
    : message.trim().slice(-1000) || "the job failed";
  return new Error(plainText([`${at}: ${words}`, ...reader.last().map((line) => `  | ${line}`)].join("\n")));
}

/**
 * Resolves when a job has ended well.
 *
 * @throws {Error} if it failed or was stopped, with its own words, or the cluster is not reached.
 */
export async function endOf(
  jobs: RayJobs,
  id: string,
  { action, every, signal }: Omit<Following, "report">,
): Promise<void> {
  for (;; await waited(every, signal)) {
    const state = await jobs.state(id, signal);
    if (state === undefined) throw new Error(`Cannot ${action}: the cluster knows no job ${id}`);
    if (state.status === "SUCCEEDED") return;
    if (isOn(state)) continue;
    const reader = logReader();
    const records = reader.take(await logOf(jobs, id, signal) ?? "", true).map((line) => recordOf(line));
    const failed = records.findLast((record) => record?.kind === "failed");
    throw failure(action, id, state, failed?.failed, reader);
  }
}

/** Returns true if a job has not ended. */
function isOn({ status }: JobState): boolean {
  return status === "PENDING" || status === "RUNNING";
}

/** Stops a job, and resolves when it has ended, or some seconds later. */
export async function stopJob(jobs: RayJobs, id: string, every: number): Promise<void> {
  await jobs.stop(id);
  for (const begun = Date.now(); Date.now() < begun + 20_000;) {
    const state = await jobs.state(id);
    if (state === undefined || !isOn(state)) return;
    await waited(Math.min(every, 1000));
  }
}
