import { checkCount, checkFunction, checkText, optionsOf } from "../errors/kinds.ts";
import { limitsOf } from "./queue.ts";

/** The options of {@linkcode handler}. */
export interface HandlerOptions {
  /** The most rows that are predicted together. Default 1024. */
  readonly maxBatch?: number;
  /** The milliseconds that a request waits for others, beside those that wait anyway while a batch is predicted. Default 0. */
  readonly maxDelay?: number;
  /** The most requests that wait for a model; more are answered 503, with `Retry-After`. Default 1024. */
  readonly maxQueue?: number;
  /** The milliseconds after which a request that still waits is answered 504, one whose body is not there 408. Default 30,000. */
  readonly deadline?: number;
  /** The most bytes of a request. Default 16 MiB. */
  readonly maxBody?: number;
  /** The token that requests must carry, `Authorization: Bearer TOKEN`, but for those that ask for health. Default: none. */
  readonly token?: string;
  /** The origin whose pages may call, such as `https://shop.example`, or `*`. Default: none. */
  readonly cors?: string;
  /** Called with every answered request. Default: none is reported. */
  readonly log?: (entry: LogEntry) => void;
  /**
   * Called where counts are asked for, with those of this handler as `GET /metrics` answers them, and returns what is
   * answered: the sum of several handlers' that callers see as one. Default: its own.
   */
  readonly counts?: (own: string) => string | Promise<string>;
}

/** The record of an answered request. */
export interface LogEntry {
  /** The moment of its arrival, as ISO 8601. */
  readonly time: string;
  /** The method. */
  readonly method: string;
  /** The path. */
  readonly path: string;
  /** The status of the response. */
  readonly status: number;
  /** The model that answered, where one did. */
  readonly model?: string;
  /** Its version. */
  readonly version?: string;
  /** The rows that were predicted. */
  readonly rows?: number;
  /** The time that the answer took. */
  readonly milliseconds: number;
  /** The fault, where it was refused. */
  readonly error?: string;
}

/** The options of a handler, with nothing left to default. */
export type Given =
  & Required<Omit<HandlerOptions, "token" | "cors" | "log" | "counts">>
  & Pick<HandlerOptions, "token" | "cors" | "log" | "counts">;

/** The names of the options. */
export const names: readonly string[] = [
  "maxBatch",
  "maxDelay",
  "maxQueue",
  "deadline",
  "maxBody",
  "token",
  "cors",
  "log",
  "counts",
];

/**
 * Returns the options, checked.
 *
 * @throws {TypeError | RangeError} if one is wrong.
 */
export function checked(options: HandlerOptions): Given {
  const action = "handle requests";
  const wanted = optionsOf(action, options, names);
  const given = { deadline: 30_000, maxBody: 2 ** 24, ...wanted, ...limitsOf(action, wanted) };
  checkCount(action, "deadline", given.deadline, 1);
  checkCount(action, "maxBody", given.maxBody, 1);
  if (given.token !== undefined) checkText(action, "token", given.token);
  if (given.token === "") throw new RangeError(`Cannot ${action}: token is empty: wanted a text, or none`);
  if (given.cors !== undefined) checkText(action, "cors", given.cors);
  if (given.log !== undefined) checkFunction(action, "log", given.log);
  if (given.counts !== undefined) checkFunction(action, "counts", given.counts);
  return given;
}
