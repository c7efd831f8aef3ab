/** Numbers in row-major order, and their shape. */
export interface Tensor {
  /** The length of every axis. */
  readonly shape: readonly number[];
  /** The elements, row-major: real numbers, or the codes of categories. */
  readonly data: Float32Array | Float64Array | Int32Array;
}
