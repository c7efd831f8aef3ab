import { holding, isText, type Test } from "../errors/shapes.ts";
import type { Package } from "./package.ts";
import { addressOf, type Cluster, RayError, type Send, sender } from "./request.ts";
import { type Tail, tailOf } from "./tail.ts";

/** The jobs of a Ray cluster, by the REST interface of its dashboard. */
export interface RayJobs {
  /**
   * Returns the version of Ray.
   *
   * @throws {RayError} if there is no Ray at the address, or it refuses the token.
   * @throws {Error} if it is too old.
   */
  version(signal?: AbortSignal): Promise<string>;
  /** Makes sure that the cluster has a package, and returns its address there. */
  upload(files: Package, signal?: AbortSignal): Promise<string>;
  /** Submits a job. The same job twice is one. */
  submit(job: Submission, signal?: AbortSignal): Promise<void>;
  /** Returns the state of a job; undefined if the cluster has none of this id. */
  state(id: string, signal?: AbortSignal): Promise<JobState | undefined>;
  /** Returns all that a job has written so far. */
  log(id: string, signal?: AbortSignal): Promise<string>;
  /** Returns the log of a job as it is sent while it grows. */
  tail(id: string): Tail;
  /** Asks a job to stop; one that has ended stays as it is. */
  stop(id: string, signal?: AbortSignal): Promise<void>;
  /** Removes a job that has ended from the cluster's list. */
  remove(id: string, signal?: AbortSignal): Promise<void>;
}

/** A job, as it is submitted. */
interface Submission {
  readonly id: string;
  /** The command. */
  readonly entrypoint: string;
  /** The address of its package. */
  readonly folder: string;
  /** The Python packages that are installed for it, as pip takes them. */
  readonly packages: readonly string[];
  /** Facts about it, for those who look at the dashboard. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The state of a job. */
export interface JobState {
  readonly status: "PENDING" | "RUNNING" | "STOPPED" | "SUCCEEDED" | "FAILED";
  /** Ray's words for it. */
  readonly message: string;
}

/** The oldest Ray that is spoken to: the first with tokens. */
const oldest = [2, 52];

/** The largest package that Ray keeps. */
const largest = 500 * 2 ** 20;

const statuses: readonly unknown[] = ["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"];

/**
 * Returns the jobs of a cluster.
 *
 * @throws {TypeError | RangeError} if the cluster is described wrongly.
 */
export function jobsOf(cluster: Cluster, action: string): RayJobs {
  const send = sender(cluster, action);
  const json = reader(send, action);
  const path = (id: string, more = "") => `api/jobs/${encodeURIComponent(id)}${more}`;
  const state = async (id: string, signal?: AbortSignal): Promise<JobState | undefined> => {
    const wanted = holding({
      status: (found) => statuses.includes(found),
      message: (found) => found == null || isText(found),
    });
    const found = await json({ method: "GET", path: path(id), also: [404], signal }, "a job's status", wanted);
    return found && { status: found.status as JobState["status"], message: found.message as string | null ?? "" };
  };
  return {
    version: async (signal) => {
      const asked = { method: "GET", path: "api/version", patience: 1 / 6, signal } as const;
      const { ray_version: version } = (await json(asked, "Ray's version", holding({ ray_version: isText })))!;
      if (isOlder(version as string)) {
        throw new Error(`Cannot ${action}: the cluster runs Ray ${version}: wanted ${oldest.join(".")} or newer`);
      }
      return version as string;
    },
    upload: async ({ name, bytes }, signal) => {
      if (bytes.length > largest) {
        const size = Math.ceil(bytes.length / 2 ** 20);
        throw new RangeError(`Cannot ${action}: the job has ${size} MiB beside its data, and Ray keeps 500`);
      }
      const path = `api/packages/gcs/${name}`;
      const { status } = await send({ method: "GET", path, also: [404], signal });
      if (status === 404) await send({ method: "PUT", path, body: bytes, within: 600_000, signal });
      return `gcs://${name}`;
    },
    submit: async ({ id, entrypoint, folder, packages, metadata }, signal) => {
      const pip = packages.length === 0 ? {} : { pip: packages };
      const body = { submission_id: id, entrypoint, runtime_env: { working_dir: folder, ...pip }, metadata };
      try {
        await send({ method: "POST", path: "api/jobs/", body, within: 120_000, signal });
      } catch (error) {
        signal?.throwIfAborted();
        // An answer that was cut off is one of a job that may have begun: asked again, Ray refuses its id.
        if (await state(id, signal).catch(() => undefined) === undefined) throw error;
      }
    },
    state,
    log: async (id, signal) => {
      const asked = { method: "GET", path: path(id, "/logs"), within: 120_000, patience: 1 / 6, signal } as const;
      return (await json(asked, "a job's log", holding({ logs: isText })))!.logs as string;
    },
    tail: (id) => tailOf(new URL(path(id, "/logs/tail"), addressOf(cluster.address, action)), cluster),
    stop: async (id, signal) => {
      await send({ method: "POST", path: path(id, "/stop"), patience: 1 / 6, also: [404], signal });
    },
    remove: async (id, signal) => {
      await send({ method: "DELETE", path: path(id), patience: 1 / 6, also: [404], signal });
    },
  };
}

/** Returns a function that sends a request and reads its answer, of a form; undefined if the status is 404 and that is one. */
function reader(send: Send, action: string) {
  return async (asked: Parameters<Send>[0], what: string, wanted: Test) => {
    const { status, text, from, words } = await send(asked);
    if (status === 404) return undefined;
    const found = parsed(text);
    if (wanted(found)) return found as Readonly<Record<string, unknown>>;
    const reason = `it answers with ${words === "" ? "nothing" : words}: wanted ${what} as Ray's dashboard sends it`;
    throw new RayError("wrong answer", `Cannot ${action}\n  at ${from}: ${reason}`);
  };
}

/** Returns the value of a JSON text; undefined if it is malformed. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns true if a version is before the oldest that is spoken to; one that counts otherwise, such as a build, is not. */
function isOlder(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  return major < oldest[0] || major === oldest[0] && minor < oldest[1];
}
