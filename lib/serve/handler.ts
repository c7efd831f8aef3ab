import { checkCount, checkFunction, checkText, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { sha256 } from "../files/sha256.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { bytesOf } from "./body.ts";
import { type Answering, type Models, openedModels } from "./folders.ts";
import { type Meters, meters } from "./meters.ts";
import { inferResponse, metadataOf, readInfer } from "./open_inference.ts";
import { limitsOf, type QueueLimits } from "./queue.ts";
import { Refusal } from "./refusal.ts";
import { type Served, served } from "./served.ts";
import { predictResponse, readPredict, statusOf } from "./tensorflow_serving.ts";

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

/** A function from requests to responses, and its state. */
export interface Handler {
  /** Answers a request. It never rejects: what goes wrong is a response. */
  (request: Request): Promise<Response>;
  /** Stops being ready, so that balancers send no more; what is asked is answered still. */
  drain(): void;
}

/** A request on its way through the handler. */
interface Call {
  readonly request: Request;
  readonly path: string;
  readonly until: number;
  /** The facts about the answer, for the log. */
  readonly seen: { model?: string; version?: string; rows?: number; error?: string };
}

/**
 * Returns a function that answers requests to models, a web standard `Request` to a `Response`: for `Deno.serve`, `Bun.serve`,
 * and adapters of Node.js and edge runtimes.
 *
 * It speaks the Open Inference Protocol, version 2 (`/v2/...`, with binary tensors), and TensorFlow Serving's predict API
 * (`/v1/models/NAME:predict`). Inputs are a model's features, raw: numbers, texts, lists, null for what is missing; a column
 * of one value beside longer ones holds for all rows. Outputs are its tasks; `gates/<level>/<stream>`, asked for by name, are
 * the weights of a gate. `GET /metrics` has counts for Prometheus.
 *
 * Requests that come while others are predicted are predicted together. Errors are JSON, `{"error"}`, with the JSON pointer
 * of what is wrong.
 *
 * @param models Models by name, or what {@linkcode openModels} returns.
 * @throws {TypeError | RangeError} if an option is wrong, or there is no model.
 * @see https://github.com/kserve/open-inference-protocol and https://www.tensorflow.org/tfx/serving/api_rest
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, encode, fit, numeric, reference, regression } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 * import { handler } from "@gatehouse/gatehouse/serve";
 *
 * const input = fit({ age: numeric({ standardise: false }) }, { age: [20, 30] });
 * const spec = define({ input, tasks: { spend: regression() } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(2) };
 * const parameters = { ...initialise(spec, 0), "tasks/spend/head/0/kernel": kernel };
 * const answer = handler({ shop: await compile(spec, { engine: reference(), parameters }) });
 * const body = JSON.stringify({ instances: [{ age: 30 }, { age: 41 }] });
 * const response = await answer(new Request("http://localhost/v1/models/shop:predict", { method: "POST", body }));
 * assertEquals(await response.json(), { predictions: [60, 82] });
 * ```
 */
export function handler(models: Readonly<Record<string, Model>> | Models, options: HandlerOptions = {}): Handler {
  const given = checked(options);
  const opened = openedModels(models);
  const late = opened && (["maxBatch", "maxDelay", "maxQueue"] as const).find((name) => options[name] !== undefined);
  if (late !== undefined) {
    throw new TypeError(`Cannot handle requests: ${late} is an option of openModels(), which opened these models`);
  }
  const all = opened ?? ofRecord(models, given);
  let draining = false;
  const answer = async (request: Request): Promise<Response> => {
    const began = performance.now();
    const time = new Date().toISOString();
    if (!(request instanceof Request)) {
      throw new TypeError(`Cannot handle requests: wanted a Request, found ${kindOf(request)}`);
    }
    const pathname = URL.parse(request.url)?.pathname;
    const call: Call = { request, path: pathname ?? "", until: began + given.deadline, seen: {} };
    let response: Response;
    try {
      if (pathname === undefined) throw new Refusal(400, "Cannot answer: its host and path are no address");
      response = await routed(call, all, given, draining);
    } catch (error) {
      const { status, message, headers } = refusalOf(error);
      call.seen.error = message;
      response = Response.json({ error: message }, { status, headers });
    }
    if (given.cors !== undefined) response.headers.set("access-control-allow-origin", given.cors);
    const milliseconds = performance.now() - began;
    const { model = "", version = "" } = call.seen;
    all.meters.answered({ model, version, status: `${response.status}` }, milliseconds / 1000);
    const entry = {
      time,
      method: request.method,
      path: call.path,
      status: response.status,
      ...call.seen,
      milliseconds,
    };
    try {
      given.log?.(entry);
    } catch (error) {
      console.error("Cannot log a request:", error); // the caller has the answer all the same
    }
    return response;
  };
  return Object.assign(answer, { drain: () => void (draining = true) });
}

/** The options of a handler, with nothing left to default. */
type Given = Required<Omit<HandlerOptions, "token" | "cors" | "log">> & Pick<HandlerOptions, "token" | "cors" | "log">;

/** Returns the options, checked. */
function checked(options: HandlerOptions): Given {
  const action = "handle requests";
  const names = ["maxBatch", "maxDelay", "maxQueue", "deadline", "maxBody", "token", "cors", "log"];
  const wanted = optionsOf(action, options, names);
  const given = { deadline: 30_000, maxBody: 2 ** 24, ...wanted, ...limitsOf(action, wanted) };
  checkCount(action, "deadline", given.deadline, 1);
  checkCount(action, "maxBody", given.maxBody, 1);
  if (given.token !== undefined) checkText(action, "token", given.token);
  if (given.token === "") throw new RangeError(`Cannot ${action}: token is empty: wanted a text, or none`);
  if (given.cors !== undefined) checkText(action, "cors", given.cors);
  if (given.log !== undefined) checkFunction(action, "log", given.log);
  return given;
}

/** Returns models in memory as those of folders. */
function ofRecord(models: unknown, limits: QueueLimits): Answering {
  if (!isRecord(models)) throw new TypeError(`Cannot handle requests: wanted models by name, found ${kindOf(models)}`);
  const counts = meters();
  const all = Object.entries(models).map(([name, model]) => {
    insidesOf(model as Model, "handle requests");
    return served(name, "1", model as Model, limits, counts);
  });
  if (all.length === 0) throw new RangeError("Cannot handle requests: there is no model");
  return { all: () => all, find: (name) => all.find((model) => model.name === name), meters: counts };
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
  { method: "GET", path: /^\/v2\/health\/live$/, open: true, answer: () => Response.json({ live: true }) },
  {
    method: "GET",
    path: /^\/v2\/health\/ready$/,
    open: true,
    answer: (_, __, { ready }) => Response.json({ ready }, { status: ready ? 200 : 503 }),
  },
  {
    method: "GET",
    path: /^\/v2\/?$/,
    answer: () => Response.json({ name: "gatehouse", version: "0.1.0", extensions: ["binary_tensor_data"] }),
  },
  { method: "GET", path: new RegExp(`^/v2${ofModel}$`), answer: (_, model) => Response.json(metadataOf(model!)) },
  {
    method: "GET",
    path: new RegExp(`^/v2${ofModel}/ready$`),
    open: true,
    answer: (_, model, { ready }) => Response.json({ name: model!.name, ready }, { status: ready ? 200 : 503 }),
  },
  {
    method: "POST",
    path: new RegExp(`^/v2${ofModel}/infer$`),
    answer: (call, model, { given }) => inferred(call, model!, given),
  },
  { method: "GET", path: new RegExp(`^/v1${ofModel}$`), answer: (_, model) => Response.json(statusOf([model!])) },
  {
    method: "POST",
    path: new RegExp(`^/v1${ofModel}:predict$`),
    answer: (call, model, { given }) => predicted(call, model!, given),
  },
  {
    method: "GET",
    path: /^\/metrics$/,
    answer: (_, __, { counts }) =>
      new Response(counts.text(), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } }),
  },
];

