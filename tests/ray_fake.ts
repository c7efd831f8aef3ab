import type { Cluster } from "../lib/ray/request.ts";

/** A job of the fake cluster: what it has written at each look, and the status that it then has. */
export interface FakeJob {
  readonly looks: readonly { readonly status: string; readonly log: string; readonly message?: string }[];
}

/** An answer in the place of the fake's own, once; "cut" cuts the connection before it, "lost" after the request was heard. */
export type Trouble = Response | "cut" | "lost" | "silent";

/** A request, as the fake has heard it. */
export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly token: string | undefined;
  readonly body: Uint8Array | undefined;
}

/** The REST interface of Ray's jobs in memory, as a `fetch`. */
export interface FakeRay {
  readonly cluster: Cluster;
  readonly heard: Heard[];
  readonly packages: Map<string, Uint8Array>;
  readonly submitted: Map<string, Record<string, unknown>>;
  readonly stopped: Set<string>;
  /** Answers the next request whose method and path begin so by something else. */
  trouble(start: string, ...answers: Trouble[]): void;
}

const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status });

/** Returns a fake cluster on which every job that is submitted goes as one does. */
export function fakeRay(
  job: FakeJob | ((id: string) => FakeJob),
  { version = "2.60.0", token }: { readonly version?: string; readonly token?: string } = {},
): FakeRay {
  const heard: Heard[] = [];
  const packages = new Map<string, Uint8Array>();
  const submitted = new Map<string, Record<string, unknown>>();
  const stopped = new Set<string>();
  const looks = new Map<string, number>();
  const troubles: { start: string; answers: Trouble[] }[] = [];
  const jobOf = (id: string) => typeof job === "function" ? job(id) : job;
  const answer = ({ method, path, body }: Heard): Response => {
    const [, , kind, ...rest] = path.split("/");
    if (kind === "version") return json({ version: "4", ray_version: version, ray_commit: "0" });
    if (kind === "packages") {
      const [, name] = rest;
      if (method === "PUT") packages.set(name, body!);
      return packages.has(name) ? new Response() : new Response("does not exist", { status: 404 });
    }
    if (method === "POST" && path === "/api/jobs/") {
      const asked = JSON.parse(new TextDecoder().decode(body));
      const id = asked.submission_id as string;
      if (submitted.has(id)) return new Response(`ValueError: Job with submission_id ${id} exists`, { status: 400 });
      submitted.set(id, asked);
      return json({ job_id: id, submission_id: id });
    }
    const [id, what] = rest;
    if (!submitted.has(id)) return new Response(`Job ${id} does not exist`, { status: 404 });
    if (what === "stop") {
      stopped.add(id);
      return json({ stopped: true });
    }
    const at = Math.min(looks.get(id) ?? 0, jobOf(id).looks.length - 1);
    const { status, log, message = "" } = jobOf(id).looks[at];
    if (what === "logs") {
      looks.set(id, at + 1);
      return json({ logs: log });
    }
    return json({ status: stopped.has(id) ? "STOPPED" : status, message, submission_id: id });
  };
  const fetch = async (url: URL, init: RequestInit): Promise<Response> => {
    init.signal?.throwIfAborted();
    const { authorization } = (init.headers ?? {}) as Record<string, string>;
    const body = init.body instanceof Uint8Array ? init.body : init.body == null ? undefined : bytesOf(init.body);
    const asked = { method: init.method!, path: url.pathname, token: authorization?.replace("Bearer ", ""), body };
    heard.push(asked);
    const trouble = troubles.find(({ start, answers }) => {
      return `${asked.method} ${asked.path}`.startsWith(start) && answers.length > 0;
    })?.answers.shift();
    if (trouble === "silent") {
      await new Promise((_, reject) => init.signal!.addEventListener("abort", () => reject(init.signal!.reason)));
    }
    if (trouble === "lost") answer(asked);
    if (typeof trouble === "string") {
      throw new TypeError("error sending request", { cause: new Error("reset by peer") });
    }
    if (trouble !== undefined) return trouble;
    if (token !== undefined && asked.token === undefined) return new Response("Unauthorized: Missing", { status: 401 });
    if (token !== undefined && asked.token !== token) return new Response("Forbidden: Invalid", { status: 403 });
    return answer(asked);
  };
  const cluster = { address: "http://head:8265", patience: 3000, fetch, ...(token !== undefined && { token }) };
  const trouble = (start: string, ...answers: Trouble[]) => void troubles.push({ start, answers });
  return { cluster, heard, packages, submitted, stopped, trouble };
}

const bytesOf = (body: BodyInit): Uint8Array => new TextEncoder().encode(String(body));
