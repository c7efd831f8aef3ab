import type { StoredSource } from "../files/stored.ts";
import { threadsOf } from "../files/runtime.ts";
import { urlOf } from "../files/source.ts";
import type { Column, Columns, NumberColumn, TextColumn } from "./columns.ts";
import { csvFrom, type CsvOptions } from "./csv.ts";
import type { MalformedRow } from "./malformed.ts";

/** A file that a thread of its own is to read. */
export interface Asked {
  readonly source: string;
  readonly options: CsvOptions & { readonly rows?: number };
  /** True if malformed rows may be skipped. */
  readonly skips: boolean;
  readonly first: number;
  readonly mostWords: number;
  /** The number of tables that it may send before more are asked for. */
  readonly ahead: number;
}

/** The answer of the thread: some rows, an error, or the end. */
export type Answer = SentTable | { readonly error: { readonly name: string; readonly message: string } } | {
  readonly malformed: readonly MalformedRow[];
};

/** Some rows, and the malformed ones before their end that were skipped. */
export interface SentTable {
  readonly count: number;
  readonly skipped: number | undefined;
  readonly columns: readonly SentColumn[];
  readonly malformed: readonly MalformedRow[];
}

/** A column with its name; of text, the words that were not sent before, and true if these are a new list. */
export type SentColumn = { readonly name: string } & (NumberColumn | TextColumn & { readonly fresh: boolean });

/** The tables that are read ahead. */
const ahead = 4;

/** Returns true if a file is worth a thread of its own, and one can be begun without asking the user for a permission. */
export async function paysApart(source: StoredSource, size: number | null): Promise<boolean> {
  if (typeof source !== "string" && !(source instanceof URL) || (size ?? Infinity) < least) return false;
  if (["blob:", "data:"].includes(urlOf(source)?.protocol ?? "")) return false; // which are in memory already
  return here.endsWith(".ts") && await threadsOf(new URL(here)); // packed or bundled, the thread's file is elsewhere
}

/** The bytes of a file that take longer to read than a thread takes to begin. */
const least = 2 ** 22;

const here = import.meta.url ?? "";

/** Reads a CSV file from a row on as {@linkcode csvFrom} does, in a thread of its own. */
export async function* csvApart(
  source: string | URL,
  given: CsvOptions & { readonly rows?: number },
  first: number,
  mostWords: number,
): AsyncGenerator<Columns> {
  const { malformed, signal, ...options } = given;
  signal?.throwIfAborted();
  const worker = begun();
  if (worker === undefined) return yield* csvFrom(source, given, first, mostWords);
  const { next, fail } = answersOf(worker);
  const abort = () => fail(signal!.reason);
  signal?.addEventListener("abort", abort);
  try {
    const asked: Asked = {
      source: String(source),
      options: options as CsvOptions,
      skips: typeof malformed === "function",
      first,
      mostWords,
      ahead,
    };
    worker.postMessage(asked);
    const words = new Map<string, string[]>();
    while (true) {
      const answer = await next();
      if (answer === undefined) return yield* csvFrom(source, given, first, mostWords); // no thread could be begun
      if ("error" in answer) throw errorOf(answer.error);
      if (typeof malformed === "function") answer.malformed.forEach((row) => malformed(row));
      if (!("columns" in answer)) return;
      const { count, skipped, columns } = answer;
      yield {
        count,
        columns: Object.fromEntries(columns.map((column) => [column.name, received(column, words)])),
        ...(skipped !== undefined && { skipped }),
      };
      worker.postMessage("more");
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    worker.terminate();
  }
}

/** Begins a thread; undefined if none can be. */
function begun(): Worker | undefined {
  try {
    return new Worker(new URL("./csv_worker.ts", import.meta.url), { type: "module" });
  } catch {
    return undefined;
  }
}

/** Returns a column as it was read; a list of words grows as it does where it is read. */
function received(column: SentColumn, lists: Map<string, string[]>): Column {
  if (column.kind === "number") return { kind: "number", values: column.values };
  const { name, codes, words, fresh, listed } = column;
  const list = fresh ? [] : lists.get(name)!;
  for (const word of words) list.push(word);
  lists.set(name, list);
  return { kind: "text", codes, words: list, ...(listed && { listed }) };
}

/** Returns the answers of a thread, one after the other; undefined if it could not begin. */
function answersOf(worker: Worker): {
  readonly next: () => Promise<Answer | undefined>;
  readonly fail: (reason: unknown) => void;
} {
  const queue: (() => Answer | undefined)[] = [];
  let wake = () => {};
  let begun = false;
  const fail = (reason: unknown) => {
    queue.unshift(() => {
      throw reason;
    });
    wake();
  };
  worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    begun = true;
    queue.push(() => data);
    wake();
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    if (begun) return fail(new Error(`Cannot read CSV in a thread: ${event.message}`));
    queue.push(() => undefined);
    wake();
  });
  const next = async () => {
    while (queue.length === 0) await new Promise<void>((resolve) => wake = resolve);
    return queue.shift()!();
  };
  return { next, fail };
}

function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  const kinds: Readonly<Record<string, new (message: string) => Error>> = { SyntaxError, TypeError, RangeError };
  return new (Object.hasOwn(kinds, name) ? kinds[name] : Error)(message);
}
