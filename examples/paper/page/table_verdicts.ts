import type { Estimate, Verdict } from "../statistics.ts";

/** A claim about tables 1 and 2, tested. */
export interface TableVerdict {
  readonly name: string;
  readonly says: string;
  readonly test: string;
  readonly verdict: Verdict;
  /** The runs of a cell; 0 where there are none. */
  readonly runs: number;
  readonly parts: readonly {
    readonly what: string;
    readonly paper?: number;
    readonly estimate?: Estimate;
    readonly verdict: Verdict;
  }[];
}
