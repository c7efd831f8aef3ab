import { mean, quantile, sampleVariance as variance } from "simple-statistics";
import {
  bootstrap,
  type Bounds,
  type Estimate,
  levelOf,
  type Samples,
  together,
  type Verdict,
  verdictOf,
} from "./statistics.ts";
import { correlations as printedCorrelations, figure5Losses } from "./printed.ts";

/** A claim of the paper as a test. */
export interface Claim {
  readonly name: string;
  /** The claim of the paper, in our words. */
  readonly says: string;
  /** The test, and when it holds. */
  readonly test: string;
  /** All of them have to hold. */
  readonly parts: readonly Part[];
}

/** One quantity of a claim. */
export interface Part {
  readonly what: string;
  /** The runs that it is computed from. */
  readonly cells: readonly Cell[];
  readonly statistic: (samples: Samples) => number;
  readonly bounds: Bounds;
  /** The paper's value, if it follows from means and deviations. */
  readonly paper?: number;
}

/** Runs of one model at one correlation of the tasks. */
export interface Cell {
  readonly model: Model;
  readonly correlation: number;
}

/** The models of figures 4 and 5. */
export type Model = "shared-bottom" | "omoe" | "mmoe";

/** Final losses of all runs of a cell; empty where there are none. */
export type Losses = (cell: Cell) => readonly number[];

/** The result of a claim. */
export interface Tested {
  readonly claim: Claim;
  readonly parts: readonly {
    readonly part: Part;
    /** Undefined where a cell has fewer than {@linkcode fewest} runs. */
    readonly estimate?: Estimate;
    readonly verdict: Verdict;
  }[];
  readonly verdict: Verdict;
  /** The fewest and the most runs of its cells. */
  readonly runs: readonly [number, number];
}

/** The runs below which nothing is tested. */
export const fewest = 3;

/** Tests a claim; its intervals hold all at once with a chance of 0.95. */
export function tested(claim: Claim, losses: Losses, resamples?: number): Tested {
  const level = levelOf(claim.parts.length);
  const parts = claim.parts.map((part) => {
    const samples = part.cells.map(losses);
    if (samples.some((sample) => sample.length < fewest)) return { part, verdict: "undecided" as const };
    const estimate = bootstrap(samples, part.statistic, { level, resamples, seed: `${claim.name}: ${part.what}` });
    return { part, estimate, verdict: verdictOf(estimate, part.bounds) };
  });
  const counts = claim.parts.flatMap(({ cells }) => cells.map((cell) => losses(cell).length));
  return {
    claim,
    parts,
    verdict: together(parts.map(({ verdict }) => verdict)),
    runs: [Math.min(...counts), Math.max(...counts)],
  };
}

const models = ["shared-bottom", "omoe", "mmoe"] as const;
const words: Readonly<Record<Model, string>> = { "shared-bottom": "Shared-Bottom", omoe: "OMoE", mmoe: "MMoE" };

/** The largest distance of two means that nearly tie: a third of OMoE's from MMoE at p = 0.5 in figure 4. */
const tie = 0.02;
/** The largest distance of lowest losses that are comparable: a twentieth of the variance of the labels. */
const comparable = 0.05;

/** The claims of section 5, tested at these correlations of the tasks, which begin with the lowest and end with 1. */
export function claimsOf(correlations: readonly number[] = printedCorrelations): readonly Claim[] {
  const ends = (model: Model): Cell[] => [
    { model, correlation: correlations[0] },
    { model, correlation: correlations[correlations.length - 1] },
  ];
  const low = correlations[0];
  return [
    {
      name: "1",
      says: "Every model is better where tasks are more correlated",
      test: `mean loss at p = ${low} less that at p = 1, of each model: above 0`,
      parts: models.map((model) => ({
        what: words[model],
        cells: ends(model),
        statistic: ([a, b]) => mean(a) - mean(b),
        bounds: { above: 0 },
        paper: printedGap(model, low),
      })),
    },
    {
      name: "2a",
      says: "MMoE's gap across correlations is far smaller than that of the others",
      test:
        `gap = how far the mean losses at p = ${low} and p = 1 are apart; half the other's gap less MMoE's: above 0`,
      parts: (["omoe", "shared-bottom"] as const).map((other) => ({
        what: `half of ${words[other]}'s gap less MMoE's`,
        cells: [...ends(other), ...ends("mmoe")],
        statistic: ([a, b, c, d]) => Math.abs(mean(a) - mean(b)) / 2 - Math.abs(mean(c) - mean(d)),
        bounds: { above: 0 },
        paper: printedGap(other, low) / 2 - printedGap("mmoe", low),
      })),
    },
    {
      name: "2b",
      says: "Where tasks are the same, MMoE and OMoE nearly tie",
      test:
        `mean loss of OMoE less that of MMoE at p = 1: between −${tie} and ${tie}, a third of the paper's at p = 0.5`,
      parts: [{
        what: "OMoE less MMoE, p = 1",
        cells: [{ model: "omoe", correlation: 1 }, { model: "mmoe", correlation: 1 }],
        statistic: ([a, b]) => mean(a) - mean(b),
        bounds: { above: -tie, below: tie },
        paper: printed("omoe", 1).mean - printed("mmoe", 1).mean,
      }],
    },
    {
      name: "3",
      says: "Both mixtures beat Shared-Bottom everywhere",
      test: "mean loss of Shared-Bottom less that of the mixture, at each p: above 0",
      parts: correlations.flatMap((correlation) =>
        (["omoe", "mmoe"] as const).map((model) => ({
          what: `${words[model]}, p = ${correlation}`,
          cells: [{ model: "shared-bottom" as const, correlation }, { model, correlation }],
          statistic: ([a, b]: Samples) => mean(a) - mean(b),
          bounds: { above: 0 },
          paper: printed("shared-bottom", correlation).mean - printed(model, correlation).mean,
        }))
      ),
    },
    {
      name: "4",
      says: "The variance of Shared-Bottom is much larger",
      test: "variance of Shared-Bottom over that of the mixture, each the mean over all p: above 2",
      parts: (["omoe", "mmoe"] as const).map((model) => ({
        what: `over ${words[model]}'s`,
        cells: [
          ...correlations.map((correlation) => ({ model: "shared-bottom" as const, correlation })),
          ...correlations.map((correlation) => ({ model, correlation })),
        ],
        statistic: (samples) => {
          const variances = samples.map(variance);
          return mean(variances.slice(0, correlations.length)) / mean(variances.slice(correlations.length));
        },
        bounds: { above: 2 },
        paper: mean(correlations.map((p) => printed("shared-bottom", p).sd ** 2)) /
          mean(correlations.map((p) => printed(model, p).sd ** 2)),
      })),
    },
    {
      name: "5",
      says: "The lowest losses of all three models are comparable",
      test: `10 % quantile of each model's losses, the largest less the smallest, at each p: below ${comparable}, ` +
        "a twentieth of the variance of labels",
      parts: correlations.map((correlation) => ({
        what: `p = ${correlation}`,
        cells: models.map((model) => ({ model, correlation })),
        statistic: (samples) => {
          const lows = samples.map((sample) => quantile(sample, 0.1));
          return Math.max(...lows) - Math.min(...lows);
        },
        bounds: { below: comparable },
      })),
    },
  ];
}

function printedGap(model: Model, low: number): number {
  return printed(model, low).mean - printed(model, 1).mean;
}

function printed(model: Model, correlation: number): { readonly mean: number; readonly sd: number } {
  return figure5Losses[model][correlation];
}
