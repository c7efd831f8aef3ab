/** A process whose streams are piped. */
export type Worker = Pick<Deno.ChildProcess, "stdin" | "stdout" | "stderr" | "status" | "kill">;

/** Requests to a worker, one after the other. */
export interface Conversation {
  /** Returns the worker's reply: to the next request, or, without one, before all requests. */
  ask(request?: unknown): Promise<unknown>;
  /** Ends the worker, which is killed where it does not end by itself in a few seconds. */
  close(): Promise<void>;
}

/** The number of a worker's last lines that are shown. */
const shown = 8;
/** The milliseconds in which a worker may end by itself. */
const patience = 3000;

/**
 * Asks a worker that answers every line of JSON with a line of JSON, `{ "error" }` where it failed.
 *
 * @param name What the worker is called in errors.
 * @throws {Error} from `ask`: what the worker says, or, if it ended or its reply is not JSON, its last lines
 */
export function converse(worker: Worker, name: string): Conversation {
  const replies = linesOf(worker.stdout);
  const words: string[] = [];
  const heard = listen(worker.stderr, words);
  const writer = worker.stdin.getWriter();
  let turn: Promise<unknown> = Promise.resolve();

  async function exchange(request: unknown): Promise<unknown> {
    if (request !== undefined) {
      const line = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
      await writer.write(line).catch(() => {}); // a worker that ended: there is no reply either
    }
    const { value } = await replies.next();
    if (value === undefined) throw await ended();
    const reply = parse(value);
    if ("error" in reply) throw wrong(String(reply.error));
    return reply;
  }

  function parse(line: string): Record<string, unknown> {
    try {
      return JSON.parse(line);
    } catch {
      throw wrong(`found ${JSON.stringify(line.slice(0, 200))}, wanted JSON`);
    }
  }

  async function ended(): Promise<Error> {
    const { code, signal } = await worker.status;
    await within(heard);
    return wrong([`ended with ${signal ?? `code ${code}`}`, ...words.slice(-shown)].join("\n    "));
  }

  function wrong(what: string): Error {
    return new Error(`Cannot ask ${name}\n  at its process: ${what}`);
  }

  return {
    ask(request): Promise<unknown> {
      const reply = turn.then(() => exchange(request));
      turn = reply.catch(() => {});
      return reply;
    },
    async close(): Promise<void> {
      await writer.close().catch(() => {});
      if (!await within(worker.status)) worker.kill();
      await worker.status;
      await replies.return(undefined);
      await within(heard);
    },
  };
}

/** Returns true if something happens within a few seconds. */
async function within(event: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), patience));
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps the last lines of a stream. */
async function listen(stream: ReadableStream<Uint8Array>, words: string[]): Promise<void> {
  for await (const line of linesOf(stream)) {
    words.push(line);
    if (words.length > shown) words.shift();
  }
}

/** The lines of a stream, without their ends. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const text = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + text.decode(bytes, { stream: true })).split(/\r?\n/);
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== "") yield rest;
}
