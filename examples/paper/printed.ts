/**
 * The paper's numbers: those that are printed in its tables, and points read off its vector figures, good to about
 * 0.001.
 *
 * Source: Ma et al., KDD 2018, figures 2 and 4 to 6, tables 1 and 2, sections 5 and 6.
 *
 * @module
 */

/** Figure 2, read off: task correlation, label correlation. */
export const figure2Points = [
  [0.4, 0.0546],
  [0.5, 0.0739],
  [0.6, 0.0996],
  [0.7, 0.1343],
  [0.8, 0.1927],
  [0.9, 0.3053],
  [0.95, 0.4463],
  [0.98, 0.6571],
  [1, 0.9965],
] as const;

/** The correlations of figures 3 to 5. */
export const correlations = [0.5, 0.9, 1] as const;

/** The steps of {@linkcode figure4Losses}. */
export const figure4Steps = [500, 1000, 2000, 4000, 6000, 8000, 9900] as const;

/** Figure 4, read off: mean loss over 200 runs by model and correlation, after {@linkcode figure4Steps}. */
export const figure4Losses: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  "shared-bottom": {
    "0.5": [0.493, 0.385, 0.331, 0.286, 0.268, 0.260, 0.255],
    "0.9": [0.531, 0.424, 0.351, 0.294, 0.261, 0.239, 0.221],
    "1": [0.453, 0.361, 0.306, 0.259, 0.233, 0.215, 0.201],
  },
  omoe: {
    "0.5": [0.379, 0.291, 0.226, 0.178, 0.161, 0.151, 0.146],
    "0.9": [0.314, 0.238, 0.185, 0.150, 0.133, 0.124, 0.118],
    "1": [0.219, 0.164, 0.127, 0.101, 0.089, 0.083, 0.078],
  },
  mmoe: {
    "0.5": [0.235, 0.173, 0.134, 0.106, 0.095, 0.088, 0.083],
    "0.9": [0.226, 0.166, 0.127, 0.101, 0.092, 0.086, 0.081],
    "1": [0.213, 0.156, 0.119, 0.092, 0.079, 0.073, 0.070],
  },
};

/** Figure 5, read off: final losses of 200 runs: mean, standard deviation, share of runs above 0.4. */
export const figure5Losses: Readonly<
  Record<string, Readonly<Record<string, { readonly mean: number; readonly sd: number; readonly above: number }>>>
> = {
  "shared-bottom": {
    "0.5": { mean: 0.256, sd: 0.168, above: 0.385 },
    "0.9": { mean: 0.222, sd: 0.136, above: 0.18 },
    "1": { mean: 0.200, sd: 0.145, above: 0.21 },
  },
  omoe: {
    "0.5": { mean: 0.147, sd: 0.089, above: 0.055 },
    "0.9": { mean: 0.119, sd: 0.091, above: 0.045 },
    "1": { mean: 0.079, sd: 0.083, above: 0.02 },
  },
  mmoe: {
    "0.5": { mean: 0.082, sd: 0.074, above: 0.02 },
    "0.9": { mean: 0.082, sd: 0.083, above: 0.04 },
    "1": { mean: 0.072, sd: 0.060, above: 0.01 },
  },
};

/** Figure 6, read off: mean weights of the 4 experts in the gates of the two tasks. */
export const figure6Gates: Readonly<Record<"engagement" | "satisfaction", readonly number[]>> = {
  engagement: [0.44, 0.165, 0.21, 0.18],
  satisfaction: [0.14, 0.775, 0.07, 0.016],
};

/** AUC of the main task and of marital status: of the best run by the main task, and the mean over 400 runs. */
export interface PrintedAuc {
  readonly main: { readonly best: number; readonly mean: number };
  /** The numbers of the run that is best by the main task. */
  readonly marital: { readonly withBest: number; readonly mean: number };
}

/** Tables 1 (income) and 2 (education), as printed: by table and method. */
export const tableAucs: Readonly<Record<string, Readonly<Record<string, PrintedAuc>>>> = {
  table1: {
    "single-task": printed(0.9398, 0.9337, 0.9933, 0.9922),
    "shared-bottom": printed(0.9361, 0.9295, 0.9915, 0.9921),
    "l2-constrained": printed(0.9389, 0.9359, 0.9922, 0.9918),
    "cross-stitch": printed(0.9406, 0.9361, 0.9917, 0.9922),
    "tensor-factorisation": printed(0.7460, 0.6765, 0.8175, 0.8412),
    omoe: printed(0.9387, 0.9319, 0.9928, 0.9923),
    mmoe: printed(0.9410, 0.9359, 0.9926, 0.9927),
  },
  table2: {
    "single-task": printed(0.8843, 0.8792, 0.9933, 0.9922),
    "shared-bottom": printed(0.8836, 0.8813, 0.9927, 0.9917),
    "l2-constrained": printed(0.8855, 0.8823, 0.9923, 0.9918),
    "cross-stitch": printed(0.8855, 0.8819, 0.9919, 0.9921),
    "tensor-factorisation": printed(0.7367, 0.7256, 0.7453, 0.7497),
    omoe: printed(0.8852, 0.8813, 0.9915, 0.9912),
    mmoe: printed(0.8860, 0.8826, 0.9932, 0.9924),
  },
};

function printed(best: number, mean: number, withBest: number, marital: number): PrintedAuc {
  return { main: { best, mean }, marital: { withBest, mean: marital } };
}
