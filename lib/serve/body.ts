import { Refusal } from "./refusal.ts";

/** The media types that a request may have: curl sends the second where it is given no other. */
const types = ["application/json", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain"];

/**
 * Returns the bytes of a request.
 *
 * @param most The most bytes, once they are unpacked.
 * @throws {Refusal} 413 if there are more, 415 if its type or packing is none that is read, 400 if they cannot be unpacked.
 */
export async function bytesOf(request: Request, most: number): Promise<Uint8Array<ArrayBuffer>> {
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
  const { body } = request;
  if (body === null) return new Uint8Array();
  const stream = packing === "identity" ? body : body.pipeThrough(new DecompressionStream(packing));
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of stream) {
      size += piece.length;
      if (size > most) throw tooLarge(`more than ${most}`, most);
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, "Cannot read the request: its body ended too early, or cannot be unpacked");
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
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
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Refusal(400, "Cannot read the request: it is not UTF-8");
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const without = text.replace(notNumbers, (found) => found.startsWith('"') ? found : "null");
    try {
      return JSON.parse(without);
    } catch {
      throw new Refusal(400, `Cannot read the request: it is not JSON: ${(error as Error).message}`);
    }
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Texts as they are, and the words that JSON lacks. */
const notNumbers = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;
