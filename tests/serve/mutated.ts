import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { random } from "../../lib/datasets.ts";
import { handler } from "../../lib/serve.ts";
import { load, reference } from "../../mod.ts";
import { mebibytesOf } from "../environment.ts";
import { start } from "../programs.ts";

/** A request as bytes on a connection. */
interface Sent {
  /** The first line and the headers. */
  readonly head: readonly string[];
  readonly body: Uint8Array<ArrayBuffer>;
  /** The way it is sent: at once, in pieces with pauses, or to a place where the caller leaves. */
  readonly how: "at once" | "slowly" | "cut";
  /** True if it is no HTTP request, which a server may answer without JSON. */
  readonly isStrange: boolean;
}

type Source = ReturnType<typeof random>;

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/**
 * Sends mutated requests to a server of its own, each with a row of its own: an answer must be the one that a handler alone
 * gives to the same bytes. The server must live on, and its memory must not grow but for what Deno itself keeps of connections that
 * are cut: a server that reads the same requests and answers each with one word is measured beside it.
 */
export async function mutatedRequests(folder: string, count: number): Promise<string> {
  const model = await load(folder, { engine: reference() });
  const alone = handler({ visitors: model });
  const args = ["--model", folder.slice(0, folder.lastIndexOf("/visitors/")), "--engine", "reference"];
  const process = start("serve", ["--port", "0", "--json", ...args]);
  const errors = new Response(process.stderr).text();
  const { url, lines } = await begun(process);
  const statuses = new Map<number, number>();
  const memories = await allSent(process.pid, Number(new URL(url).port), count, async (answer, sent) => {
    const status = await checked(answer, sent, alone);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  });
  assertEquals((await fetch(`${url}/v2/health/ready`)).status, 200);
  process.kill("SIGTERM");
  const { code } = await process.status;
  assertEquals(code, 0, await errors);
  assert(!/\.ts:\d/.test(await errors), await errors);
  await lines.cancel();
  model.dispose();
  const bare = await bareMemories(count);
  const grown = (all: readonly number[]) => all.at(-1)! - all[Math.floor(all.length / 2)];
  const texts = [memories, bare].map((all) => all.map(Math.round).join(", "));
  assert(grown(memories) - grown(bare) < 40, `its memory grows: ${texts.join(" MiB; a bare server's: ")}`);
  const found = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status || "left"}: ${count}`);
  return `${count} requests, ${found.join(", ")}; memory ${texts[0]} MiB, of a bare server ${texts[1]}`;
}

/** Returns the address that a server prints, and the rest of what it does. */
async function begun(process: Deno.ChildProcess) {
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { url }: { readonly url: string } = JSON.parse((await lines.read()).value!);
  return { url, lines };
}

/** Sends the same requests to a server that computes nothing; returns its memory in nine looks. */
async function bareMemories(count: number): Promise<readonly number[]> {
  const args = ["run", "--no-prompt", "--allow-net=127.0.0.1", "tests/serve/constant.ts"];
  const process = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
  try {
    const { url, lines } = await begun(process);
    const memories = await allSent(process.pid, Number(new URL(url).port), count, () => Promise.resolve());
    await lines.cancel();
    return memories;
  } finally {
    process.kill("SIGTERM");
    await process.status;
  }
}

/** Sends mutated requests, 8 at a time, and takes the answers; returns the memory of the server's process in nine looks. */
async function allSent(
  pid: number,
  port: number,
  count: number,
  take: (answer: string, sent: Sent) => Promise<void>,
): Promise<readonly number[]> {
  const source = random("mutated requests");
  const memories: number[] = [];
  let next = 0;
  const ask = async () => {
    while (next < count) {
      const at = next++;
      if (at % Math.ceil(count / 8) === 0) memories.push(await mebibytesOf(pid));
      const sent = mutated(source, at);
      await take(await answerTo(port, sent), sent);
    }
  };
  await Promise.all(Array.from({ length: 8 }, ask));
  memories.push(await mebibytesOf(pid));
  return memories;
}

/** Makes sure that an answer is that of its own request; returns its status, 0 where the caller left, or none is due. */
async function checked(
  answer: string,
  sent: Sent,
  alone: (request: Request) => Promise<Response>,
): Promise<number> {
  const { head, body, how, isStrange } = sent;
  const text = `${head.join("\n")}\n${decoder.decode(body).slice(0, 300)}\n=> ${answer.slice(0, 600)}`;
  if (answer === "") {
    assert(how === "cut" || isStrange, `no answer: ${text}`);
    return 0;
  }
  const [, code, said] = /^HTTP\/1\.[01] (\d{3}) [^]*?\r\n\r\n([^]*)$/.exec(answer) ?? [];
  const status = Number(code);
  assert(status >= 200 && status < 600, text);
  if (isStrange && said === "") return status;
  if (how === "cut") return status;
  const found = JSON.parse(said);
  if (status >= 400) assert(typeof found.error === "string" && !/\.ts:\d/.test(found.error), text);
  assert(status !== 500, text);
  if (isStrange) return status;
  const [method, path] = head[0].split(" ");
  const headers = head.slice(1).map((line) => line.split(": ") as [string, string]);
  const wanted = await alone(new Request(`http://a${path}`, { method, headers, ...(method === "POST" && { body }) }));
  assertEquals(status, wanted.status, text);
  same(found, await wanted.json(), text);
  return status;
}

