import type { Moment, Outcome, Request } from "./training.ts";
import type { Answer, Order } from "./worker.ts";

/** Workers that make runs. */
export interface Crew {
  /**
   * Makes runs, each on the next worker that is free.
   *
   * @param progress Called with the number of a request and how far it is.
   * @returns What each found, in the order of the requests; undefined if it was stopped before its first step.
   * @throws {Error} what a run failed with, when all have ended.
   */
  make(
    requests: readonly Request[],
    progress: (at: number, moment: Moment) => void,
  ): Promise<readonly (Outcome | undefined)[]>;
  /** Ends the workers. */
  dismiss(): void;
}

/**
 * Hires workers.
 *
 * @param signal Stops the runs that are being made; the others are not begun.
 */
export function crewOf(count: number, signal: AbortSignal): Crew {
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }),
  );
  signal.addEventListener("abort", () => workers.forEach((worker) => worker.postMessage("stop" satisfies Order)));
  return {
    async make(requests, progress) {
      const waiting = requests.map((request, at) => ({ request, at }));
      const outcomes: (Outcome | undefined)[] = requests.map(() => undefined);
      const ends = await Promise.allSettled(workers.map(async (worker) => {
        for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
          const { request, at } = next;
          outcomes[at] = await asked(worker, request, (moment) => progress(at, moment));
        }
      }));
      for (const end of ends) if (end.status === "rejected") throw end.reason;
      return outcomes;
    },
    dismiss: () => workers.forEach((worker) => worker.terminate()),
  };
}

/** Asks a worker for a run, and waits for its end. */
function asked(
  worker: Worker,
  request: Request,
  progress: (moment: Moment) => void,
): Promise<Outcome | undefined> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if ("moment" in data) progress(data.moment);
      else if ("outcome" in data) resolve(data.outcome);
      else reject(Object.assign(new Error(data.failure.message), data.failure));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(request satisfies Order);
  });
}
