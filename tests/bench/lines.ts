import { textTable } from "../../mod.ts";
import { type Spread, spread } from "./measure.ts";

/** One result, a line of JSON. */
export interface Line {
  /** The case, such as `W1`. */
  readonly case: string;
  /** Our engine. */
  readonly engine: string;
  /** The measured quantity, its unit at the end. */
  readonly metric: string;
  /** The middle of the measured values: ours, or the peer's where there is one. */
  readonly median: number;
  /** The value below which a tenth lies; null where there is one value alone. */
  readonly p10: number | null;
  /** The value below which nine tenths lie; null where there is one value alone. */
  readonly p90: number | null;
  /** Whose values they are, null where they are ours. */
  readonly peer: string | null;
  /** The speed as a multiple of the peer's; null without a peer. */
  readonly ratio: number | null;
}

/** The things that sections of the benchmark share. */
export interface Bench {
  /** The seed of initial values. */
  readonly seed: number;
  /** The least number of timed runs. */
  readonly repeats: number;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
  /** Says what is being done. */
  note(text: string): void;
  /** Takes a result. */
  write(line: Line): void;
}

/** Our own values as a line. */
export function own(of: string, engine: string, metric: string, values: readonly number[]): Line {
  return { case: of, engine, metric, ...spreadOf(values), peer: null, ratio: null };
}

/**
 * A peer's values as a line.
 *
 * @param ours Our own values: above them, times make the ratio larger than 1, and rates below them do.
 */
export function against(
  of: string,
  engine: string,
  metric: string,
  peer: string,
  values: readonly number[],
  ours: readonly number[],
): Line {
  const found = spreadOf(values);
  return { case: of, engine, metric, ...found, peer, ratio: ratioOf(metric, spread(ours).median, found.median) };
}

/** Our speed as a multiple of a peer's: of times its over ours, of rates (`..._per_s`) ours over its. */
export function ratioOf(metric: string, ours: number, peers: number): number {
  return metric.endsWith("_per_s") ? ours / peers : peers / ours;
}

/** Lines as a table for people. */
export function lineTable(lines: readonly Line[]): string {
  return textTable(lines.map(({ case: of, engine, metric, median, p10, p90, peer, ratio }) => ({
    case: of,
    engine,
    metric,
    whose: peer ?? "ours",
    median: number(median),
    p10: number(p10),
    p90: number(p90),
    ratio: number(ratio),
  })));
}

function spreadOf(values: readonly number[]): Spread | { median: number; p10: null; p90: null } {
  return values.length > 1 ? spread(values) : { median: values[0], p10: null, p90: null };
}

/** A number of three figures. */
export function number(value: number | null): string {
  if (value === null) return "";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}
