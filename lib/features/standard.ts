import type { Moments } from "./moments.ts";

/**
 * Returns the mean and the standard deviation by which numbers are standardised, 1 if they are equal.
 *
 * @param where The beginning of an error.
 * @throws {RangeError} if they differ too much or too little for float32.
 */
export function standard(
  { mean, deviation: scale, first, widest }: ReturnType<Moments["end"]>,
  where: string,
): { readonly mean: number; readonly scale: number } {
  if (widest <= Math.min(1e-12 * Math.abs(first), 0.5)) return { mean, scale: 1 }; // equal but for errors of rounding
  if (!Number.isFinite(scale)) {
    throw new RangeError(`${where}: found differences of ${widest}: divide the numbers first`);
  }
  if (scale < 1e-150) { // whose squares are not exact, or 0
    throw new RangeError(`${where}: found differences of ${widest}: multiply the numbers first`);
  }
  if (scale < 1e-5 * Math.abs(mean)) {
    const found = `found ${mean} on average and differences of ${scale.toPrecision(2)}, too small for float32`;
    throw new RangeError(`${where}: ${found}: subtract an offset first`);
  }
  return { mean, scale };
}
