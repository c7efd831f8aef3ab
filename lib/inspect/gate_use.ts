import type { GateCapacity } from "./gate_capacity.ts";
import type { GateStatistics } from "./gate_sums.ts";

/** How one gate used its experts. */
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
   * What training in batches of these rows would drop, in their order, before it draws noise and as if nothing were
   * dropped in the levels below: predictions, of which all else is told, drop nothing. Only of gates over banks with a
   * capacity, and of all rows.
   */
  readonly capacity?: GateCapacity;
}
