import { failureOf } from "./runtime.ts";

/** The answer of a server, with its bytes. */
export interface Answered {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Returns the answer to a request, whole. One that a busy or failing server does not give, or that is cut off, is asked for
 * again, four times in as many seconds.
 *
 * @param send Sends the request, each time anew.
 * @param wanted The status of a right answer: of another that is none of a failure no bytes are read.
 * @throws {Error} if no answer comes, or the signal's reason if it aborts.
 */
export async function answered(
  send: () => Promise<Response>,
  wanted: number,
  signal?: AbortSignal,
): Promise<Answered> {
  for (let pause = firstPause;; pause *= 2) {
    const isLast = pause > lastPause;
    try {
      const response = await send();
      const { status, statusText, headers } = response;
      const isOther = response.ok && status !== wanted;
      if (isOther) await response.body?.cancel();
      const bytes = isOther ? new Uint8Array(0) : new Uint8Array(await response.arrayBuffer());
      if (isLast || status !== 429 && status < 500) return { status, statusText, headers, bytes };
    } catch (error) {
      signal?.throwIfAborted();
      if (isLast || failureOf(error) === "NotCapable") throw error;
    }
    await waited(pause, signal);
  }
}

/** The milliseconds before a request is sent again, twice as many each time. */
const [firstPause, lastPause] = [250, 2000];

/** Resolves after some milliseconds, or rejects with the signal's reason when it aborts. */
export function waited(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Returns why no answer came: where the reason is a common one in words that all runtimes share, else in the runtime's. */
export function unansweredReason(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  if (!(cause instanceof Error)) return message;
  const text = `${cause.message} ${(cause as { readonly code?: unknown }).code ?? ""}`;
  if (/connection refused|ECONNREFUSED/i.test(text)) return "nobody listens there (connection refused)";
  if (/dns error|ENOTFOUND|EAI_AGAIN/.test(text)) return "no machine of this name is known";
  return `${message}: ${cause.message}`;
}
