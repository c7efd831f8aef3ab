import { checkAmount, checkFunction, checkText, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { unansweredReason, waited } from "../files/answered.ts";
import { failureOf } from "../files/runtime.ts";

/** A Ray cluster, as it is reached from here. */
export interface Cluster {
  /** The address of its dashboard: `http://head:8265`, or what a proxy or a forwarded port has in its place. */
  readonly address: string | URL;
  /** The token that it wants, as Ray's `RAY_AUTH_TOKEN` has it. Default: none. */
  readonly token?: string;
  /** The milliseconds for which a cluster that does not answer is asked again. Default 60,000. */
  readonly patience?: number;
  /** The function that fetches addresses. Default: the runtime's. */
  readonly fetch?: (address: URL, init: RequestInit) => Promise<Response>;
}

/** A request to a dashboard. */
interface Asked {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** The path, from the address on: `api/version`. */
  readonly path: string;
  /** The body: bytes, or a value that is sent as JSON. */
  readonly body?: Uint8Array<ArrayBuffer> | Readonly<Record<string, unknown>>;
  /** The statuses beside 200 that are answers, not failures. */
  readonly also?: readonly number[];
  /** The milliseconds after which an answer is given up, and asked for again. Default 30,000. */
  readonly within?: number;
  /** The share of the cluster's patience that it may take. Default 1. */
  readonly patience?: number;
  readonly signal?: AbortSignal;
}

/** The answer to a request. */
interface Answer {
  readonly status: number;
  readonly text: string;
  /** The address that answered, for errors. */
  readonly from: string;
  /** The first words of the text, for errors. */
  readonly words: string;
}

/** A function that sends requests to one dashboard. */
export type Send = (asked: Asked) => Promise<Answer>;

/** The reason of a failure: the cluster wants a token, refuses the one it has, gives no answer, or one that is not Ray's. */
export type RayErrorKind = "token wanted" | "token refused" | "no answer" | "wrong answer";

/** The error of a request to a cluster. */
export class RayError extends Error {
  /** The reason. */
  readonly kind: RayErrorKind;

  /** An error of a kind. */
  constructor(kind: RayErrorKind, message: string) {
    super(message);
    this.name = "RayError";
    this.kind = kind;
  }
}

/** An attempt that failed: the error of it, and whether another may do better and for how much of the patience. */
interface Failure {
  readonly error: RayError;
  readonly hope: number;
}

/**
 * Returns a function that sends requests to a cluster's dashboard. One that is not answered, or by a server's failure, is
 * sent again after a while, and again; redirections are followed as far as the token may go with them.
 *
 * @throws {TypeError | RangeError} if the cluster is described wrongly.
 */
export function sender(cluster: Cluster, action: string): Send {
  const names = ["address", "token", "patience", "fetch"];
  if (!isRecord(cluster)) {
    throw new TypeError(`Cannot ${action}: cluster must be { address, token }, found ${kindOf(cluster)}`);
  }
  const { token, patience = 60_000, fetch = globalThis.fetch, ...given } = optionsOf(action, cluster, names);
  const address = addressOf(given.address, action);
  if (token !== undefined) checkToken(token, action);
  checkAmount(action, "patience", patience);
  checkFunction(action, "fetch", fetch);
  return async (asked) => {
    const { signal } = asked;
    const url = new URL(asked.path, address);
    const begun = Date.now();
    for (let pause = 250;; pause = Math.min(2 * pause, 8000)) {
      signal?.throwIfAborted();
      const found = await attempt(url, asked, { action, token, fetch });
      signal?.throwIfAborted();
      if (!("error" in found)) return found;
      const left = begun + patience * found.hope * (asked.patience ?? 1) - Date.now();
      if (left <= 0) throw found.error;
      await waited(Math.min(pause, left), signal);
    }
  };
}

/** Returns the address of a dashboard, with a slash at its end. */
export function addressOf(given: unknown, action: string): URL {
  const wanted = "wanted the address of Ray's dashboard, such as http://head:8265";
  const text = given instanceof URL ? given.href : given;
  if (typeof text !== "string") throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(given)}`);
  if (/^ray:/i.test(text)) {
    throw new TypeError(`Cannot ${action}: ${quoted(text)} is that of Ray's client: ${wanted}`);
  }
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new TypeError(`Cannot ${action}: ${wanted}, found ${quoted(text)}`);
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new TypeError(`Cannot ${action}: the address has more than a host and a path: a token is given by "token"`);
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

function checkToken(token: unknown, action: string): void {
  checkText(action, "token", token);
  if (!/^[\x21-\x7e]+$/.test(token as string)) {
    throw new TypeError(`Cannot ${action}: the token has spaces, other signs or nothing: wanted it as Ray has it`);
  }
}

