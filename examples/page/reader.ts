/// <reference lib="dom" />
import type { Bounded } from "./bounded.ts";

/** A model that was read, or the message of what is wrong with its table. */
export type Reading = Bounded | { readonly wrong: string };

/** The milliseconds that a table may take. */
const patience = 5000;

/**
 * A function that reads the code of tables in a worker, which is ended where it takes too long. The next code ends the
 * reading of the one before, whose promise resolves to undefined.
 *
 * @param begin Begins the worker, `code_worker.ts`.
 * @param most The milliseconds that a reading may take, once the worker has loaded. Default: five seconds.
 */
export function readerOf(begin: () => Worker, most = patience): (code: string) => Promise<Reading | undefined> {
  let worker: Worker | undefined;
  let end: ((reading?: Reading) => void) | undefined;
  return (code) => {
    end?.();
    const { promise, resolve } = Promise.withResolvers<Reading | undefined>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const finish = (reading: Reading | undefined, isIdle: boolean) => {
      clearTimeout(timer);
      end = undefined;
      if (!isIdle) {
        worker?.terminate();
        worker = undefined;
      }
      resolve(reading);
    };
    end = (reading) => finish(reading, false);
    worker ??= begin();
    worker.onmessage = ({ data }: MessageEvent<Reading | "begun">) => {
      if (data === "begun") timer = setTimeout(() => end?.({ wrong: lateText(most) }), most);
      else finish(data, true);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      finish({ wrong: "Cannot read table: its worker has ended, wanted a smaller table" }, false);
    };
    worker.postMessage(code);
    return promise;
  };
}

function lateText(most: number): string {
  return `Cannot read table: it takes longer than ${
    most / 1000
  } seconds, wanted a smaller one; the model before goes on`;
}
