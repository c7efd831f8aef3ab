/** The statistics of a gate's weights over some rows. Plain JSON: an unknown number is null. */
export interface GateStatistics {
  /** The number of rows. */
  readonly rows: number;
  /** The mean weight of each expert, `[experts]`. */
  readonly mean: readonly number[];
  /** The share of rows in which each expert has the largest weight, `[experts]`; experts that tie share the row. */
  readonly top: readonly number[];
  /** The share of rows in which each expert has a weight other than 0, `[experts]`: below 1 for top-k gates. */
  readonly load: readonly number[];
  /** The share of rows in which no expert has a weight: 0 to 1. */
  readonly dropped: number;
  /**
   * The mean over rows of the entropy `-sum_e p_e log p_e` of the row's weights over their sum, in nats: 0 where one
   * expert has it all, log(experts) where all have the same. Rows in which no expert has a
   * weight do not count. Null if there are no others, or if some weight is negative: then weights are not shares.
   */
  readonly entropy: number | null;
  /** {@linkcode GateStatistics.entropy} over log(experts): 0 to 1. */
  readonly evenness: number | null;
  /** The entropy of the mean weights over their sum, in nats; null as above. */
  readonly entropyOfMean: number | null;
  /** The effective number of experts, `exp(entropyOfMean)`: 1 to the number of experts; null as above. */
  readonly effective: number | null;
  /** The largest standard deviation over rows that the weight of an expert has: 0 for a gate that ignores the row. */
  readonly deviation: number;
}

/** The sums over a gate's weights, row by row, that its statistics need. */
export interface GateSums {
  /** The number of rows. */
  rows: number;
  /** The number of rows in which an expert has a weight. */
  weighted: number;
  /** The sum of the entropies of these. */
  entropy: number;
  /** True if no weight was negative. */
  shares: boolean;
  /** The weights of each expert, `[experts]`. */
  readonly weight: Float64Array;
  /** The rows in which it has the largest, `[experts]`. */
  readonly top: Float64Array;
  /** The rows in which it has one other than 0, `[experts]`. */
  readonly load: Float64Array;
  /** Its weight in the first row, `[experts]`. */
  readonly first: Float64Array;
  /** The squares of its differences from that one, `[experts]`. */
  readonly square: Float64Array;
}

/** Returns the sums of no rows. */
export function noSums(experts: number): GateSums {
  const [weight, top, load, first, square] = Array.from({ length: 5 }, () => new Float64Array(experts));
  return { rows: 0, weighted: 0, entropy: 0, shares: true, weight, top, load, first, square };
}

/** Adds a row to the sums: the weights from a position on. */
export function addRow(sums: GateSums, data: ArrayLike<number>, at: number): void {
  const { weight, top, load, first, square } = sums;
  const experts = weight.length;
  let [total, most, winners] = [0, -Infinity, 0];
  for (let expert = 0; expert < experts; expert++) {
    const w = data[at + expert];
    if (sums.rows === 0) first[expert] = w;
    if (w < 0) sums.shares = false;
    if (w !== 0) load[expert]++;
    winners = w > most ? 1 : w === most ? winners + 1 : winners;
    most = Math.max(most, w);
    total += w;
    weight[expert] += w;
    square[expert] += (w - first[expert]) ** 2;
  }
  sums.rows++;
  if (most === 0 && total === 0) return; // no expert has a weight
  let entropy = 0;
  for (let expert = 0; expert < experts; expert++) {
    const w = data[at + expert];
    if (w === most) top[expert] += 1 / winners;
    if (w > 0) entropy -= w / total * Math.log(w / total);
  }
  sums.weighted++;
  sums.entropy += entropy;
}

/** Returns the statistics of the sums over at least one row. */
export function statistics(sums: GateSums): GateStatistics {
  const { rows, weighted, weight, top, load, first, square } = sums;
  const experts = weight.length;
  const known = sums.shares && weighted > 0;
  const total = weight.reduce((a, b) => a + b, 0);
  const entropyOfMean = known ? positive(entropyOf([...weight].map((w) => w / total))) : null;
  const entropy = known ? positive(sums.entropy / weighted) : null;
  const variances = [...square].map((sum, expert) => sum / rows - (weight[expert] / rows - first[expert]) ** 2);
  return {
    rows,
    mean: [...weight].map((sum) => sum / rows),
    top: [...top].map((sum) => sum / rows),
    load: [...load].map((sum) => sum / rows),
    dropped: (rows - weighted) / rows,
    entropy,
    evenness: entropy === null ? null : Math.min(1, entropy / Math.log(experts)),
    entropyOfMean,
    effective: entropyOfMean === null ? null : Math.exp(entropyOfMean),
    deviation: Math.sqrt(Math.max(0, ...variances)),
  };
}

/** `-sum p log p`, in nats. */
function entropyOf(shares: readonly number[]): number {
  return shares.reduce((sum, share) => share > 0 ? sum - share * Math.log(share) : sum, 0);
}

/** A number that rounding may have made negative, or -0, which JSON does not hold. */
function positive(number: number): number {
  return number > 0 ? number : 0;
}
