/** Makes runs of studies, one after the other, away from the thread that shows progress and answers Ctrl-C. */
import type { Engine } from "@gatehouse/gatehouse";
import { type EngineName, engineOf } from "../engine.ts";
import { studies } from "./studies.ts";
import { type Budget, type Job, type Result, seedOf } from "./study.ts";

/** A request to a worker: a run, or to get ready. */
export interface Request {
  readonly job: Job;
  readonly seed: number;
  readonly engine: EngineName;
  readonly budget: Budget;
  readonly data: string | undefined;
}

/** The answer of a worker to a request. */
export type Answer = { readonly result: Result } | { readonly error: string; readonly stack?: string };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Request | "halt">) => void) | null;
  postMessage(answer: Answer | "halted"): void;
};

/** The graphs that run now, and true once no more may begin. */
const state = { running: new Set<Promise<unknown>>(), halting: false };

scope.onmessage = async ({ data: request }) => {
  if (request === "halt") {
    state.halting = true;
    await Promise.allSettled(state.running);
    return scope.postMessage("halted");
  }
  try {
    scope.postMessage({ result: await resultOf(request) });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    scope.postMessage({ error: message, stack });
  }
};

async function resultOf({ job, seed, engine, budget, data }: Request): Promise<Result> {
  const study = studies[job.study];
  const begun = performance.now();
  const tools = { engine: halting(await engineOf(engine, { threads: 1 })), seed: seedOf(job, seed), budget, data };
  const found = await study.run(job, tools);
  return { ...job, seed, engine, seconds: Math.round(performance.now() - begun) / 1000, found };
}

/**
 * Returns an engine that begins no run once the worker is to halt: native code that still runs when a worker ends would
 * write to memory that is gone.
 */
function halting(engine: Engine): Engine {
  return {
    ...engine,
    load: (graph, store) => {
      const program = engine.load(graph, store);
      const run: typeof program.run = async (inputs) => {
        if (state.halting) return await new Promise(() => {});
        const found = program.run(inputs);
        state.running.add(found);
        return await found.finally(() => state.running.delete(found));
      };
      return { ...program, run };
    },
  };
}
