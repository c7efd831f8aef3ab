import { type Deadlines, timeTo } from "./deadlines.ts";
import { Broken, Refusal } from "./refusal.ts";

/** The media types that a request may have: curl sends the second where it is given no other. */
const types = ["application/json", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain"];

/**
 * The most bytes of a body that is read at once: 300 rows, or 1,000 by columns. Of such requests a stream takes a tenth of
 * the time more, of larger ones too little to be seen; but its reading ends with its deadline, while what is read at once
 * is read on, and held, until the connection ends.
 */
const small = 2 ** 18;

/**
 * Returns the bytes of a request.
 *
 * @param most The most bytes, once they are unpacked.
 * @param until The moment by which they must be there, by `performance.now()`.
 * @param deadlines The deadlines of all requests.
 * @throws {Refusal} 413 if there are more, 415 if its type or packing is none that is read, 400 if they cannot be unpacked,
 * 408 if they come too slowly.
 */
export async function bytesOf(
  request: Request,
  most: number,
  until: number,
  deadlines: Deadlines,
): Promise<Uint8Array<ArrayBuffer>> {
  const [type, ...parameters] = (request.headers.get("content-type") ?? types[0]).split(";").map((word) => word.trim());
  if (!types.includes(type.toLowerCase())) {
    throw new Refusal(415, `Cannot read the request: its content type is ${JSON.stringify(type)}, wanted ${types[0]}`);
  }
  const charset = parameters.find((word) => /^charset=/i.test(word))?.slice("charset=".length).replaceAll('"', "");
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    throw new Refusal(415, `Cannot read the request: its text is ${JSON.stringify(charset)}, wanted utf-8`);
  }
  const packing = request.headers.get("content-encoding")?.toLowerCase() ?? "identity";
  if (packing !== "identity" && packing !== "gzip" && packing !== "deflate") {
    const found = `its content encoding is ${JSON.stringify(packing)}`;
    throw new Refusal(415, `Cannot read the request: ${found}, wanted gzip, deflate or none`);
  }
  const stated = Number(request.headers.get("content-length") ?? 0);
  if (stated > most) throw tooLarge(`${stated}`, most);
  const isSmall = stated > 0 && stated <= small;
  const given = isSmall ? await wholeOf(request, most, until, deadlines) : await joined(request.body, most, until);
  return packing === "identity" ? given : await joined(unpacked(given, packing), most, until);
}

/**
 * Returns a stream that unpacks bytes. What begins as nothing packed does is refused at once: of a stream that fails, the
 * runtime keeps 40 KB until it collects its garbage.
 */
function unpacked(bytes: Uint8Array<ArrayBuffer>, packing: "gzip" | "deflate"): ReadableStream<Uint8Array> {
  const [first, second] = bytes;
  const isPacked = packing === "gzip"
    ? first === 0x1f && second === 0x8b
    : (first & 15) === 8 && (256 * first + second) % 31 === 0;
  if (!isPacked) throw new Broken();
  return new Blob([bytes]).stream().pipeThrough(cut()).pipeThrough(new DecompressionStream(packing));
}

/** Returns the bytes of a stream. */
async function joined(
  stream: ReadableStream<Uint8Array> | null,
  most: number,
  until: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (stream === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of piecesUntil(stream, until)) {
      size += piece.length;
      if (size > most) throw tooLarge(`more than ${most}`, most);
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Broken();
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Returns the bytes of a body that says how few they are, read at once. */
async function wholeOf(
  request: Request,
  most: number,
  until: number,
  deadlines: Deadlines,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: ArrayBuffer | undefined;
  try {
    bytes = await deadlines.before(until, request.arrayBuffer());
  } catch {
    throw new Broken();
  }
  if (bytes === undefined) throw tooLate(); // the runtime itself says that it closes the connection
  if (bytes.byteLength > most) throw tooLarge(`${bytes.byteLength}`, most);
  return new Uint8Array(bytes);
}

/**
 * Returns the refusal of a late body. Its caller is asked to close the connection, for a handler cannot: Deno does so by
 * itself once the rest has come where the body was read at once, keeps the connection where a stream was cancelled, and
 * waits for ever where nothing more comes.
 */
function tooLate(headers: Readonly<Record<string, string>> = {}): Refusal {
  return new Refusal(408, "Cannot read the request: its body did not come before its deadline passed", headers);
}

/** Yields the pieces of a body: a caller that sends it slowly keeps a model, and a server that ends, to its deadline only. */
async function* piecesUntil(stream: ReadableStream<Uint8Array>, until: number): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  let isLate = false;
  // One of its own, for which a program goes on: whoever reads a stream in it may wait for nothing else.
  const timer = setTimeout(() => {
    isLate = true;
    cancel();
  }, timeTo(until));
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (isLate) throw tooLate({ connection: "close" });
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    cancel();
  }
}

/** Cuts pieces into small ones: each becomes one piece when it is unpacked, up to a thousand times as large. */
function cut(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const size = 1024;
  return new TransformStream({
    transform(piece, controller) {
      for (let from = 0; from < piece.length; from += size) controller.enqueue(piece.subarray(from, from + size));
    },
  });
}

function tooLarge(found: string, most: number): Refusal {
  return new Refusal(
    413,
    `Cannot read the request: it has ${found} bytes, wanted at most ${most}: send fewer rows at a time`,
  );
}

/**
 * Returns the JSON value that bytes hold. NaN and infinite numbers, which Python writes, are read as missing.
 *
 * @throws {Refusal} if they are not UTF-8, or not JSON.
 */
export function jsonOf(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    try {
      return JSON.parse(withoutNotNumbers(text));
    } catch {
      throw new Refusal(400, `Cannot read the request: it is not JSON: ${(error as Error).message}`);
    }
  }
}

/** Returns the text of bytes: read by the decoder that is fast, and by the one that is strict where it matters. */
function textOf(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  if (!text.includes("\uFFFD")) return text;
  try {
    return strict.decode(bytes);
  } catch {
    throw new Refusal(400, "Cannot read the request: it is not UTF-8");
  }
}

const [decoder, strict] = [new TextDecoder(), new TextDecoder("utf-8", { fatal: true })];

/** Returns a text in which null stands for the words that JSON lacks, in one pass: it may be any text. */
function withoutNotNumbers(text: string): string {
  const pieces: string[] = [];
  for (let from = 0; from < text.length;) {
    const start = text.indexOf('"', from);
    pieces.push(text.slice(from, start < 0 ? text.length : start).replace(/-?\b(?:NaN|Infinity)\b/g, "null"));
    if (start < 0) break;
    from = start + 1;
    while (from < text.length && text[from] !== '"') from += text[from] === "\\" ? 2 : 1;
    pieces.push(text.slice(start, ++from));
  }
  return pieces.join("");
}

/**
 * Returns an answer in JSON: of a text, which servers send faster than what `Response.json` makes.
 *
 * @param init Its status, and headers beside the content type.
 */
export function json(body: unknown, { status = 200, headers = {} }: JsonInit = {}): Response {
  const more = Object.entries(headers);
  return new Response(JSON.stringify(body), { status, headers: more.length === 0 ? typed : [...typed, ...more] });
}

/** The status of an answer, 200 by default, and its headers. */
interface JsonInit {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const typed = [["content-type", "application/json"]] as [string, string][];
