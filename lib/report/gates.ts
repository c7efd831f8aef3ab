import { table } from "./table.ts";

/** How one gate used its experts over some rows. */
export interface GateSummary {
  /** The number of rows. */
  readonly rows: number;
  /** The mean weight of each expert, `[experts]`. */
  readonly mean: readonly number[];
  /** The share of rows in which each expert has the largest weight, `[experts]`; experts that tie share the row. */
  readonly top: readonly number[];
  /** The mean over rows of the entropy `-sum_e w_e log w_e`, in nats: 0 for one expert a row, log(experts) for all. */
  readonly entropy: number;
  /** The effective number of experts: e to the entropy of the mean weights, 1 to the number of experts. */
  readonly effective: number;
  /** The expert that has more than 0.95 of the mean weight, of two or more experts; undefined where none has. */
  readonly collapsed: number | undefined;
  /**
   * The experts that this gate hardly uses: the largest weight in fewer than 1 row of 1,000, and less than a tenth of
   * an equal share of the mean weight. Another gate may use them well.
   */
  readonly dead: readonly number[];
}

/**
 * Sums up how a gate used its experts, to see whether it still chooses.
 *
 * @param weights The gate's weights, row-major `[rows x experts]`. Of rows that are negative somewhere or do not sum to 1,
 * which gates of one's own may yield, only means and shares are told.
 * @param experts The number of experts, at least 1.
 * @returns Means, shares and entropies, NaN for no rows; and what to worry about.
 * @throws {RangeError} if the weights are not rows of that many experts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gateSummary } from "@gatehouse/gatehouse";
 *
 * const { mean, top, dead } = gateSummary(Float32Array.of(0.75, 0.25, 0, 0.5, 0.5, 0), 3);
 * assertEquals([mean, top, dead], [[0.625, 0.375, 0], [0.75, 0.25, 0], [2]]);
 * ```
 */
export function gateSummary(weights: Float32Array, experts: number): GateSummary {
  if (!Number.isInteger(experts) || experts < 1 || weights.length % experts !== 0) {
    throw new RangeError(`Cannot sum up a gate: ${weights.length} weights are no rows of ${experts} experts`);
  }
  const rows = weights.length / experts;
  const mean = new Float64Array(experts);
  const top = new Float64Array(experts);
  let entropy = 0;
  let shares = rows > 0;
  for (let row = 0; row < rows; row++) {
    const gate = weights.subarray(row * experts, (row + 1) * experts);
    shares &&= isShares(gate);
    gate.forEach((weight, expert) => mean[expert] += weight / rows);
    const most = gate.reduce((a, b) => Math.max(a, b));
    const winners = gate.reduce((count, weight) => weight === most ? count + 1 : count, 0);
    gate.forEach((weight, expert) => top[expert] += weight === most ? 1 / winners / rows : 0);
    entropy += entropyOf(gate) / rows;
  }
  const collapsed = mean.findIndex((weight) => weight > 0.95);
  const isDead = (expert: number) => top[expert] < 0.001 && mean[expert] < 0.1 / experts;
  return {
    rows,
    mean: rows === 0 ? Array(experts).fill(NaN) : [...mean],
    top: rows === 0 ? Array(experts).fill(NaN) : [...top],
    entropy: shares ? entropy : NaN,
    effective: shares ? Math.exp(entropyOf(mean)) : NaN,
    collapsed: shares && experts > 1 && collapsed >= 0 ? collapsed : undefined,
    dead: shares ? [...mean.keys()].filter(isDead) : [],
  };
}

/** Whether weights are shares of one: only of those can entropy and collapse be told. */
function isShares(gate: Float32Array): boolean {
  const total = gate.reduce((sum, weight) => sum + weight, 0);
  return gate.every((weight) => weight >= 0) && Math.abs(total - 1) < 1e-3;
}

/**
 * Gates as a text table: the mean entropy in nats, the effective number of experts, the mean weight of each expert (`e0`
 * is the first), and a warning where a gate has collapsed on an expert or hardly uses some.
 *
 * @param gates Summaries by the name of the gate, such as its task.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gateSummary, gateTable } from "@gatehouse/gatehouse";
 *
 * const income = gateSummary(Float32Array.of(1, 0, 0.5, 0.5), 2);
 * assertEquals(
 *   gateTable({ income }),
 *   `gate    entropy  effective    e0    e1
 * ──────  ───────  ─────────  ────  ────
 * income     0.35       1.75  0.75  0.25`,
 * );
 * ```
 */
export function gateTable(gates: Readonly<Record<string, GateSummary>>): string {
  const rows = Object.entries(gates).map(([gate, summary]) => {
    const { entropy, effective, mean } = summary;
    const experts = Object.fromEntries(mean.map((weight, expert) => [`e${expert}`, weight]));
    const worry = warning(summary);
    return { gate, entropy, effective, ...experts, ...(worry === "" ? {} : { warning: worry }) };
  });
  return table(rows, { digits: 2 });
}

/** `-sum w log w`, in nats. */
function entropyOf(weights: ArrayLike<number>): number {
  let entropy = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] !== 0) entropy -= weights[i] * Math.log(weights[i]);
  }
  return entropy;
}

/** What to worry about, in a few words; empty where there is nothing. */
function warning({ collapsed, dead }: GateSummary): string {
  if (collapsed !== undefined) return `collapsed on ${collapsed}`;
  return dead.length > 0 ? `dead: ${dead.join(" ")}` : "";
}
