import type { ByteReader } from "../files/folder.ts";
import { quoted } from "../errors/quoted.ts";
import type { Tensor } from "../ops/tensor.ts";
import { decodeInto, dtypes, isDtype } from "./dtypes.ts";
import { checkFinite, contentOf, dataFor, type Safetensors } from "./safetensors.ts";
import { dataStart, type Entry, type Header, parseHeader, surplus } from "./safetensors_header.ts";

/** The bytes that are read at once: whole elements of every type. */
const mostAtOnce = 2 ** 20;

/**
 * Reads a safetensors file as its bytes come, as `decodeSafetensors` reads one that is in memory: beside the tensors it
 * takes a buffer of 1 MiB. Memory for tensors is taken after their header was checked.
 *
 * @param file The file's name, for errors.
 * @param most The bytes after the header, at most.
 * @param check Refuses a header whose tensors are not wanted.
 * @throws {SyntaxError | TypeError | RangeError} if it is not such a file, or ends too early.
 */
export async function readSafetensors(
  bytes: ByteReader,
  file: string,
  most: number,
  check: (header: Header) => void,
): Promise<Safetensors> {
  const header = await headerIn(bytes, file, most);
  check(header);
  const { start, entries, metadata } = header;
  const buffer = new Uint8Array(mostAtOnce);
  const tensors: [string, Tensor][] = [];
  for (const entry of entries) {
    const data = isDtype(entry.dtype) ? dataFor(entry.dtype, entry.end - entry.begin) : undefined;
    for (let at = entry.begin; at < entry.end; at += mostAtOnce) {
      const wanted = Math.min(mostAtOnce, entry.end - at);
      const part = await bytes.fill(buffer.subarray(0, wanted));
      if (part.length < wanted) throw cutOff(entry, start, at + part.length, file);
      if (data !== undefined) readPart(data, part, entry, { file, at: start + at, start });
    }
    if (data !== undefined) tensors.push([entry.name, { shape: entry.shape, data }]);
  }
  const end = start + (entries.at(-1)?.end ?? 0);
  if ((await bytes.fill(buffer.subarray(0, 1))).length > 0) throw surplus(end, "bytes", file);
  return contentOf(tensors, entries.filter(({ dtype }) => !isDtype(dtype)), metadata);
}

/** Reads the elements of a tensor that some of its bytes hold, the first of them at a byte of the file. */
function readPart(
  data: Float32Array | Int32Array,
  part: Uint8Array,
  { name, dtype, begin }: Entry,
  { file, at, start }: { readonly file: string; readonly at: number; readonly start: number },
): void {
  if (!isDtype(dtype)) return;
  const first = (at - start - begin) / dtypes[dtype].size;
  decodeInto(data, first, part, dtype);
  checkFinite(data, first, part, { name, dtype, file, at });
}

async function headerIn(bytes: ByteReader, file: string, most: number): Promise<Header> {
  const { size = Infinity } = bytes;
  const first = (await bytes.fill(new Uint8Array(8))).slice();
  const wanted = dataStart(first) + most;
  if (size !== Infinity && size > wanted) {
    throw new RangeError(`Cannot read ${file}\n  at byte 0: the file holds ${size} bytes, wanted at most ${wanted}`);
  }
  const head = new Uint8Array(Math.max(first.length, Math.min(dataStart(first), size)));
  head.set(first);
  const rest = await bytes.fill(head.subarray(first.length));
  return parseHeader(head.subarray(0, first.length + rest.length), file, size);
}

function cutOff({ name, end }: Entry, start: number, at: number, file: string): RangeError {
  const found = `the file ends here, but ${quoted(name)} ends at byte ${start + end}`;
  return new RangeError(`Cannot read ${file}\n  at byte ${start + at}: ${found}`);
}
