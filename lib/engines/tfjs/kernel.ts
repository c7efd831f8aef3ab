import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs";
import { sizeOf } from "../../ops/shape.ts";
import type { Backend } from "./backend.ts";
import type { Numbers, Place } from "./loop.ts";

/** Computes an op: from arrays on the backend to a new array there. */
export type Step = (of: readonly TensorInfo[]) => TensorInfo;

/** Puts numbers on the backend, where they stay as long as the step. */
export type Pin = (data: Numbers, shape: readonly number[]) => TensorInfo;

/** Settles an op for its place. Throws a TypeError if the backend lacks a kernel. */
export type Kernel = (place: Place, backend: Backend, pin: Pin) => Step;

/** Frees an intermediate once it is used, whatever happens. */
export function using(backend: Backend, array: TensorInfo, use: (array: TensorInfo) => TensorInfo): TensorInfo {
  try {
    return use(array);
  } finally {
    backend.free(array);
  }
}

/** Ones that stay as long as the step. */
export function ones(pin: Pin, shape: readonly number[]): TensorInfo {
  return pin(new Float32Array(sizeOf(shape)).fill(1), shape);
}

/** The settings of a product of matrices as they are. */
export const untransposed: NamedAttrMap = { transposeA: false, transposeB: false };
