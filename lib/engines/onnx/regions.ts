import { sizeOf } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Keeping } from "../held.ts";

/**
 * A tensor in the memory of this program, where ONNX Runtime reads and writes it: the memory stays where it is, as small
 * arrays that V8 has made itself do not.
 */
export interface Region<Data extends Tensor["data"] = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>
  extends Tensor {
  /** The elements: real numbers or codes. */
  readonly data: Data;
}

/** A region of real numbers, as stores keep them. */
export type Reals = Region<Float32Array<ArrayBuffer>>;

/** Keeps stored arrays in regions, which stay where they are whatever is written to them. */
export const keeping: Keeping<Reals> = {
  put: (tensor) => written(emptyReals(tensor.shape), tensor),
  read: ({ data }) => data.slice(),
  overwrite: written,
};

/**
 * Pairs regions: finds the other one of a pair, where what replaces a region is written. The other one of that is the
 * region again, so that two take turns.
 */
export function pairing(): (region: Reals) => Reals {
  const others = new WeakMap<Reals, Reals>();
  return (region) => {
    const other = others.get(region) ?? emptyReals(region.shape);
    others.set(region, other).set(other, region);
    return other;
  };
}

/** A region of real numbers, all of them 0. */
export function emptyReals(shape: readonly number[]): Reals {
  return { shape: [...shape], data: new Float32Array(new ArrayBuffer(4 * sizeOf(shape))) };
}

/** A region of codes, all of them 0. */
export function emptyCodes(shape: readonly number[]): Region<Int32Array<ArrayBuffer>> {
  return { shape: [...shape], data: new Int32Array(new ArrayBuffer(4 * sizeOf(shape))) };
}

function written(region: Reals, { data }: Tensor): Reals {
  region.data.set(data);
  return region;
}
