import { packageFolder } from "../../lib/engines/tfjs/wasm_files.ts";

/** A site that is served on this machine. */
export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** A page of one script. */
const page = '<!doctype html><html lang="en"><title>Gatehouse</title><script type="module" src="place.js"></script>';

const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** The policy of pages whose code is never made of text. */
const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/** The headers of each page, by its path: isolated, open to others, and isolated without what threads need. */
const pages: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/page/": {
    ...isolation,
    "content-security-policy": `${policy} blob:; worker-src 'self' blob:; connect-src 'self' blob:`,
  },
  "/open/": { "content-security-policy": policy },
  "/strict/": { ...isolation, "content-security-policy": policy },
};

/** Bundles the program of pages and serves it with the .wasm files of TensorFlow.js. */
export async function serve(): Promise<Site> {
  const program = await bundle();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const headers = pages[pathname];
    if (headers !== undefined) return answer(page, "text/html", headers);
    const own = Object.keys(pages).find((path) => pathname === `${path}place.js`);
    if (own !== undefined) return answer(program, "text/javascript", pages[own]);
    if (pathname === "/favicon.ico") return new Response(undefined, { status: 204 });
    const name = /^\/wasm\/(tfjs-backend-wasm[-\w]*\.wasm)$/.exec(pathname)?.[1];
    if (name === undefined) return new Response("none", { status: 404 });
    return answer(await Deno.readFile(new URL(name, packageFolder()!)), "application/wasm", isolation);
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

function answer(body: BodyInit, type: string, headers: Readonly<Record<string, string>>): Response {
  return new Response(body, { headers: { "content-type": type, ...headers } });
}

async function bundle(): Promise<string> {
  const args = ["bundle", "--quiet", "--platform=browser", "--minify", "tests/browser/place.ts"];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`Cannot bundle the program of pages: ${error}`);
  return out;
}
