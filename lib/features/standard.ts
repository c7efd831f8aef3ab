/**
 * Returns the mean of numbers and their standard deviation, 1 if they are equal.
 *
 * @param where The beginning of an error.
 * @throws {RangeError} if they differ too much or too little for float32.
 */
export function standard(
  numbers: Float64Array,
  where: string,
): { readonly mean: number; readonly scale: number } {
  const [first] = numbers;
  const mean = meanOf(numbers);
  let squares = 0, widest = 0;
  for (const number of numbers) widest = Math.max(widest, Math.abs(number - first));
  if (widest <= Math.min(1e-12 * Math.abs(first), 0.5)) return { mean, scale: 1 }; // equal but for errors of rounding
  for (const number of numbers) squares += (number - mean) ** 2;
  const scale = Math.sqrt(squares / numbers.length);
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

/** Returns the mean of numbers, at least one: exact where all are equal. */
export function meanOf(numbers: Float64Array): number {
  const [first] = numbers;
  let sum = 0;
  for (const number of numbers) sum += number - first;
  return first + sum / numbers.length;
}
