import { pythonOf } from "../environment.ts";
import { folder } from "./load_requests.ts";

/** A server under test: how it is begun at a port, and the number of processes that answer. */
export interface Contestant {
  readonly name: string;
  readonly processes: number;
  readonly command: (port: number) => readonly [program: string, args: readonly string[]];
}

/** A server that runs. */
export interface Running extends Contestant {
  readonly url: string;
  readonly pid: number;
  readonly end: () => Promise<unknown>;
}

/** The name of the server that the others are compared with. */
export const fastApi = "FastAPI and ONNX Runtime";

/** Returns our server. */
export function ours(engine: string, workers: number): Contestant {
  const how = ["--model", `${folder}/models`, "--json", "--workers", `${workers}`, "--engine", engine];
  return {
    name: `ours, ${engine}, workers: ${workers}`,
    processes: 1,
    command: (port) => deno("examples/serve.ts", ...how, "--port", `${port}`),
  };
}

/** Returns the others whose names are wanted; without FastAPI where it cannot be installed. */
export async function peers(isWanted: (name: string) => boolean): Promise<readonly Contestant[]> {
  const graphModel = [`${folder}/graph-model`, `${folder}/features.json`];
  const all: readonly Contestant[] = [
    {
      name: "GraphModel",
      processes: 1,
      command: (port) => deno("tests/serve/graph_model_peer.ts", ...graphModel, `${port}`),
    },
    {
      name: "encode and predict",
      processes: 1,
      command: (port) => deno("tests/serve/bare.ts", `${folder}/models/census/1`, `${port}`),
    },
  ];
  const python = isWanted(fastApi) ? await pythonOf(`${folder}/venv`, packages) : undefined;
  return [...python === undefined ? [] : [uvicorn(python)], ...all].filter(({ name }) => isWanted(name));
}

const packages = [
  "fastapi==0.165.0",
  "uvicorn==0.54.0",
  "uvloop==0.23.0",
  "httptools==0.9.0",
  "onnxruntime==1.32.0",
  "numpy==2.4.6",
];

function uvicorn(python: string): Contestant {
  const processes = navigator.hardwareConcurrency;
  const app = ["-m", "uvicorn", "--app-dir", "tests/serve", "fastapi_peer:app", "--log-level", "error"];
  return {
    name: fastApi,
    processes,
    command: (port) => [python, [...app, "--workers", `${processes}`, "--port", `${port}`]],
  };
}

function deno(...args: readonly string[]): readonly [string, readonly string[]] {
  const may = ["--allow-read", "--allow-write=out", "--allow-net=127.0.0.1", "--allow-ffi"];
  const collector = "--v8-flags=--max-semi-space-size=4"; // as `deno task serve` has it
  return [Deno.execPath(), ["run", "--no-prompt", collector, "--unstable-net", ...may, ...args]];
}

/**
 * Begins a server at a free port, which answers this body once this resolves.
 *
 * @throws {Error} if it does not within half a minute.
 */
export async function begun(contestant: Contestant, body: string): Promise<Running> {
  const port = freePort();
  const [program, args] = contestant.command(port);
  const server = new Deno.Command(program, { args: [...args], stdout: "null", stderr: "inherit" }).spawn();
  const url = `http://127.0.0.1:${port}/v1/models/census:predict`;
  let hasEnded = false;
  void server.status.then(() => hasEnded = true);
  const end = () => {
    if (!hasEnded) server.kill("SIGTERM");
    return server.status;
  };
  for (let attempt = 0; attempt < 300 && !hasEnded; attempt++) {
    const answer = await post(url, body).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return { ...contestant, url, pid: server.pid, end };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await end();
  throw new Error(`Cannot measure ${contestant.name}: it does not answer at ${url}`);
}

/** Returns a port that no other program has. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Sends a request. */
export function post(url: string, body: string): Promise<Response> {
  return fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
}
