/**
 * A page in which models learn in the browser: two tasks whose correlation a slider sets, and any CSV file. Builds it into a
 * folder, which any server of static files can serve, and serves it.
 */
import { listening } from "../lib/serve/listening.ts";
import { commandLine, run } from "./cli.ts";
import { buildPage } from "./page/build.ts";
import { engineNames } from "./page/engine_names.ts";
import { filesOf, siteOf } from "./page/site.ts";

const command = commandLine(
  "page",
  "Builds a page in which models learn in the browser, and serves it on this machine.",
  {
    out: { kind: "path", help: "the folder of the page", default: "out/page" },
    port: { kind: "number", help: "the port; 0: any that is free", default: 8080, from: 0, to: 65535, whole: true },
    build: { kind: "flag", help: "builds the page, and ends" },
    engine: { kind: "choice", help: "what computes in the page", of: engineNames, default: "auto" },
  },
  "--port 0",
);

await run(command, async ({ out, port, build, seed, engine }, { say, record, signal }) => {
  say("Building the page");
  const { gzipped, wasm } = await buildPage({ out, seed, engine });
  const [program, kernels] = [gzipped, wasm].map((bytes) => Math.round(bytes / 1000));
  say(`The page is in ${out}: ${program} kB gzipped, and ${kernels} kB of WebAssembly`);
  record({ out, gzipped, wasm });
  if (build) return;
  const answer = siteOf(await filesOf(out));
  signal.throwIfAborted(); // a server that begins after it never ends
  const server = listening(
    "serve the page",
    { hostname: "127.0.0.1", port },
    (at) => Deno.serve({ ...at, signal, onListen: () => {} }, answer),
  );
  Deno.addSignalListener("SIGTERM", () => void server.shutdown());
  const url = `http://127.0.0.1:${server.addr.port}`;
  record({ url });
  say(`Open ${url}`);
  await server.finished;
});
