import { type LogEntry, openModels, serve } from "@gatehouse/gatehouse/serve";
import { type EngineName, engineOf } from "../engine.ts";

/** The settings of a server, as data that a worker takes too. */
export interface Settings {
  /** The folder of models. */
  readonly folder: string;
  /** The name of the engine, and its threads; by default its own. */
  readonly engine: EngineName;
  readonly threads?: number;
  readonly port: number;
  readonly hostname: string;
  readonly token?: string;
  /** The most rows that are predicted together, and the milliseconds that a request waits for others. */
  readonly maxBatch: number;
  readonly maxDelay: number;
  /** True if requests are reported. */
  readonly log: boolean;
  /** True if other workers listen at the same port. */
  readonly shared: boolean;
}

/** The ways in which a server reports, and asks. */
export interface Around {
  /** Takes a line for people. */
  readonly say: (text: string) => void;
  /** Takes a request that was answered. */
  readonly logged: (entry: LogEntry) => void;
  /** Returns the counts of all workers, from those of this one. */
  readonly counts?: (own: string) => Promise<string>;
}

/** A server that listens. */
export interface Serving {
  readonly url: string;
  /** Returns its own counts; absent if it has workers. */
  readonly counts?: () => string;
  /** Rejects if one of its workers fails; absent if it has none. */
  readonly failed?: Promise<never>;
  /** Answers what was asked, and ends. */
  readonly close: () => Promise<void>;
}

/** Opens models and listens. */
export async function serving(settings: Settings, { say, logged, counts }: Around): Promise<Serving> {
  const { folder, engine, threads, port, hostname, token, maxBatch, maxDelay, log, shared } = settings;
  const models = await openModels(folder, {
    engine: await engineOf(engine, { threads }),
    maxBatch,
    maxDelay,
    report: ({ model, version, error }) => {
      say(error === undefined ? `${model}, version ${version}, answers` : `${model}, version ${version}: ${error}`);
    },
  });
  const server = serve(models, {
    port,
    hostname,
    shared,
    ...(token !== undefined && { token }),
    ...(log && { log: logged }),
    ...(counts && { counts }),
  });
  return {
    url: server.url,
    counts: server.counts,
    close: async () => {
      await server.close();
      await models.close();
    },
  };
}
