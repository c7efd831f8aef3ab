import { packageFolder } from "../../lib/engines/tfjs/wasm_files.ts";

/** A site that is served on this machine. */
export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** A page of one script, without evaluated code. `/open/` is the same page where memory is not shared with threads. */
const page = '<!doctype html><html lang="en"><title>Gatehouse</title><script type="module" src="/place.js"></script>';

const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:";

/** Bundles the program of pages and serves it with the .wasm files of TensorFlow.js. */
export async function serve(): Promise<Site> {
  const program = await bundle();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/place.js") return answer(program, "text/javascript", request);
    if (pathname === "/" || pathname === "/open/") return answer(page, "text/html", request);
    if (pathname === "/favicon.ico") return new Response(undefined, { status: 204 });
    const name = /^\/wasm\/(tfjs-backend-wasm[-\w]*\.wasm)$/.exec(pathname)?.[1];
    if (name === undefined) return new Response("none", { status: 404 });
    return answer(await Deno.readFile(new URL(name, packageFolder()!)), "application/wasm", request);
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

function answer(body: BodyInit, type: string, { referrer, url }: Request): Response {
  const isOpen = [referrer, url].some((address) => address.includes("/open/"));
  const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
  return new Response(body, {
    headers: { "content-type": type, "content-security-policy": policy, ...isOpen ? {} : isolation },
  });
}

async function bundle(): Promise<string> {
  const args = ["bundle", "--quiet", "--platform=browser", "--minify", "tests/browser/place.ts"];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`Cannot bundle the program of pages: ${error}`);
  return out;
}
