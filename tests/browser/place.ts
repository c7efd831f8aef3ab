/** The program of the page and of its worker: it answers what {@linkcode agreement} is asked. */
import { agreement } from "./agreement.ts";
import type { Answer, Asked } from "./report.ts";

/** The scope of a worker. */
interface Scope {
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
  postMessage(answer: Answer): void;
}

const answer = (asked: Asked): Promise<Answer> =>
  agreement(asked).then((report) => ({ report }), (error) => ({ error: `${error}\n${error.stack}` }));

const inWorker = (asked: Asked): Promise<Answer> =>
  new Promise((resolve) => {
    const worker = new Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => resolve({ error: message });
    worker.postMessage(asked);
  });

if ("document" in globalThis) {
  Object.assign(globalThis, { agreementInPage: answer, agreementInWorker: inWorker });
} else {
  const scope = globalThis as unknown as Scope;
  scope.onmessage = async ({ data }) => scope.postMessage(await answer(data));
}
