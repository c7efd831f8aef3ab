import { plainCrc32 } from "../data/gzip.ts";
import { sha256 } from "../files/sha256.ts";

/** Files by path, as a package holds them. */
export type Packed = Readonly<Record<string, string | Uint8Array>>;

/** A package of files as Ray takes it. */
export interface Package {
  /** Its name: of the same files it is the same. */
  readonly name: string;
  /** The bytes of a zip archive. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Returns files as a package, named by their contents as Ray's own clients do. */
export function packageOf(files: Packed): Package {
  const bytes = zip(files);
  return { name: `_ray_pkg_${sha256(bytes).slice(0, 32)}.zip`, bytes };
}

/**
 * Returns files as a zip archive in memory, in the order of their paths, stored as they are and without times: parameters
 * do not shrink, and the same files give the same bytes.
 *
 * Source: the APPNOTE of PKWARE, sections 4.3.7, 4.3.12 and 4.3.16.
 */
export function zip(files: Packed): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const entries = Object.keys(files).sort().map((path) => {
    const content = files[path];
    const bytes = typeof content === "string" ? encoder.encode(content) : content;
    return { name: encoder.encode(path), bytes, sum: plainCrc32(bytes, 0) };
  });
  const length = entries.reduce((sum, { name, bytes }) => sum + 76 + 2 * name.length + bytes.length, 22);
  const archive = new Uint8Array(length);
  const view = new DataView(archive.buffer);
  const places: number[] = [];
  let at = 0;
  for (const entry of entries) {
    places.push(at);
    view.setUint32(at, 0x04034b50, true);
    facts(view, at + 4, entry);
    archive.set(entry.name, at + 30);
    archive.set(entry.bytes, at + 30 + entry.name.length);
    at += 30 + entry.name.length + entry.bytes.length;
  }
  const directory = at;
  entries.forEach((entry, i) => {
    view.setUint32(at, 0x02014b50, true);
    view.setUint16(at + 4, 20, true);
    facts(view, at + 6, entry);
    view.setUint32(at + 42, places[i], true);
    archive.set(entry.name, at + 46);
    at += 46 + entry.name.length;
  });
  view.setUint32(at, 0x06054b50, true);
  view.setUint16(at + 8, entries.length, true);
  view.setUint16(at + 10, entries.length, true);
  view.setUint32(at + 12, at - directory, true);
  view.setUint32(at + 16, directory, true);
  return archive;
}

type Entry = { readonly name: Uint8Array; readonly bytes: Uint8Array; readonly sum: number };

/** Writes what both headers of a file have: version 2.0, names in UTF-8, stored, 1 January 1980, checksum and sizes. */
function facts(view: DataView, at: number, { name, bytes, sum }: Entry): void {
  view.setUint16(at, 20, true);
  view.setUint16(at + 2, 0x0800, true);
  view.setUint16(at + 8, 33, true);
  view.setUint32(at + 10, sum, true);
  view.setUint32(at + 14, bytes.length, true);
  view.setUint32(at + 18, bytes.length, true);
  view.setUint16(at + 22, name.length, true);
}
