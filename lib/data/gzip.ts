import { builtin } from "../files/builtin.ts";

/**
 * Yields what gzip data holds: the bytes of all its members, one after the other. Zeros after the last are left out.
 *
 * @param source The data, in pieces of any length.
 * @param zlib The runtime's own functions that inflate. Null: loops, as in browsers, whose streams refuse what follows
 * the end of a member, and do not say where it begins.
 * @throws {SyntaxError} if the data is damaged or cut short, or other bytes follow its end.
 *
 * Source: RFC 1952, sections 2.2 and 2.3.
 */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  zlib: Zlib | null = builtin("node:zlib") ?? null,
): AsyncGenerator<Uint8Array> {
  const input = inputOf(source);
  try {
    await readHeader(input);
    do {
      yield* readMember(input, zlib);
    } while (await readNext(input));
  } finally {
    await input.close();
  }
}

/** The functions of Node.js that inflate. */
type Zlib = NonNullable<ReturnType<typeof builtin<"node:zlib">>>;

/** Bytes that are read one after the other. */
interface Input {
  /** Returns the next piece, at least one byte; undefined at the end. */
  readonly next: () => Promise<Uint8Array | undefined>;
  /** Puts the end of the last piece back. */
  readonly back: (rest: Uint8Array) => void;
  /** Returns the next bytes, as many as are asked for. */
  readonly take: (count: number) => Promise<Uint8Array>;
  /** Lets go of the source. */
  readonly close: () => Promise<void>;
}

const cutShort = "the gzip data is cut short";
const trailing = "found bytes after the end of the gzip data";

/** The bytes of a source. */
function inputOf(source: AsyncIterable<Uint8Array>): Input {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Uint8Array | undefined;
  const next = async (): Promise<Uint8Array | undefined> => {
    let piece = rest;
    rest = undefined;
    while (piece === undefined || piece.length === 0) {
      const { value, done } = await chunks.next();
      if (done) return undefined;
      piece = value;
    }
    return piece;
  };
  const back = (bytes: Uint8Array): void => {
    rest = bytes;
  };
  const take = async (count: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const piece = await next();
      if (piece === undefined) throw new SyntaxError(cutShort);
      const part = piece.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      back(piece.subarray(part.length));
    }
    return bytes;
  };
  const close = async (): Promise<void> => {
    await chunks.return?.();
  };
  return { next, back, take, close };
}

/** Reads the header of a member: method, flags and the fields that they say are there. */
async function readHeader({ take }: Input): Promise<void> {
  const [first, second, method, flags] = await take(10);
  if (first !== 0x1f || second !== 0x8b) throw new SyntaxError(trailing);
  if (method !== 8 || flags > 0x1f) throw new SyntaxError("the gzip data is damaged: a header is invalid");
  if (flags & 0x04) {
    const [low, high] = await take(2);
    await take(low + 256 * high);
  }
  for (const text of [0x08, 0x10]) { // the name of the file, and a comment
    if (flags & text) { while ((await take(1))[0] !== 0); }
  }
  if (flags & 0x02) await take(2);
}

/** Reads on after a member; returns true if another one follows, whose header was read. */
async function readNext(input: Input): Promise<boolean> {
  let piece = await input.next();
  if (piece?.[0] === 0x1f) {
    input.back(piece);
    await readHeader(input);
    return true;
  }
  for (; piece !== undefined; piece = await input.next()) {
    if (piece.some((byte) => byte !== 0)) throw new SyntaxError(trailing);
  }
  return false;
}

/** Yields what a member holds, after its header, and checks its length and sum. */
async function* readMember(input: Input, zlib: Zlib | null): AsyncGenerator<Uint8Array> {
  const crc32 = zlib?.crc32 ?? plainCrc32;
  let sum = 0, length = 0;
  for await (const bytes of zlib === null ? inflateByLoops(input) : inflate(input, zlib)) {
    sum = crc32(bytes, sum);
    length = (length + bytes.length) >>> 0;
    yield bytes;
  }
  const trailer = new DataView((await input.take(8)).buffer);
  if (trailer.getUint32(0, true) !== sum || trailer.getUint32(4, true) !== length) {
    throw new SyntaxError("the gzip data is damaged: its checksum is another");
  }
}

/** The remainders of bytes by the polynomial of gzip, bits reversed. */
const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? rest >>> 1 ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** Returns the CRC-32 of bytes that follow those of a sum. Source: RFC 1952, section 8. */
export function plainCrc32(bytes: Uint8Array, sum: number): number {
  let rest = ~sum;
  for (let at = 0; at < bytes.length; at++) rest = remainders[(rest ^ bytes[at]) & 0xff] ^ rest >>> 8;
  return ~rest >>> 0;
}

/** Yields what deflated data holds, and puts back what follows its end. */
async function* inflateByLoops(input: Input): AsyncGenerator<Uint8Array> {
  const pako = await import("pako");
  const stream = new pako.ZStream();
  pako.zlibInflateInit2(stream, -15); // no header, and a window of 2^15 bytes
  for (let status: number = pako.Z_OK; status !== pako.Z_STREAM_END;) {
    if (stream.avail_in === 0) {
      const piece = await input.next();
      if (piece === undefined) throw new SyntaxError(cutShort);
      Object.assign(stream, { input: piece, next_in: 0, avail_in: piece.length });
    }
    Object.assign(stream, { output: new Uint8Array(65536), next_out: 0, avail_out: 65536 });
    status = pako.zlibInflate(stream, pako.Z_NO_FLUSH);
    if (status < 0 && status !== pako.Z_BUF_ERROR) throw new SyntaxError("the gzip data is damaged");
    if (stream.next_out > 0) yield stream.output.subarray(0, stream.next_out);
  }
  input.back(stream.input.subarray(stream.next_in));
}

/** Yields what deflated data holds, and puts back what follows its end. */
async function* inflate(input: Input, { createInflateRaw }: Zlib): AsyncGenerator<Uint8Array> {
  const engine = createInflateRaw({ chunkSize: 65536 });
  let piece: Uint8Array | undefined;
  let given = 0;
  const feed = async (): Promise<void> => {
    // An engine that has used less than it was given has found the end; it may never say that it is done with a piece.
    while (!engine.destroyed && engine.bytesWritten === given) {
      piece = await input.next();
      if (piece === undefined) return void engine.end();
      given += piece.length;
      await new Promise((resolve) => engine.write(piece, resolve));
    }
  };
  let failure: { readonly cause: unknown } | undefined; // of the source, which is not the data's fault
  feed().catch((cause) => {
    failure = { cause };
    engine.destroy();
  });
  try {
    for await (const bytes of engine) yield bytes;
  } catch (error) {
    if (failure !== undefined) throw failure.cause;
    if (piece === undefined) throw new SyntaxError(cutShort, { cause: error });
    throw new SyntaxError("the gzip data is damaged", { cause: error });
  }
  if (piece !== undefined) input.back(piece.subarray(piece.length - (given - engine.bytesWritten)));
}
