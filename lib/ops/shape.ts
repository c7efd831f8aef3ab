/** A length: a number, or `"batch"` for the rows of the batch that is run. */
export type Dim = number | "batch";

/** The lengths of a value's axes, outermost first. */
export type Shape = readonly Dim[];

/** Returns a shape as errors and printed graphs show it: `[batch, 64]`. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Returns true if two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** Returns the shape of an element-wise result, axes aligned at the right, 1 stretched; undefined if none fits. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    result.push(left === 1 ? right : left);
  }
  return result;
}

/** Returns the number of elements of one row: the product of all lengths but `"batch"`. */
export function sizeOf(shape: Shape): number {
  return shape.reduce<number>((product, dim) => dim === "batch" ? product : product * dim, 1);
}

/** Returns the shape with every `"batch"` replaced by a number of rows. */
export function withBatch(shape: Shape, batch: number): number[] {
  return shape.map((dim) => dim === "batch" ? batch : dim);
}
