import { chromium } from "../browser/program.ts";

/** The result of a frame. */
export interface Result {
  readonly way: string;
  readonly error?: string;
}

/** The milliseconds that all frames have. */
const patience = 120_000;

/**
 * Serves a folder, opens its page in Chromium without a window, and returns what its frames report; undefined if there is
 * no Chromium.
 */
export async function inChromium(site: string, ways: readonly string[]): Promise<readonly Result[] | undefined> {
  const program = await chromium();
  if (program === undefined) return undefined;
  const results = new Map(ways.map((way): [string, Result] => [way, { way, error: "no report within two minutes" }]));
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const waiting = new Set(ways);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/result") return await fileOf(site, pathname);
    const result: Result = await request.json();
    results.set(result.way, result);
    waiting.delete(result.way);
    if (waiting.size === 0) resolve();
    return new Response();
  });
  const profile = await Deno.makeTempDir({ dir: "out" });
  const timer = setTimeout(resolve, patience);
  const args = ["--headless=new", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`];
  const { hostname, port } = server.addr;
  const page = `http://${hostname}:${port}/index.html`;
  const browser = new Deno.Command(program, { args: [...args, page], stdout: "null", stderr: "null" }).spawn();
  try {
    await Promise.race([done, browser.status]);
    return [...results.values()];
  } finally {
    clearTimeout(timer);
    await ended(browser);
    await server.shutdown();
    await Deno.remove(profile, { recursive: true }).catch(() => {}); // it may still be writing
  }
}

async function ended(browser: Deno.ChildProcess): Promise<void> {
  try {
    browser.kill();
  } catch {
    // it has ended
  }
  await browser.status;
}

const types: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  wasm: "application/wasm",
};

async function fileOf(site: string, path: string): Promise<Response> {
  try {
    const type = types[path.split(".").at(-1)!] ?? "application/octet-stream";
    return new Response(await Deno.readFile(`${site}${path}`), { headers: { "content-type": type } });
  } catch {
    return new Response("none", { status: 404 });
  }
}
