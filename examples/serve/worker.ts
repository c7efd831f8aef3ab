/** A server beside others at the same port, away from the thread that they are begun by. */
import type { LogEntry } from "@gatehouse/gatehouse/serve";
import { type Around, type Serving, serving, type Settings } from "./serving.ts";

/** A message to a worker: to begin, to end, to send its counts, or those of all that it asked for. */
export type Order =
  | { readonly begin: Settings }
  | { readonly end: true }
  | { readonly send: number }
  | { readonly counts: string; readonly of: number };

/** A message from a worker. */
export type Answer =
  | { readonly begun: string }
  | { readonly ended: true }
  | { readonly failure: Pick<Error, "name" | "message" | "stack"> }
  | { readonly say: string }
  | { readonly entry: LogEntry }
  | { readonly counts: string; readonly of: number }
  | { readonly ask: number; readonly own: string };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(answer: Answer): void;
};

scope.onmessage = orders();

/** Follows orders: begins a server, sends its counts, and ends it. */
function orders(): (event: MessageEvent<Order>) => Promise<void> {
  const waiting = new Map<number, (counts: string) => void>();
  let server: Serving | undefined;
  let asked = 0;
  const around: Around = {
    say: (say) => scope.postMessage({ say }),
    logged: (entry) => scope.postMessage({ entry }),
    counts: (own) =>
      new Promise((resolve) => {
        waiting.set(asked, resolve);
        scope.postMessage({ ask: asked++, own });
      }),
  };
  return async ({ data: order }) => {
    try {
      if ("begin" in order) {
        server = await serving(order.begin, around);
        scope.postMessage({ begun: server.url });
      } else if ("end" in order) {
        await server?.close();
        scope.postMessage({ ended: true });
      } else if ("send" in order) {
        scope.postMessage({ counts: server?.counts?.() ?? "", of: order.send });
      } else {
        waiting.get(order.of)?.(order.counts);
        waiting.delete(order.of);
      }
    } catch (error) {
      const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
      scope.postMessage({ failure: { name, message, stack } });
    }
  };
}
