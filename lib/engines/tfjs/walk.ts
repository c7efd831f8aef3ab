import { sizeOf } from "../../ops/shape.ts";

/** Visits the elements of a shape in order, a row at a time: its place, its length, and each array's place and step. */
export type Walk = (visit: (at: number, count: number, places: Int32Array, steps: readonly number[]) => void) => void;

/** Walks through a shape together with arrays that make so many steps along each of its axes. */
export function walker(shape: readonly number[], arrays: readonly (readonly number[])[]): Walk {
  const { lengths, steps } = merge(shape, arrays);
  const count = lengths.pop() ?? 1;
  const along = steps.map((own) => own.pop() ?? 0);
  const rows = sizeOf(lengths);
  return (visit) => {
    const places = new Int32Array(arrays.length);
    const index = new Int32Array(lengths.length);
    for (let row = 0; row < rows; row++) {
      visit(row * count, count, places, along);
      for (let axis = lengths.length - 1; axis >= 0; axis--) {
        const turn = ++index[axis] === lengths[axis];
        if (turn) index[axis] = 0;
        for (let i = 0; i < places.length; i++) places[i] += steps[i][axis] * (turn ? 1 - lengths[axis] : 1);
        if (!turn) break;
      }
    }
  };
}

/** Drops axes of length 1, and joins neighbours that every array passes through in equal steps. */
export function merge(
  shape: readonly number[],
  arrays: readonly (readonly number[])[],
): { lengths: number[]; steps: number[][] } {
  const lengths: number[] = [];
  const steps: number[][] = arrays.map(() => []);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (lengths.length > 0 && arrays.every((own, i) => own[axis] === steps[i][0] * lengths[0])) {
      lengths[0] *= shape[axis];
    } else {
      lengths.unshift(shape[axis]);
      arrays.forEach((own, i) => steps[i].unshift(own[axis]));
    }
  }
  return { lengths, steps };
}

/** The number of places that one step along each axis is. */
export function stepsOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** The same for a shape stretched to another, axes aligned at the right: 0 along an axis of length 1 or absent. */
export function stretched(from: readonly number[], to: readonly number[]): number[] {
  const steps = stepsOf(from);
  return to.map((_, axis) => {
    const own = axis - to.length + from.length;
    return own < 0 || from[own] === 1 ? 0 : steps[own];
  });
}
