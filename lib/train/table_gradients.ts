/** The gradient of each table: that of the vectors that a batch has read, one after the other, by the table's path. */
export type TableGradient = ReadonlyMap<string, Float32Array>;

/** Returns the inner product of two gradients of tables. */
export function innerProduct(one: TableGradient, other: TableGradient): number {
  let sum = 0;
  for (const [path, a] of one) {
    const b = other.get(path);
    if (b !== undefined) sum += product(a, b);
  }
  return sum;
}

/** Returns the inner product of two arrays, as four sums: one would wait for each of its additions. */
function product(one: Float32Array, other: Float32Array): number {
  const whole = one.length - one.length % 4;
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let at = 0; at < whole; at += 4) {
    a += one[at] * other[at];
    b += one[at + 1] * other[at + 1];
    c += one[at + 2] * other[at + 2];
    d += one[at + 3] * other[at + 3];
  }
  for (let at = whole; at < one.length; at++) a += one[at] * other[at];
  return a + b + c + d;
}

/** Returns the Euclidean norm of a gradient of tables, 0 of none. */
export function normOf(gradient: TableGradient | undefined): number {
  return gradient === undefined ? 0 : Math.sqrt(innerProduct(gradient, gradient));
}

/**
 * Returns a gradient of tables and those of tasks, each times its part, added up; the first one itself of no tasks.
 *
 * @param partOf Returns the part of a task in a table.
 */
export function mixed(
  others: TableGradient,
  tasks: readonly TableGradient[],
  partOf: (path: string, task: number) => number,
): TableGradient {
  for (const [path, sum] of others) {
    tasks.forEach((gradient, task) => {
      const [part, own] = [partOf(path, task), gradient.get(path)!];
      for (let at = 0; at < own.length; at++) sum[at] += part * own[at];
    });
  }
  return others;
}
