/** The policy of the page: nothing is loaded from, or sent to, anywhere else, and no text becomes code. */
export const policy: string = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' blob:", // threads read their program so
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "content-security-policy": `${policy}; frame-ancestors 'none'`,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};

/** Answers requests of a site's files, which are in memory by their name. */
export function siteOf(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): (request: Request) => Response {
  return ({ method, url }) => {
    if (method !== "GET" && method !== "HEAD") {
      return new Response("Wanted GET or HEAD\n", { status: 405, headers: { ...headers, allow: "GET, HEAD" } });
    }
    const name = new URL(url).pathname.slice(1) || "index.html";
    const bytes = files.get(name);
    if (bytes === undefined) return new Response(method === "HEAD" ? null : "No such file\n", { status: 404, headers });
    const type = types[name.split(".").pop()!] ?? "application/octet-stream";
    const about = { ...headers, "content-type": type, "content-length": String(bytes.length) };
    return new Response(method === "HEAD" ? null : bytes, { headers: about });
  };
}

/** The files of a folder, without those of folders in it. */
export async function filesOf(folder: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) files.set(name, await Deno.readFile(`${folder}/${name}`));
  }
  return files;
}
