/** Makes runs of studies, one after the other, away from the thread that shows progress and answers Ctrl-C. */
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

/** The answer of a worker. */
export type Answer = { readonly result: Result } | { readonly error: string; readonly stack?: string };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(answer: Answer): void;
};

scope.onmessage = async ({ data: request }) => {
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
  const tools = { engine: await engineOf(engine, { threads: 1 }), seed: seedOf(job, seed), budget, data };
  const found = await study.run(job, tools);
  return { ...job, seed, engine, seconds: Math.round(performance.now() - begun) / 1000, found };
}
