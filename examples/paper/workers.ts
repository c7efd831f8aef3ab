import type { Answer, Request } from "./worker.ts";
import { keyOf, type Result } from "./study.ts";

/**
 * Answers requests by several workers, each by the next that is free, and gives results as they come. When the signal
 * aborts, the workers end after the step that they are at: what they were doing goes on another time where it is kept, and
 * is else begun again.
 *
 * @throws {Error} what a run failed with, and which it was; results that came before were given.
 */
export async function* answers(
  requests: readonly Request[],
  { workers, signal }: { readonly workers: number; readonly signal: AbortSignal },
): AsyncGenerator<Result, void, void> {
  const waiting = [...requests];
  const crew = Array.from({ length: Math.min(workers, waiting.length) }, () => hire());
  const stopped = new Promise<"stopped">((resolve) => signal.addEventListener("abort", () => resolve("stopped")));
  const busy = new Map<number, Promise<Answered>>();
  const give = (who: number) => {
    const request = waiting.shift();
    if (request === undefined) busy.delete(who);
    else busy.set(who, crew[who].ask(request).then((answer) => ({ who, request, answer })));
  };
  try {
    crew.forEach((_, who) => give(who));
    while (busy.size > 0 && !signal.aborted) {
      const next = await Promise.race([stopped, ...busy.values()]);
      if (next === "stopped") return;
      if ("error" in next.answer) throw failure(next.answer, next.request);
      give(next.who); // it computes while its result is written
      yield next.answer.result;
    }
  } finally {
    await Promise.all(crew.map(({ dismiss }) => dismiss()));
  }
}

interface Answered {
  readonly who: number;
  readonly request: Request;
  readonly answer: Answer;
}

/** The error of a run, with the stack that it had in the worker. */
function failure({ error, stack }: { readonly error: string; readonly stack?: string }, { job }: Request): Error {
  const run = `\n  in run ${keyOf(job)}`;
  const failed = new Error(error + run);
  if (stack !== undefined) failed.stack = stack + run;
  return failed;
}

/** A worker, and how to ask it. */
function hire(): { ask(request: Request): Promise<Answer>; dismiss(): Promise<void> } {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  let failed = false; // it answers nothing more then
  const asked = <Message>(message: Request | "halt", otherwise: (error: string) => Message): Promise<Message> =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<Message>) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        failed = true;
        resolve(otherwise(event.message));
      };
      worker.postMessage(message);
    });
  return {
    ask: (request) => asked<Answer>(request, (error) => ({ error })),
    dismiss: async () => {
      while (
        !failed && await asked<unknown>("halt", () => "halted") !== "halted"
      ) { /* an answer that nobody waits for */ }
      worker.terminate();
    },
  };
}