type Means = { readonly action: string; readonly token: string | undefined } & Required<Pick<Cluster, "fetch">>;

/** Sends a request once, and follows redirections. */
async function attempt(first: URL, asked: Asked, means: Means): Promise<Answer | Failure> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), asked.within ?? 30_000);
  const signal = asked.signal === undefined ? late.signal : AbortSignal.any([asked.signal, late.signal]);
  const failed = (url: URL, reason: string, hope: number, kind: RayErrorKind = "wrong answer"): Failure => {
    const text = `Cannot ${means.action}\n  at ${url.origin}${url.pathname}: ${withoutToken(reason, means.token)}`;
    return { error: new RayError(kind, text), hope };
  };
  let url = first;
  try {
    for (let count = 0; count <= 5; count++) {
      const response = await means.fetch(url, { ...formOf(asked, means.token), signal, redirect: "manual" });
      const text = await response.text();
      if (response.type === "opaqueredirect") {
        return failed(url, "it redirects: wanted the address that it leads to", 0);
      }
      const to = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || to === null) return judged(response, text, url);
      const next = URL.canParse(to, url.href) ? new URL(to, url) : undefined;
      const refused = next === undefined ? "it redirects to an invalid address" : notFollowed(url, next, means.token);
      if (refused !== undefined) return failed(url, refused, 0);
      url = next!;
    }
    return failed(first, "it redirects again and again", 0);
  } catch (error) {
    return unreached(error);
  } finally {
    clearTimeout(timer);
  }

  function judged({ status, ok }: Response, text: string, at: URL): Answer | Failure {
    if (ok || asked.also?.includes(status)) {
      const words = withoutToken(text.slice(0, 1000), means.token).trim().slice(0, 60).replace(/\s+/g, " ");
      return { status, text, from: `${at.origin}${at.pathname}`, words };
    }
    if (status !== 401 && status !== 403) return failed(at, reasonOf(status, text), hopeOf(status));
    if (means.token === undefined) {
      const wanted = "wanted the cluster's, as its RAY_AUTH_TOKEN has it, by token";
      return failed(at, `it wants a token (status ${status}): ${wanted}`, 0, "token wanted");
    }
    const wanted = "wanted the cluster's own, as its RAY_AUTH_TOKEN has it";
    return failed(at, `the token is refused (status ${status}): ${wanted}`, 0, "token refused");
  }

  function unreached(error: unknown): Failure {
    const refused = `wanted the permission --allow-net=${url.host}`;
    if (failureOf(error) === "NotCapable") return failed(url, refused, 0, "no answer");
    const reason = late.signal.aborted ? `no answer in ${(asked.within ?? 30_000) / 1000} s` : unansweredReason(error);
    return failed(url, `${reason}: wanted the address of Ray's dashboard, and Ray running there`, 1, "no answer");
  }
}

/** Returns a text without the token, which servers and proxies that show a request send back, and without control signs. */
function withoutToken(text: string, token: string | undefined): string {
  return plainText(token === undefined ? text : text.replaceAll(token, "(the token)"));
}

/** Returns a text of a cluster without the signs by which it could command a terminal. */
export function plainText(text: string): string {
  return text.replace(/(?!\n)\p{Cc}/gu, " ");
}

/** Returns the form of a request, as `fetch` takes it. */
function formOf({ method, body }: Asked, token: string | undefined): RequestInit {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  if (body === undefined) return { method, headers };
  if (body instanceof Uint8Array) return { method, headers, body };
  return { method, headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** Returns the reason why a redirection is not followed, if there is one: a token goes to no other host, and never in clear. */
function notFollowed(from: URL, to: URL, token: string | undefined): string | undefined {
  if (!/^https?:$/.test(to.protocol)) return `it redirects to ${to.protocol}, wanted http or https`;
  if (token === undefined || to.origin === from.origin) return undefined;
  if (to.hostname === from.hostname && to.protocol === "https:") return undefined;
  return `it redirects to ${to.origin}, where the token is not sent: wanted that address, if it is the cluster's`;
}

/** Returns the share of the patience for which a status may yet become another: a head that has just begun lacks its agent. */
function hopeOf(status: number): number {
  return status === 429 || status >= 500 ? 1 : 0;
}

/** Returns the reason that a status is. */
function reasonOf(status: number, text: string): string {
  if (status === 404) {
    return `found nothing there (status 404): wanted Ray's dashboard with jobs, as ray[default] has it`;
  }
  if (status === 413) return "the package is too large for the cluster or a proxy before it (status 413)";
  const last = text.trim().split("\n").at(-1)!.slice(0, 300);
  return `found status ${status}${last === "" ? "" : `, ${last}`}`;
}
