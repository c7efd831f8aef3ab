import { keyText } from "../errors/issues.ts";
import { quoted } from "../errors/quoted.ts";
import type { DraftLevel, Read } from "./draft.ts";
import type { Banks } from "./resolve_banks.ts";
import { adviceOn, checkName, inputIsTaken, readAt, report, type Resolving } from "./resolving.ts";

/**
 * Resolves the streams of a level that are others side by side: banks of the level, each with all of its experts, and
 * streams that are written below. A bank comes before a stream of its name.
 *
 * @returns The width of each and its features, undefined if the width is not known.
 */
export function resolveBeside<N, L>(
  at: Resolving<N, L>,
  level: string,
  { gates, beside = {} }: DraftLevel<N, L>,
  banks: Banks,
): ReadonlyMap<string, Read | undefined> {
  const written = new Map<string, Read | undefined>();
  for (const [stream, parts] of Object.entries(beside)) {
    const path = `${level}.beside${keyText(stream)}`;
    checkName(at.issues, path, stream);
    if (stream === "input") report(at.issues, path, inputIsTaken);
    if (Object.hasOwn(gates, stream)) report(at.issues, path, `a gate of the level writes ${quoted(stream)} too`);
    if (parts.length === 0) report(at.issues, path, "nothing stands side by side: wanted at least one bank or stream");
    const reads = parts.map((name, position) => {
      const where = `${path}[${position}]`;
      if (parts.indexOf(name) < position) report(at.issues, where, `${quoted(name)} stands twice`);
      return partOf(at, where, name, banks);
    });
    written.set(stream, reads.every((read) => read !== undefined) ? joined(reads) : undefined);
  }
  return written;
}

/** Returns what stands side by side, with its features if all of it are some, each once. */
function joined(reads: readonly Read[]): Read {
  const width = reads.reduce((total, { width }) => total + width, 0);
  const fields = reads.flatMap(({ fields }) => fields ?? []);
  const known = reads.every((read) => read.fields !== undefined) &&
    new Set(fields.map(({ name }) => name)).size === fields.length;
  return known ? { width, fields } : { width };
}

/** Returns a bank's experts, or a stream, that stands beside others; undefined if its width is not known. */
function partOf<N, L>(
  at: Resolving<N, L>,
  path: string,
  name: string,
  { given, units }: Banks,
): Read | undefined {
  if (Object.hasOwn(given, name)) {
    const width = units.get(name);
    return width === undefined ? undefined : { width: width * given[name].count };
  }
  if (at.streams.has(name)) {
    at.asked.add(name);
    return readAt(at, name);
  }
  const known = () => [...Object.keys(given), ...at.streams.keys()];
  const writer = at.writers.get(name);
  const advised = writer === undefined
    ? adviceOn(at.issues, name, known)
    : `, but levels[${writer}] writes a stream named so: wanted them side by side in a level above it`;
  return report(at.issues, path, `no bank of the level and no stream below is named ${quoted(name)}${advised}`);
}
