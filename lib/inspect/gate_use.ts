import type { GateCapacity } from "./gate_capacity.ts";
import type { GateStatistics } from "./gate_sums.ts";

/** The use that one gate made of its experts. */
export interface GateUse extends GateStatistics {
  /** The gate's name, `<level>/<stream>`, as {@linkcode Model.inspect} has it. */
  readonly gate: string;
  /** Its level. */
  readonly level: number;
  /** The stream that it writes. */
  readonly stream: string;
  /** The experts that it mixes, in the order of its weights: `<bank>/<index>`. */
  readonly experts: readonly string[];
  /**
   * The rows that training in batches of these rows would drop, in their order, without noise and as if nothing were
   * dropped in the levels below. All else is about predictions, which drop nothing. Only for gates over banks with a
   * capacity, and for all rows.
   */
  readonly capacity?: GateCapacity;
}
