import { listening } from "../../lib/serve/listening.ts";
import type { Around, Serving, Settings } from "./serving.ts";
import { summed } from "./summed.ts";
import type { Answer, Order } from "./worker.ts";

/** A worker, and what it is waited for. */
interface Member {
  readonly send: (order: Order) => void;
  /** Resolves once it has ended. */
  readonly ended: Promise<void>;
}

/** The counts that a worker asked for, as they come from the others. */
interface Sum {
  readonly found: string[];
  readonly resolve: (text: string) => void;
}

/**
 * Begins workers that listen at one port, each with models of its own: the system gives a caller to one of them.
 *
 * @throws {Error} if another program listens there, or a worker fails.
 */
export async function workersOf(count: number, settings: Settings, around: Around): Promise<Serving> {
  const port = freePort(settings);
  const members: Member[] = [];
  const sums = new Map<number, Sum>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {}); // a caller that ends before does not ask for it
  let asks = 0;
  /** Asks all workers but one for their counts, and returns the sum of all. */
  const counts = (of: number, own: string) =>
    new Promise<string>((resolve) => {
      const id = asks++;
      sums.set(id, { found: [own], resolve });
      members.forEach(({ send }, at) => at !== of && send({ send: id }));
    });
  const took = (id: number, text: string) => {
    const sum = sums.get(id);
    if (sum === undefined || sum.found.push(text) < count) return;
    sums.delete(id);
    sum.resolve(summed(sum.found));
  };
  const urls = Array.from({ length: count }, (_, at) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const send = (order: Order) => worker.postMessage(order);
    const [begun, ended] = [Promise.withResolvers<string>(), Promise.withResolvers<void>()];
    members.push({ send, ended: ended.promise });
    const failed = (error: Error) => {
      [begun, ended, failure].forEach(({ reject }) => reject(error));
    };
    ended.promise.catch(() => {}); // the others have it too
    worker.onerror = (event) => {
      event.preventDefault();
      failed(new Error(event.message));
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if ("begun" in data) begun.resolve(data.begun);
      else if ("ended" in data) ended.resolve();
      else if ("failure" in data) failed(Object.assign(new Error(data.failure.message), data.failure));
      else if ("entry" in data) around.logged(data.entry);
      else if ("counts" in data) took(data.of, data.counts);
      else if ("ask" in data) void counts(at, data.own).then((text) => send({ counts: text, of: data.ask }));
      else if (at === 0) around.say(data.say); // all find the same models
    };
    send({ begin: { ...settings, port, shared: true, threads: 1 } });
    return begun.promise;
  });
  const [url] = await Promise.all(urls);
  return {
    url,
    failed: failure.promise,
    close: async () => {
      members.forEach(({ send }) => send({ end: true }));
      await Promise.all(members.map(({ ended }) => ended));
    },
  };
}

/**
 * Returns the port, or one that is free: workers that share a port would share another program's too.
 *
 * @throws {Error} if nothing can listen there.
 */
export function freePort({ port, hostname }: Pick<Settings, "port" | "hostname">): number {
  const listener = listening("serve models", { hostname, port }, (at) => Deno.listen(at));
  listener.close();
  return listener.addr.port;
}