/** Makes sure that two values of JSON are the same, numbers to 1e-6. */
function same(found: unknown, wanted: unknown, text: string): void {
  if (typeof found === "number" && typeof wanted === "number") return assertAlmostEquals(found, wanted, 1e-6, text);
  if (typeof found !== "object" || found === null) return assertEquals(found, wanted, text);
  assertEquals(Object.keys(found), Object.keys(wanted as object), text);
  for (const [key, value] of Object.entries(found)) same(value, (wanted as Record<string, unknown>)[key], text);
}

/** The row of a request, which no other has, and the request. */
interface Row {
  readonly age: number;
  readonly job: string;
  readonly path: string;
  readonly value: unknown;
}

/** Returns a request without mistakes, in one of several forms. */
function rowAt(source: Source, at: number): Row {
  const [age, job] = [20 + at / 1000, pick(source, "smith", "köln", "clerk", "nobody")];
  const inputs = [
    { name: "age", shape: [1], datatype: "FP32", data: [age] },
    { name: "job", shape: [1], datatype: "BYTES", data: [job] },
  ];
  const [path, value] = pick<readonly [string, unknown]>(
    source,
    ["/v1/models/visitors:predict", { instances: [{ age, job }] }],
    ["/v1/models/visitors/versions/1:predict", { inputs: { age: [age], job: [job] } }],
    ["/v2/models/visitors/infer", { id: `${at}`, inputs }],
  );
  return { age, job, path, value };
}

function pick<T>(source: Source, ...of: readonly T[]): T {
  return of[source.bits() % of.length];
}

