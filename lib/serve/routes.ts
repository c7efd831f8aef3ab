import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { bytesOf, json } from "./body.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Answering } from "./folders.ts";
import type { Given } from "./handler_options.ts";
import type { Meters } from "./meters.ts";
import { inferResponse, metadataOf, readInfer } from "./open_inference.ts";
import { Refusal } from "./refusal.ts";
import type { Served } from "./served.ts";
import { predictResponse, readPredict, signaturesOf, statusOf } from "./tensorflow_serving.ts";
import { checkToken } from "./token.ts";

/** A request on its way through the handler. */
export interface Call {
  readonly request: Request;
  /** The path of its address; empty if its address is none. */
  readonly path: string;
  /** The moment after which nobody waits for the answer, by `performance.now()`. */
  readonly until: number;
  /** The deadlines of all calls, by which their bodies must be there. */
  readonly deadlines: Deadlines;
  /** The facts that are found on the way, for counts and the log. */
  readonly seen: { model?: Served; rows?: number; error?: string };
}

/** A path that is answered. */
interface Route {
  readonly method: "GET" | "POST";
  readonly path: RegExp;
  /** True if no token is asked for. */
  readonly open?: true;
  readonly answer: (call: Call, model: Served | undefined, at: Place) => Response | Promise<Response>;
}

/** The surroundings of a call that its answer may need. */
interface Place {
  readonly counts: Meters;
  readonly given: Given;
  readonly ready: boolean;
}

const ofModel = "/models/([^/:]+)(?:/versions/([^/:]+))?";

/** The paths that are answered, one row each. */
const routes: readonly Route[] = [
  { method: "GET", path: /^\/v2\/health\/live$/, open: true, answer: () => json({ live: true }) },
  {
    method: "GET",
    path: /^\/v2\/health\/ready$/,
    open: true,
    answer: (_, __, { ready }) => json({ ready }, { status: ready ? 200 : 503 }),
  },
  {
    method: "GET",
    path: /^\/v2\/?$/,
    answer: () => json({ name: "gatehouse", version: "0.1.0", extensions: ["binary_tensor_data"] }),
  },
  { method: "GET", path: new RegExp(`^/v2${ofModel}$`), answer: (_, model) => json(metadataOf(model!)) },
  {
    method: "GET",
    path: new RegExp(`^/v2${ofModel}/ready$`),
    open: true,
    answer: (_, model, { ready }) => json({ name: model!.name, ready }, { status: ready ? 200 : 503 }),
  },
  {
    method: "POST",
    path: new RegExp(`^/v2${ofModel}/infer$`),
    answer: (call, model, { given }) => inferred(call, model!, given),
  },
  { method: "GET", path: new RegExp(`^/v1${ofModel}$`), answer: (_, model) => json(statusOf([model!])) },
  {
    method: "GET",
    path: new RegExp(`^/v1${ofModel}/metadata$`),
    answer: (_, model) => json(signaturesOf(model!)),
  },
  {
    method: "POST",
    path: new RegExp(`^/v1${ofModel}:predict$`),
    answer: (call, model, { given }) => predicted(call, model!, given),
  },
  {
    method: "GET",
    path: /^\/metrics$/,
    answer: async (_, __, { counts, given }) => {
      const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
      return new Response(await (given.counts ?? String)(counts.text()), { headers });
    },
  },
];

/**
 * Answers a request by the row of its path.
 *
 * @throws {Refusal} if it cannot be answered.
 */
export async function routed(
  call: Call,
  all: Answering,
  given: Given,
  draining: boolean,
): Promise<Response> {
  const { request, path, seen } = call;
  if (path === "") throw new Refusal(400, "Cannot answer: its host and path are no address");
  if (request.method === "OPTIONS" && given.cors !== undefined) return preflight();
  const rows = routes.filter((route) => route.path.test(path));
  if (rows.length === 0) throw new Refusal(404, `Cannot answer: there is nothing at ${quoted(path)}`);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const route = rows.find((route) => route.method === method);
  if (route === undefined) {
    const allow = rows.map(({ method }) => method).join(", ");
    throw new Refusal(405, `Cannot answer: ${quoted(path)} takes ${allow}, found ${request.method}`, { allow });
  }
  if (!route.open && given.token !== undefined) checkToken(request, given.token);
  const [, name, version] = route.path.exec(path)!;
  const model = name === undefined ? undefined : modelOf(all, name, version);
  seen.model = model;
  const release = model?.hold();
  try {
    return await route.answer(call, model, { counts: all.meters, given, ready: !draining && all.all().length > 0 });
  } finally {
    release?.();
  }
}

/** Returns the model of a path. */
function modelOf(all: Answering, name: string, version: string | undefined): Served {
  const wanted = decoded(name);
  const model = all.find(wanted);
  if (model === undefined) {
    const known = all.all().map(({ name }) => name);
    throw new Refusal(404, `Cannot answer: there is no model ${quoted(wanted)}${advice(wanted, known)}`);
  }
  if (version !== undefined && decoded(version) !== model.version) {
    const found = `model ${quoted(wanted)} has version ${quoted(model.version)}`;
    throw new Refusal(404, `Cannot answer: ${found}, not ${quoted(decoded(version))}`);
  }
  return model;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function inferred(call: Call, model: Served, given: Given): Promise<Response> {
  const { headers } = call.request;
  const bytes = await bytesOf(call.request, given.maxBody, call.until, call.deadlines);
  const asked = readInfer(bytes, headers.get("inference-header-content-length"), model.inputs);
  const until = Math.min(call.until, asked.timeout === undefined ? Infinity : performance.now() + asked.timeout);
  const found = await model.answer({ ...asked, until });
  call.seen.rows = found.count;
  return inferResponse(model, asked, found);
}

async function predicted(call: Call, model: Served, given: Given): Promise<Response> {
  const asked = readPredict(await bytesOf(call.request, given.maxBody, call.until, call.deadlines), model);
  const found = await model.answer({ ...asked, until: call.until });
  call.seen.rows = found.count;
  return predictResponse(asked, found);
}

/** Answers a browser that asks whether a page may call. */
function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": "GET, POST, OPTIONS",
      "access-control-allow-headers": "authorization, content-encoding, content-type, inference-header-content-length",
      "access-control-max-age": "600",
    },
  });
}
