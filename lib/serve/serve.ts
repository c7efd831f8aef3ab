import { checkCount, checkText, optionsOf } from "../errors/kinds.ts";
import type { Model } from "../model/model.ts";
import type { Models } from "./folders.ts";
import { handler } from "./handler.ts";
import { type HandlerOptions, names } from "./handler_options.ts";
import { listening } from "./listening.ts";

/** The options of {@linkcode serve}. */
export interface ServeOptions extends HandlerOptions {
  /** The port; 0: any that is free. Default 8000. */
  readonly port?: number;
  /** The address to listen at; `0.0.0.0` for all. Default `127.0.0.1`, which this machine alone reaches. */
  readonly hostname?: string;
  /**
   * True if other workers may listen at the same port: the system gives each caller to one of them. Needs
   * `--unstable-net`, without which Deno ends the program. Default false.
   */
  readonly shared?: boolean;
}

/** A server that listens. */
export interface Server {
  /** Its address, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Returns its counts, as `GET /metrics` answers them. */
  counts(): string;
  /**
   * Stops: it is no longer ready, answers what was asked, takes no connection, and resolves: at the latest two seconds after
   * the last answer, whatever callers still hold open.
   */
  close(): Promise<void>;
}

/**
 * Listens for requests to models and answers them, as {@linkcode handler} does.
 *
 * @param models Models by name, or what {@linkcode openModels} returns; they are not freed when the server stops.
 * @throws {TypeError | RangeError} if an option is wrong.
 * @throws {Error} if this is not Deno, or it cannot listen there: the port is taken, the address is another machine's, or it
 * may not. Needs the permission to listen.
 *
 * @example
 * ```ts ignore
 * const server = serve(await openModels("models"), { port: 8000 });
 * console.log(server.url);
 * await server.close();
 * ```
 */
export function serve(models: Readonly<Record<string, Model>> | Models, options: ServeOptions = {}): Server {
  const action = "serve models";
  const { port = 8000, hostname = "127.0.0.1", shared = false, ...rest } = optionsOf(action, options, [
    "port",
    "hostname",
    ...names,
  ], ["shared"]);
  checkCount(action, "port", port);
  checkText(action, "hostname", hostname);
  if (typeof Deno === "undefined") {
    throw new Error(`Cannot ${action}: Deno listens; elsewhere handler(models) answers a server's requests`);
  }
  const answer = handler(models, rest);
  const { watched, settled, none } = watching(answer);
  const server = listening(
    action,
    { hostname, port },
    (at) => Deno.serve({ ...at, reusePort: shared, onListen: () => {} }, watched),
  );
  const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${shown}:${server.addr.port}`,
    counts: answer.counts,
    close: async () => {
      answer.drain();
      await settled(); // before shutdown(), which cuts bodies that are still on their way
      // A caller that holds a connection on which it sent half a request would keep shutdown() waiting for ever.
      await Promise.race([server.shutdown(), none().then(() => seconds(2))]);
      server.unref();
    },
  };
}

/**
 * Returns a handler that knows what it is answering, a function that resolves once what is asked now is answered, and one
 * that resolves once nothing is asked any more.
 */
function watching(answer: (request: Request) => Promise<Response>) {
  const running = new Set<Promise<Response>>();
  let ended = (): void => {};
  return {
    watched: async (request: Request): Promise<Response> => {
      const response = answer(request);
      running.add(response);
      try {
        return await response;
      } finally {
        running.delete(response);
        if (running.size === 0) ended();
      }
    },
    settled: async (): Promise<void> => void await Promise.allSettled(running),
    none: (): Promise<void> => new Promise((resolve) => running.size === 0 ? resolve() : ended = resolve),
  };
}

/** Resolves after some seconds, for which alone no program goes on. */
function seconds(count: number): Promise<void> {
  return new Promise((resolve) => void Deno.unrefTimer(setTimeout(resolve, 1000 * count)));
}
