/** Makes runs of studies, one after the other, away from the thread that shows progress and answers Ctrl-C. */
import type { Engine } from "@gatehouse/gatehouse";
import { digestOfAll } from "../digest.ts";
import { type EngineName, engineOf } from "../engine.ts";
import type { Keeping } from "../resumable.ts";
import { studies } from "./studies.ts";
import { type Budget, type Job, type Result, seedOf, type Tools } from "./study.ts";

/** A request to a worker: a run, or to get ready. */
export interface Request {
  readonly job: Job;
  readonly seed: number;
  readonly engine: EngineName;
  readonly budget: Budget;
  readonly data: string | undefined;
  readonly keeping: Keeping | undefined;
}

/** The answer of a worker to a request. */
export type Answer = { readonly result: Result } | { readonly error: string; readonly stack?: string };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Request | "halt">) => void) | null;
  postMessage(answer: Answer | "halted"): void;
};

/** The run that is made now, and the graphs that run in it. */
const running = new Set<Promise<unknown>>();
const stop = new AbortController();

scope.onmessage = async ({ data: request }) => {
  if (request === "halt") {
    stop.abort();
    await Promise.allSettled(running); // where it is kept, a checkpoint is there then
    return scope.postMessage("halted");
  }
  try {
    scope.postMessage({ result: await counted(resultOf(request)) });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    scope.postMessage({ error: message, stack });
  }
};

async function resultOf({ job, seed, engine, budget, data, keeping }: Request): Promise<Result> {
  const study = studies[job.study];
  const begun = performance.now();
  const digests: [name: string, digest: string][] = [];
  const tools: Tools = {
    engine: halting(await engineOf(engine, { threads: 1 })),
    seed: seedOf(job, seed),
    budget,
    data,
    keeping,
    signal: stop.signal,
    trained: (name, digest) => digests.push([name, digest]),
  };
  const found = await study.run(job, tools);
  const seconds = Math.round(performance.now() - begun) / 1000;
  return { ...job, seed, engine, seconds, ...digests.length > 0 && { sha256: digestOfAll(digests) }, found };
}

/**
 * Returns an engine that begins no graph once the worker is to halt: native code that still runs when a worker ends would
 * write to memory that is gone.
 */
function halting(engine: Engine): Engine {
  return {
    ...engine,
    load: (graph, store) => {
      const program = engine.load(graph, store);
      const run: typeof program.run = async (inputs) => {
        stop.signal.throwIfAborted();
        return await counted(program.run(inputs));
      };
      return { ...program, run };
    },
  };
}

/** Counts a promise among what runs, until it is settled. */
async function counted<T>(promise: Promise<T>): Promise<T> {
  running.add(promise);
  return await promise.finally(() => running.delete(promise));
}
