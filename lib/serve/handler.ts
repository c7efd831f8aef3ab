import { isRecord, kindOf } from "../errors/kinds.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { json } from "./body.ts";
import { deadlines } from "./deadlines.ts";
import { type Answering, type Models, openedModels } from "./folders.ts";
import { checked, type Given, type HandlerOptions } from "./handler_options.ts";
import { meters } from "./meters.ts";
import type { QueueLimits } from "./queue.ts";
import { Broken, Refusal } from "./refusal.ts";
import { type Call, routed } from "./routes.ts";
import { served } from "./served.ts";

/** A function from requests to responses, and its state. */
export interface Handler {
  /** Answers a request. It never rejects: what goes wrong is a response. */
  (request: Request): Promise<Response>;
  /** Returns its counts, as `GET /metrics` answers them. */
  counts(): string;
  /** Stops being ready, so that balancers send no more; what is asked is answered still. */
  drain(): void;
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
  const bodies = deadlines();
  let draining = false;
  const answer = async (request: Request): Promise<Response> => {
    const [time, began] = [Date.now(), performance.now()];
    if (!(request instanceof Request)) {
      throw new TypeError(`Cannot handle requests: wanted a Request, found ${kindOf(request)}`);
    }
    const call: Call = {
      request,
      path: pathOf(request.url),
      until: began + given.deadline,
      deadlines: bodies,
      seen: {},
    };
    let response: Response;
    try {
      response = await routed(call, all, given, draining);
    } catch (error) {
      const { status, message, headers } = refusalOf(error, draining);
      call.seen.error = message;
      response = json({ error: message }, { status, headers });
    }
    if (request.method === "HEAD") response = await withoutBody(response);
    if (given.cors !== undefined) {
      response.headers.set("access-control-allow-origin", given.cors);
      // where a binary answer splits, and when to ask again
      response.headers.set("access-control-expose-headers", "inference-header-content-length, retry-after");
    }
    const milliseconds = performance.now() - began;
    (call.seen.model ?? all.meters).answered(response.status, milliseconds / 1000);
    if (given.log !== undefined) logged(given.log, call, { time, status: response.status, milliseconds });
    return response;
  };
  return Object.assign(answer, { counts: all.meters.text, drain: () => void (draining = true) });
}

/** Returns an answer as HEAD has it: its body is left out, whose length is said. */
async function withoutBody(response: Response): Promise<Response> {
  const { byteLength } = await response.arrayBuffer();
  const headers = new Headers(response.headers);
  headers.set("content-length", `${byteLength}`);
  return new Response(null, { status: response.status, headers });
}

/** Returns the path of an address; an empty one, which nothing has, where the host is no name. */
function pathOf(url: string): string {
  return URL.parse(url)?.pathname ?? "";
}

/** Reports an answered request. */
function logged(
  log: NonNullable<Given["log"]>,
  { request, path, seen: { model, rows, error } }: Call,
  { time, status, milliseconds }: { readonly time: number; readonly status: number; readonly milliseconds: number },
): void {
  try {
    log({
      time: new Date(time).toISOString(),
      method: request.method,
      path,
      status,
      ...(model !== undefined && { model: model.name, version: model.version }),
      ...(rows !== undefined && { rows }),
      ...(error !== undefined && { error }),
      milliseconds,
    });
  } catch (error) {
    console.error("Cannot log a request:", error); // the caller has the answer all the same
  }
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

/** Returns what the caller is answered where something went wrong: never more than a message. */
function refusalOf(error: unknown, draining: boolean): Refusal {
  if (error instanceof Broken && draining) { // by the server, which ends
    return new Refusal(503, "Cannot answer: the server is ending: ask another, or this one later", {
      "retry-after": "1",
    });
  }
  if (error instanceof Refusal) return error;
  return new Refusal(500, "Cannot answer: something failed in the server, which its operator can see");
}
