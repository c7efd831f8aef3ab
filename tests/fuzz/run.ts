import type { Engine } from "../../mod.ts";
import { random } from "../../lib/data/random.ts";
import type { End, Kind } from "./kind.ts";

/** A case that ended neither as it should nor with an error of the library. */
export interface FoundFault {
  /** The name of the kind of input. */
  readonly kind: string;
  /** The number of the case, which makes the same input with the same seed. */
  readonly at: number;
  /** The error. */
  readonly error: unknown;
}

/** The cases that were run. */
export interface Counts {
  /** How many cases there were. */
  cases: number;
  /** How many ended as each end, by kind. */
  readonly byKind: Record<string, Record<End | "faults", number>>;
}

/**
 * Runs cases one after the other, each of a kind by its share, and of random numbers of the seed and its number.
 *
 * @param each Called after every case, with a fault if there was one; returns true to go on.
 */
export async function fuzz(
  kinds: Readonly<Record<string, Kind>>,
  { seed, from, cases, engine }: {
    readonly seed: number | string;
    readonly from: number;
    readonly cases: number;
    readonly engine: Engine;
  },
  each: (counts: Counts, fault?: FoundFault) => boolean,
): Promise<Counts> {
  const counts: Counts = { cases: 0, byKind: {} };
  const all = Object.values(kinds).reduce((sum, { share }) => sum + share, 0);
  for (let at = from; at < from + cases; at++) {
    const source = random(`fuzz:${seed}:${at}`);
    let left = source.uniform() * all;
    const kind = Object.keys(kinds).find((name) => (left -= kinds[name].share) < 0) ?? Object.keys(kinds)[0];
    const ends = counts.byKind[kind] ??= { valid: 0, refused: 0, faults: 0 };
    counts.cases++;
    let fault: FoundFault | undefined;
    try {
      ends[await kinds[kind].run(source, engine)]++;
    } catch (error) {
      ends.faults++;
      fault = { kind, at, error };
    }
    if (!each(counts, fault)) break;
  }
  return counts;
}
