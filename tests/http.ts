/** Reads CSV from addresses of a server that runs here: `deno task test:http`. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { compile, csvParts, type CsvPartsOptions, dataset, define, encode, labels, load, readCsv } from "../mod.ts";
import { reference, regression, rows, train } from "../mod.ts";
import { serve } from "../lib/serve.ts";
import { bitsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";
import { gzip, joined } from "./archives.ts";
import { brotliCompressSync } from "node:zlib";

const columns: CsvPartsOptions["columns"] = { x: "number", word: "text", y: "number" };
const lines = Array.from({ length: 3000 }, (_, row) => `${row % 97},w${row % 13},${row % 5}\n`).join("");
const bytes = new TextEncoder().encode(`x,word,y\n${lines}`);
const zipped = await gzip(bytes);
/** The bytes as members, which `cat a.gz b.gz` and bgzip make. */
const members = joined(await gzip(bytes.slice(0, 9000)), await gzip(bytes.slice(9000)));
const twice = await gzip(zipped);
const encoded = (bytes: Uint8Array<ArrayBuffer>, by: string) =>
  new Response(bytes, { headers: { "content-encoding": by } });

/** The answers of the server by path. */
const answers: Readonly<Record<string, () => Response>> = {
  "/log.csv": () => new Response(bytes),
  "/log.csv.gz": () => new Response(zipped),
  "/encoded.csv": () => encoded(zipped, "gzip"),
  "/members.csv.gz": () => new Response(members),
  "/encoded-members.csv": () => encoded(members, "gzip"),
  "/twice.csv.gz": () => encoded(twice, "gzip"),
  "/stored.csv": () => encoded(new Uint8Array(brotliCompressSync(bytes)), "br"), // whatever is asked for
  "/moved.csv": () => new Response(null, { status: 302, headers: { location: "/log.csv" } }),
  "/busy.csv": () => new Response("come back", { status: 503 }),
  "/page.csv": () => new Response("<!DOCTYPE html><p>Sign in</p>\n", { headers: { "content-type": "text/html" } }),
  "/damaged.csv.gz": () => new Response(zipped.map((byte, at) => at === zipped.length >> 1 ? byte ^ 1 : byte)),
  "/short.csv.gz": () => new Response(zipped.subarray(0, zipped.length >> 1)),
  "/stuck/spec.json": () => new Response(new ReadableStream({ start: (to) => to.enqueue(bytes.subarray(0, 1000)) })),
  "/stuck.csv": () => new Response(new ReadableStream({ start: (to) => to.enqueue(bytes.subarray(0, 1000)) })),
};

/** Calls an action with the address of the server. */
async function served(act: (address: string) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const { finished, addr } = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: stop.signal },
    ({ url }) => answers[new URL(url).pathname]?.() ?? new Response("no such file", { status: 404 }),
  );
  try {
    await act(`http://127.0.0.1:${addr.port}`);
  } finally {
    stop.abort();
    await finished;
  }
}

/** Calls an action with the address of a server that cuts the connection after some bytes of what it has announced. */
async function cut(head: string, body: Uint8Array, act: (address: string) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096));
      const writer = connection.writable.getWriter();
      await writer.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`));
      await writer.write(body);
      await writer.close();
    }
  })();
  try {
    await act(`http://127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    await answering.catch(() => {});
  }
}

Deno.test("readCsv() and csvParts() read addresses: plain, gzip of one member and more, encoded, and moved", async () => {
  const wanted = await readCsv(bytes, { columns });
  await served(async (address) => {
    const packed = ["encoded.csv", "members.csv.gz", "encoded-members.csv", "twice.csv.gz", "stored.csv"];
    for (const path of ["log.csv", "log.csv.gz", ...packed, "moved.csv"]) {
      assertEquals(await readCsv(`${address}/${path}`, { columns }), wanted, path);
      const parts = await csvParts([new URL(`${address}/${path}`)], { columns, rows: 4096 });
      assertEquals(await Array.fromAsync(parts), [wanted], path);
    }
  });
});

Deno.test("csvParts() begins within a file at an address", async () => {
  await served(async (address) => {
    for (const path of ["log.csv", "log.csv.gz"]) {
      const [{ read, name }] = await (await csvParts(`${address}/${path}`, { columns, rows: 4096 })).parts();
      assertEquals(name, `${address}/${path}`);
      const [{ count, columns: { x } }] = await Array.fromAsync(read(2990));
      assertEquals([count, x.kind === "number" && x.values], [10, Float64Array.from({ length: 10 }, (_, i) => 80 + i)]);
    }
  });
});

