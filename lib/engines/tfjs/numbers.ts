/** Numbers as a backend's memory holds them. */
export type Numbers = Float32Array | Int32Array;

/** Computes an array, whose numbers are whatever the memory held before, from others. */
export type Loop = (out: Float32Array, of: readonly Numbers[]) => void;
