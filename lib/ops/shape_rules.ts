import { misapplied } from "../errors/misapplied.ts";
import { broadcastShapes, type Dim, sameShape, type Shape, shapeText, sizeOf } from "./shape.ts";

/** The settings of a slice. */
export type Slice = { readonly axis: number; readonly start: number; readonly size: number };

/** The settings of a pad. */
export type Pad = { readonly axis: number; readonly before: number; readonly after: number };

/**
 * Returns the shape of a matrix product.
 *
 * @throws {RangeError} if the inner lengths or the leading ones differ.
 */
export function productShape(a: Shape, b: Shape): Shape {
  const rank = a.length;
  const fits = rank === b.length && (rank === 2 || rank === 3) && a[rank - 1] === b[rank - 2] &&
    (rank === 2 || a[0] === b[0]);
  if (!fits) {
    fail("matmul", `[m, k] x [k, n] or [e, m, k] x [e, k, n] is needed, found ${shapeText(a)} x ${shapeText(b)}`);
  }
  return [...a.slice(0, -1), b[rank - 1]];
}

/**
 * Returns the shape of an element-wise result.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 */
export function elementwise(op: string, a: Shape, b: Shape): Shape {
  const shape = broadcastShapes(a, b);
  return shape ?? fail(op, `the shapes ${both(a, b)} do not broadcast`);
}

/**
 * Returns the shape to which another is reshaped.
 *
 * @throws {RangeError} if they do not hold the same number of elements.
 */
export function reshaped(from: Shape, to: Shape): Shape {
  const batches = (shape: Shape) => shape.filter((dim) => dim === "batch").length;
  if (sizeOf(from) !== sizeOf(to) || batches(from) !== batches(to)) {
    fail("reshape", `${shapeText(from)} and ${shapeText(to)} do not hold the same number of elements`);
  }
  return to;
}

/** Returns the number of elements in front of each batch axis. */
export function beforeBatch(shape: Shape): number[] {
  return batchAxes(shape).map((axis) => sizeOf(shape.slice(0, axis)));
}

/** Returns the axes of the batch. */
export function batchAxes(shape: Shape): number[] {
  return shape.flatMap((dim, axis) => dim === "batch" ? [axis] : []);
}

/**
 * Returns the shape to which another is broadcast.
 *
 * @throws {RangeError} if it does not broadcast to that shape.
 */
export function stretched(from: Shape, to: Shape): Shape {
  const shape = broadcastShapes(from, to);
  if (shape === undefined || !sameShape(shape, to)) {
    fail("broadcast", `${shapeText(from)} cannot be stretched to ${shapeText(to)}`);
  }
  return to;
}

/**
 * Returns a shape with its axes in another order.
 *
 * @throws {RangeError} if the order does not name every axis.
 */
export function permuted(shape: Shape, order: readonly number[]): Shape {
  if (order.length !== shape.length || order.some((axis) => axis >= shape.length)) {
    fail("transpose", `[${order}] does not order the axes of ${shapeText(shape)}`);
  }
  return order.map((axis) => shape[axis]);
}

/**
 * Returns the shape of values side by side along an axis.
 *
 * @throws {RangeError} if the other lengths differ.
 */
export function joined(shapes: readonly Shape[], axis: number): Shape {
  const [first] = shapes;
  const rest = (shape: Shape) => shape.filter((_, at) => at !== axis);
  const fits = axis < first.length &&
    shapes.every((shape) =>
      shape.length === first.length && shape[axis] !== "batch" && sameShape(rest(shape), rest(first))
    );
  if (!fits) fail("concat", `${shapes.map(shapeText).join(", ")} cannot be joined along axis ${axis}`);
  return first.map((dim, at) => at === axis ? shapes.reduce((sum, shape) => sum + (shape[axis] as number), 0) : dim);
}

/**
 * Returns the shape of some elements along an axis.
 *
 * @throws {RangeError} if the elements reach beyond the end.
 */
export function sliced(shape: Shape, { axis, start, size }: Slice): Shape {
  const length: Dim | undefined = shape[axis];
  if (typeof length !== "number" || start + size > length) {
    fail("slice", `${shapeText(shape)} has no elements ${start} to ${start + size} along axis ${axis}`);
  }
  return shape.map((dim, at) => at === axis ? size : dim);
}

/**
 * Returns the shape with zeros along an axis.
 *
 * @throws {RangeError} if the axis is missing or the batch.
 */
export function padded(shape: Shape, { axis, before, after }: Pad): Shape {
  const length: Dim | undefined = shape[axis];
  if (typeof length !== "number") fail("pad", `axis ${axis} of ${shapeText(shape)} has no fixed length`);
  return shape.map((dim, at) => at === axis ? before + (length as number) + after : dim);
}

/** Returns true if a shape is that of codes, one column per size. */
export function areCodes(shape: Shape, sizes: readonly number[]): boolean {
  return shape.length === 2 && shape[1] === sizes.length;
}

/** Returns true if shapes are those of codes and of a weight for each: `[batch, items]`. */
export function areWeighted(codes: Shape, weights: Shape): boolean {
  return codes.length === 2 && codes[1] !== "batch" && sameShape(codes, weights);
}

/** Returns true if rows fit the experts that codes name: `[batch, width]`, or `[batch, k, width]`, one for each. */
export function areRouted(rows: Shape, codes: Shape): boolean {
  const lead = rows.slice(0, -1);
  return codes.length === 2 && sameShape(lead, codes.slice(0, lead.length)) && (rows.length === 2 || rows.length === 3);
}

/** Returns the number of rows of all columns. */
export function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Returns two shapes as errors show them. */
export function both(a: Shape, b: Shape): string {
  return `${shapeText(a)} and ${shapeText(b)}`;
}

/**
 * Refuses the shapes of an op.
 *
 * @throws {RangeError} always.
 */
export function fail(op: string, what: string): never {
  throw misapplied(new RangeError(`Cannot apply ${op}: ${what}`));
}
