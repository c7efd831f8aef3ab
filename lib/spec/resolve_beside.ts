import { keyText } from "../errors/issues.ts";
import { quoted } from "../errors/quoted.ts";
import type { DraftLevel } from "./draft.ts";
import type { Banks } from "./resolve_banks.ts";
import { adviceOn, checkName, inputIsTaken, readAt, report, type Resolving } from "./resolving.ts";

/**
 * Resolves the streams of a level that are others side by side: banks of the level, each with all of its experts, and
 * streams that are written below. A bank comes before a stream of its name.
 *
 * @returns The width of each, undefined if it is not known.
 */
export function resolveBeside<N, L>(
  at: Resolving<N, L>,
  level: string,
  { gates, beside = {} }: DraftLevel<N, L>,
  banks: Banks,
): ReadonlyMap<string, number | undefined> {
  const written = new Map<string, number | undefined>();
  for (const [stream, parts] of Object.entries(beside)) {
    const path = `${level}.beside${keyText(stream)}`;
    checkName(at.issues, path, stream);
    if (stream === "input") report(at.issues, path, inputIsTaken);
    if (Object.hasOwn(gates, stream)) report(at.issues, path, `a gate of the level writes ${quoted(stream)} too`);
    if (parts.length === 0) report(at.issues, path, "nothing stands side by side: wanted at least one bank or stream");
    const widths = parts.map((name, position) => {
      const where = `${path}[${position}]`;
      if (parts.indexOf(name) < position) report(at.issues, where, `${quoted(name)} stands twice`);
      return partWidth(at, where, name, banks);
    });
    const width = widths.reduce((total, own) => total === undefined || own === undefined ? undefined : total + own, 0);
    written.set(stream, width);
  }
  return written;
}

/** Returns the width of a bank's experts, or of a stream, that stands beside others; undefined if it is not known. */
function partWidth<N, L>(
  at: Resolving<N, L>,
  path: string,
  name: string,
  { given, units }: Banks,
): number | undefined {
  if (Object.hasOwn(given, name)) {
    const width = units.get(name);
    return width === undefined ? undefined : width * given[name].count;
  }
  if (at.streams.has(name)) {
    at.asked.add(name);
    return readAt(at, name)?.width;
  }
  const known = () => [...Object.keys(given), ...at.streams.keys()];
  const writer = at.writers.get(name);
  const advised = writer === undefined
    ? adviceOn(at.issues, name, known)
    : `, but levels[${writer}] writes a stream named so: wanted them side by side in a level above it`;
  return report(at.issues, path, `no bank of the level and no stream below is named ${quoted(name)}${advised}`);
}
