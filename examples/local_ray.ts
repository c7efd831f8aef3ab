/** A Ray cluster on this machine, for as long as a program runs. */
import type { Cluster } from "@gatehouse/gatehouse/ray";

/** A cluster that was started here. */
export interface LocalRay {
  readonly cluster: Cluster;
  /** Ends it, and resolves when all its processes have ended. */
  stop(): Promise<void>;
}

/** The places of the program `ray`: where the tests install it, and the search path. */
const places = ["out/ray/venv/bin/ray", "ray"] as const;

const install =
  'python3 -m venv out/ray/venv && out/ray/venv/bin/pip install "ray[default]==2.60.0" onnxruntime pyarrow';

/**
 * Starts a head with some CPUs and a token of its own, on ports that are free, and resolves when it answers.
 *
 * @throws {Error} if Ray is not installed, with the command that installs it, or does not start.
 */
export async function localRay(cpus: number, say: (text: string) => void, signal: AbortSignal): Promise<LocalRay> {
  const [program, version] = await found();
  const [port, dashboard] = [freePort(), freePort()];
  const token = crypto.randomUUID().replaceAll("-", "");
  say(`Starting ${version.trim()} with ${cpus} CPUs, its dashboard at http://127.0.0.1:${dashboard}`);
  const child = new Deno.Command(program, {
    args: [
      ...["start", "--head", "--block", "--disable-usage-stats", "--node-ip-address", "127.0.0.1"],
      ...["--port", `${port}`, "--dashboard-port", `${dashboard}`, "--num-cpus", `${cpus}`],
    ],
    env: { RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN: token, RAY_USAGE_STATS_ENABLED: "0", ...pathOf(program) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true, // Ctrl-C is for this program, which then ends the cluster
  }).spawn();
  const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
  const status = { ended: false };
  const ended = child.status.then(() => status.ended = true);
  const end = () => {
    if (!status.ended) child.kill("SIGTERM");
  };
  globalThis.addEventListener("unload", end); // the second Ctrl-C ends this program at once
  const stop = async () => {
    end();
    const timer = setTimeout(() => status.ended || child.kill("SIGKILL"), 30_000);
    await ended;
    clearTimeout(timer);
    globalThis.removeEventListener("unload", end);
    await Promise.all(texts);
  };
  // A head that has just begun takes no jobs until its agent answers: on a busy machine that is more than a minute.
  const cluster = { address: `http://127.0.0.1:${dashboard}`, token, patience: 180_000 };
  for (const begun = Date.now(); !await answers(cluster);) {
    if (status.ended || signal.aborted || Date.now() > begun + 90_000) {
      await stop();
      signal.throwIfAborted();
      const lines = (await Promise.all(texts)).join("\n").trim().split("\n").slice(-5).join("\n");
      const wanted = `wanted Ray with its dashboard, as "ray[default]" has it: try\n${install}\n`;
      throw new Error(`Cannot start Ray\n  at ${program}: it does not answer: ${wanted}Its last words:\n${lines}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return { cluster, stop };
}

/** Returns the program `ray` and its version. */
async function found(): Promise<[program: string, version: string]> {
  for (const program of places) {
    try {
      const { success, stdout } = await new Deno.Command(program, { args: ["--version"], stderr: "null" }).output();
      if (success) return [program, new TextDecoder().decode(stdout)];
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(
    `Cannot start Ray\n  at ${places.join(" and the search path, ")}: it is not installed: try\n${install}`,
  );
}

/** Returns the search path on which jobs find the Python of an environment, if the program is of one. */
function pathOf(program: string): Readonly<Record<string, string>> {
  if (!program.includes("/")) return {};
  return { PATH: `${Deno.realPathSync(program.replace(/\/ray$/, ""))}:${Deno.env.get("PATH") ?? ""}` };
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return (listener.addr as Deno.NetAddr).port;
}

async function answers({ address, token }: Cluster): Promise<boolean> {
  try {
    const response = await fetch(`${address}/api/version`, { headers: { authorization: `Bearer ${token}` } });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