/** Returns a request of its own row, most often with a mistake. */
function mutated(source: Source, at: number): Sent {
  const { age, job, path, value } = rowAt(source, at);
  const one = <T>(...of: readonly T[]) => pick(source, ...of);
  const body = encoder.encode(JSON.stringify(value));
  const line = `POST ${path} HTTP/1.1`;
  const head = (length: number | string) => ["Host: a", "Connection: close", `Content-Length: ${length}`];
  const whole = { head: [line, ...head(body.length)], body, how: "at once", isStrange: false } as const;
  switch (source.bits() % 12) {
    case 0: {
      const other = changed(body, source);
      return { ...whole, head: [line, ...head(other.length)], body: other };
    }
    case 1: {
      const text = JSON.stringify(value).replace(
        /\d+(\.\d+)?/,
        one("null", "1e999", "-0", "[]", '"x"', "{}", "NaN", "1e38"),
      );
      const other = encoder.encode(text);
      return { ...whole, head: [line, ...head(other.length)], body: other };
    }
    case 2:
      return {
        ...whole,
        head: [...whole.head, `Content-Type: ${one("text/csv", "application/json; charset=utf-16", "x")}`],
      };
    case 3:
      return { ...whole, head: [...whole.head, `Content-Encoding: ${one("gzip", "deflate", "br", "identity")}`] };
    case 4:
      return {
        ...whole,
        head: [...whole.head, `Inference-Header-Content-Length: ${one("-1", "0", "9", "1e9", "x")}`],
      };
    case 5:
      return { ...binary(age, job, source), how: one("at once", "slowly"), isStrange: false };
    case 6:
      return { ...whole, head: [line.replace("models", one("modls", "models/none", "%")), ...head(body.length)] };
    case 7:
      return { ...whole, how: "cut", body: body.subarray(0, source.bits() % body.length) };
    case 8: {
      const strange = one("x", "-1", "1, 2", `${body.length - 9}`, "99999999999999999999");
      return { ...whole, head: [line, ...head(strange)], isStrange: true, how: one("at once", "cut") };
    }
    case 9: {
      const chunks = encoder.encode(one('5\r\n{"a":\r\n0\r\n\r\n', "zz\r\n", "5\r\n{", "0\r\n\r\n"));
      return {
        head: [line, "Host: a", "Connection: close", "Transfer-Encoding: chunked"],
        body: chunks,
        how: "cut",
        isStrange: true,
      };
    }
    case 10:
      return { ...whole, how: "slowly" };
    default:
      return whole;
  }
}

/** Returns a request with binary tensors, the lengths of which may be wrong. */
function binary(age: number, job: string, source: Source): Pick<Sent, "head" | "body"> {
  const [wrong, word] = [() => source.bits() % 4 === 0 ? source.bits() % 9 - 4 : 0, encoder.encode(job)];
  const text = Uint8Array.from([...new Uint8Array(Uint32Array.of(word.length + wrong()).buffer), ...word]);
  const inputs = [
    { name: "age", shape: [1], datatype: "FP32", parameters: { binary_data_size: 4 + wrong() } },
    { name: "job", shape: [1 + wrong()], datatype: "BYTES", parameters: { binary_data_size: text.length + wrong() } },
  ];
  const json = encoder.encode(JSON.stringify({ inputs }));
  const body = Uint8Array.from([...json, ...new Uint8Array(Float32Array.of(age).buffer), ...text]);
  const length = `Inference-Header-Content-Length: ${json.length + wrong()}`;
  return {
    head: [
      "POST /v2/models/visitors/infer HTTP/1.1",
      "Host: a",
      "Connection: close",
      `Content-Length: ${body.length}`,
      length,
    ],
    body,
  };
}

/** Returns bytes some of which are other, gone, or there twice. */
function changed(bytes: Uint8Array, source: Source): Uint8Array<ArrayBuffer> {
  const [from, size] = [source.bits() % bytes.length, 1 + source.bits() % 8];
  const [before, some, after] = [
    bytes.subarray(0, from),
    bytes.subarray(from, from + size),
    bytes.subarray(from + size),
  ];
  const middle = [[source.bits() % 256], [], [...some, ...some]][source.bits() % 3];
  return Uint8Array.from([...before, ...middle, ...after]);
}

/** Returns what a server says to a request, to the end of the connection. */
async function answerTo(port: number, { head, body, how, isStrange }: Sent): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = Uint8Array.from([...encoder.encode(`${head.join("\r\n")}\r\n\r\n`), ...body]);
  const pieces = how === "slowly"
    ? [0, 1, 2].map((part) => bytes.subarray(part * bytes.length / 3, (part + 1) * bytes.length / 3))
    : [bytes];
  const leave = () => {
    try {
      connection.close();
    } catch { /* it is closed */ }
  };
  const timer = setTimeout(leave, how === "cut" ? 20 : isStrange ? 200 : 20_000);
  let text = "";
  try {
    for (const [part, piece] of pieces.entries()) {
      if (part > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      for (let from = 0; from < piece.length;) from += await connection.write(piece.subarray(from));
    }
    const buffer = new Uint8Array(4096);
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      text += decoder.decode(buffer.subarray(0, size), { stream: true });
    }
  } catch { /* the server closed it, or the caller left */ }
  clearTimeout(timer);
  leave();
  return text;
}
