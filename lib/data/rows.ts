/**
 * Rows in memory, column by column: what models train on and predict from.
 *
 * For a model with an input width, `inputs` is `{ input: [rows x width] }`; for a model with named features it is what
 * {@linkcode encode} returns: `{ numeric: [rows x numbers], category: [rows x categories] }`. All row-major.
 */
export interface Rows {
  /** The number of rows. */
  readonly count: number;
  /** The encoded inputs, row-major, by the name of the graph's input. */
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  /** Labels by task, one a row; NaN where a row has none. Absent for rows to predict. */
  readonly labels?: Readonly<Record<string, Float32Array>>;
  /** Weights of the rows by task, at least 0; 1 where absent. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
}
