import { ran } from "../environment.ts";

/** What was found while a server was under load: `failed` are answers of 400 and more, and what the sockets did. */
export interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly failed: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/** How a server is put under load: by how many connections, for how many seconds, at how many requests a second, if not all. */
export interface How {
  readonly connections: number;
  readonly seconds: number;
  readonly rate?: number;
}

/**
 * Returns the program `wrk`, which takes an eighth of a core or less: what is on the PATH, else what apt installs; undefined
 * where it cannot, after a line that says so.
 */
export async function foundWrk(): Promise<string | undefined> {
  for (const program of ["wrk", installed]) if (await runs(program)) return program;
  await ran("apt-get", ["update"]);
  const found = await ran("apt-get", ["install", "-y", "--no-install-recommends", "wrk"]);
  if (await runs(installed)) return installed;
  const why = "failed" in found ? `${found.failed}\n` : "";
  console.error(`${why}Cannot send requests: apt cannot install wrk here: wanted wrk 4 on the PATH`);
  return undefined;
}

/** Where apt puts it. */
const installed = "/usr/bin/wrk";

async function runs(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output(); // exits 1
    return true;
  } catch {
    return false;
  }
}

/**
 * Posts a file again and again, by connections of its own.
 *
 * @throws {Error} if `wrk` fails, says something else than what it should, or was never answered.
 */
export async function posted(
  program: string,
  url: string,
  file: string,
  { connections, seconds, rate }: How,
): Promise<Load> {
  const most = ["--threads", "1", "--connections", `${connections}`, "--duration", `${seconds}s`, "--timeout", "30s"];
  const args = [...most, "--script", "tests/serve/wrk.lua", url, "--", file, ...rate === undefined ? [] : [`${rate}`]];
  const found = await ran(program, args);
  if ("failed" in found) throw new Error(`wrk failed: ${found.failed}`);
  return loadIn(found.out);
}

/** Reads the last line of what `wrk` printed, which is the script's. */
function loadIn(text: string): Load {
  const names = ["requests", "seconds", "failed", "p50_ms", "p99_ms"] as const;
  let line: Partial<Record<string, unknown>> = {};
  try {
    line = JSON.parse(text.slice(text.lastIndexOf("\n") + 1));
  } catch { /* has none of the names */ }
  const load = Object.fromEntries(names.map((name) => [name, line[name]])) as Record<typeof names[number], number>;
  if (!names.every((name) => Number.isFinite(load[name])) || load.requests === 0 || load.seconds <= 0) {
    throw new Error(`Cannot read what wrk printed:\n${text}`);
  }
  return load;
}