Deno.test("a training on addresses goes on within a file, and ends with the same bits", async () => {
  await served(async (address) => {
    const features = { x: { kind: "numeric", transform: "none", mean: 48, scale: 28 } } as const;
    const spec = define({ input: features, tasks: { y: regression() } });
    const log = await csvParts([`${address}/log.csv`, `${address}/log.csv.gz`], { columns });
    const data = dataset(log, (table) => rows(encode(features, table), { labels: labels(table, { y: "y" }) }), {
      buffer: 1000,
    });
    const ran = async (folder: string, stops: readonly number[]) => {
      for (const stop of stops) {
        const model = await compile(spec, { engine: reference(), seed: 7 });
        const checkpoint = { folder, every: { steps: 4 } };
        for await (const { step } of train(model, data, { epochs: 2, batch: 100, checkpoint, resume: folder })) {
          if (step >= stop) break;
        }
        const bits = await bitsOf(model);
        model.dispose();
        if (stop === Infinity) return bits;
      }
    };
    await withTemp(async (folder) => {
      assertEquals(await ran(`${folder}/often`, [7, 45, 77, Infinity]), await ran(`${folder}/once`, [Infinity]));
    });
  });
});

Deno.test("addresses that do not answer with the file are errors that name them", async () => {
  await served(async (address) => {
    const failing: Readonly<Record<string, string>> = {
      "nowhere.csv": "found status 404 Not Found, wanted 200",
      "busy.csv": "found status 503 Service Unavailable, wanted 200",
      "page.csv": "HTML",
      "damaged.csv.gz": "",
      "short.csv.gz": "the gzip data is cut short",
    };
    for (const [path, reason] of Object.entries(failing)) {
      for (const read of [readCsv, async (url: string) => Array.fromAsync(await csvParts(url, { columns }))]) {
        const error = await assertRejects(() => read(`${address}/${path}`, { columns }), Error);
        assert(error.message.startsWith(`Cannot read ${address}/${path}`), error.message);
        assertStringIncludes(error.message, reason);
      }
    }
  });
  const error = await assertRejects(() => readCsv("http://127.0.0.1:9/log.csv", { columns }), Error);
  assert(error.message.startsWith("Cannot read http://127.0.0.1:9/log.csv: "), error.message);
});

Deno.test("a connection that is cut is an error, however the length was announced", async () => {
  const part = bytes.subarray(0, 20_000);
  const chunk = new TextEncoder().encode(`${part.length.toString(16)}\r\n`);
  const forms: readonly [head: string, body: Uint8Array][] = [
    [`content-length: ${bytes.length}\r\nconnection: close`, part],
    ["transfer-encoding: chunked\r\nconnection: close", Uint8Array.of(...chunk, ...part)],
  ];
  for (const [head, body] of forms) {
    await cut(head, body, async (address) => {
      for (const read of [readCsv, async (url: string) => Array.fromAsync(await csvParts(url, { columns }))]) {
        const error = await assertRejects(() => read(`${address}/log.csv`, { columns }), Error);
        assert(error.message.startsWith(`Cannot read ${address}/log.csv: `), error.message);
      }
    });
  }
});

Deno.test("a reading of an address that no longer answers ends when it is aborted", async () => {
  await served(async (address) => {
    const signal = AbortSignal.timeout(200);
    await assertRejects(() => readCsv(`${address}/stuck.csv`, { columns, signal }), DOMException);
  });
});

Deno.test("load() of an address that no longer answers ends when it is aborted", async () => {
  await served(async (address) => {
    const signal = AbortSignal.timeout(300);
    await assertRejects(() => load(`${address}/stuck`, { signal }), DOMException, "timeout");
    await assertRejects(() => load(`${address}/none`), Error, `at ${address}/none/spec.json: found status 404`);
  });
});

Deno.test("a server ends though callers hold half a request, or did not send what was refused", async () => {
  const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: reference() });
  for (const [sent, options] of [["100", { deadline: 100 }], ["100000", { maxBody: 1000 }]] as const) {
    const server = serve({ m: model }, { port: 0, ...options });
    using caller = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(server.url).port) });
    const head = `POST /v1/models/m:predict HTTP/1.1\r\nhost: h\r\ncontent-length: ${sent}\r\n\r\n{"i`;
    await caller.write(new TextEncoder().encode(head));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = performance.now();
    await server.close();
    assert(performance.now() - before < 5000);
  }
  model.dispose();
});
