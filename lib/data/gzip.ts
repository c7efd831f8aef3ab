/**
 * Yields what gzip data holds: the bytes of all its members, one after the other. Zeros after the last are left out.
 *
 * @param source The data, in pieces of any length.
 * @throws {SyntaxError} if the data is damaged or cut short, or other bytes follow its end.
 *
 * Source: RFC 1952, sections 2.2 and 2.3.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = inputOf(source);
  try {
    await readHeader(input);
    do {
      yield* readMember(input);
    } while (await readNext(input));
  } finally {
    await input.close();
  }
}

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
async function* readMember(input: Input): AsyncGenerator<Uint8Array> {
  const { crc32 } = await import("node:zlib");
  let sum = 0, length = 0;
  for await (const bytes of inflate(input)) {
    sum = crc32(bytes, sum);
    length = (length + bytes.length) >>> 0;
    yield bytes;
  }
  const trailer = new DataView((await input.take(8)).buffer);
  if (trailer.getUint32(0, true) !== sum || trailer.getUint32(4, true) !== length) {
    throw new SyntaxError("the gzip data is damaged: its checksum is another");
  }
}

/**
 * Yields what deflated data holds, and puts back what follows its end: a DecompressionStream refuses what follows, and
 * does not say where it begins.
 */
async function* inflate(input: Input): AsyncGenerator<Uint8Array> {
  const { createInflateRaw } = await import("node:zlib");
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
