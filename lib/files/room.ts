/** Returns an array of at least this length, the same or a copy at least twice as long, so that appending takes linear time. */
export function room<A extends Uint8Array | Int32Array | Uint32Array | Float32Array | Float64Array>(
  array: A,
  length: number,
): A {
  if (array.length >= length) return array;
  const larger = new (array.constructor as new (length: number) => A)(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
