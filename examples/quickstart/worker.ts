/** Makes runs away from the thread that shows progress and answers Ctrl-C. */
import { type Moment, type Outcome, type Request, trained } from "./training.ts";

/** A message to a worker: a run to make, or the word that all of its runs shall stop. */
export type Order = Request | "stop";

/** A message from a worker: how far a run is, and then what it found or why it failed. */
export type Answer =
  | { readonly moment: Moment }
  | { readonly outcome: Outcome | undefined }
  | { readonly failure: Pick<Error, "name" | "message" | "stack"> };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(answer: Answer): void;
};
const stop = new AbortController();

scope.onmessage = async ({ data: order }) => {
  if (order === "stop") return stop.abort();
  try {
    const outcome = await trained(order, (moment) => scope.postMessage({ moment }), stop.signal);
    scope.postMessage({ outcome });
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    scope.postMessage({ failure: { name, message, stack } });
  }
};
