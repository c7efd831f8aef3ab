/** The gradient of each table: that of the vectors that a batch has read, one after the other, by the table's path. */
export type TableGradient = ReadonlyMap<string, Float32Array>;

/** Returns the inner product of two gradients of tables. */
export function innerProduct(one: TableGradient, other: TableGradient): number {
  let sum = 0;
  for (const [path, a] of one) {
    const b = other.get(path);
    if (b === undefined) continue;
    for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  }
  return sum;
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