/** Answers a request by the row of its path. */
async function routed(
  call: Call,
  all: Answering,
  given: Given,
  draining: boolean,
): Promise<Response> {
  const { request, path, seen } = call;
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
  if (model !== undefined) Object.assign(seen, { model: model.name, version: model.version });
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
  const bytes = await bytesOf(call.request, given.maxBody, call.until);
  const asked = readInfer(bytes, headers.get("inference-header-content-length"), model.inputs);
  const until = Math.min(call.until, asked.timeout === undefined ? Infinity : performance.now() + asked.timeout);
  const found = await model.answer({ ...asked, until });
  call.seen.rows = found.count;
  return inferResponse(model, asked, found);
}

async function predicted(call: Call, model: Served, given: Given): Promise<Response> {
  const asked = readPredict(await bytesOf(call.request, given.maxBody, call.until), model.inputs);
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
      "access-control-allow-headers": "authorization, content-type, inference-header-content-length",
      "access-control-max-age": "600",
    },
  });
}

/** Makes sure that a request carries the token. Digests are compared, all bytes of them, so that time says nothing. */
function checkToken(request: Request, token: string): void {
  const [, found = ""] = /^bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const [given, wanted] = [found, token].map((text) => sha256(new TextEncoder().encode(text)));
  let differs = 0;
  for (let at = 0; at < wanted.length; at++) differs |= given.charCodeAt(at) ^ wanted.charCodeAt(at);
  if (differs === 0) return;
  const wrong = "Cannot answer: wanted the header Authorization: Bearer, with the token of this server";
  throw new Refusal(401, wrong, { "www-authenticate": "Bearer" });
}

/** Returns what the caller is answered where something went wrong: never more than a message. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  return new Refusal(500, "Cannot answer: something failed in the server, which its operator can see");
}
