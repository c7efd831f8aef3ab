/**
 * Compares judges with what scikit-learn, confidenceinterval and numpy make of the same rows: `deno task test:judges`.
 * Installs the packages in `out/judges`, and says so where that cannot be done.
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { random } from "../../lib/data/random.ts";
import {
  auc,
  aucInterval,
  calibrationCurve,
  compareAuc,
  compareGauc,
  expectedCalibrationError,
  gauc,
  logLoss,
  ndcg,
  normalisedEntropy,
  predictedOverObserved,
} from "../../lib/metrics.ts";
import { pythonOf, ran } from "../environment.ts";

const python = await pythonOf("out/judges", ["scikit-learn==1.9.1", "confidenceinterval==1.0.5"]);
if (python === undefined) Deno.exit(0);

/** Rows of two models: many ties in every second case, and groups of one class. */
function caseOf(seed: number) {
  const source = random(`sklearn:${seed}`);
  const count = 300 + source.bits() % 300;
  const levels = seed % 2 === 0 ? 2 ** 32 : 12; // no score is on the edge of a bin, which numpy rounds otherwise
  const draw = (label: number) => {
    const at = (source.uniform() + source.uniform() + 0.4 * label) / 2.5;
    return Math.max(1, Math.floor(at * levels)) / (levels + 1);
  };
  const labels = Array.from({ length: count }, () => source.uniform() < 0.3 ? 1 : 0);
  return {
    labels,
    scores: labels.map((label) => draw(label)),
    other: labels.map((label) => draw(label)),
    weights: labels.map(() => seed % 3 === 0 ? 1 : 0.1 + source.uniform()),
    groups: labels.map(() => source.bits() % 80),
    at: 1 + seed % 5,
    bins: 2 + seed % 11,
  };
}

const cases = Array.from({ length: 40 }, (_, seed) => caseOf(seed));
const file = await Deno.makeTempFile({ dir: "out", suffix: ".json" });
try {
  await Deno.writeTextFile(file, JSON.stringify(cases));
  const made = await ran(python, ["tests/judges/compare.py", file]);
  if ("failed" in made) throw new Error(`The comparison failed: ${made.failed}`);
  const all: Readonly<Record<string, number & readonly number[]>>[] = JSON.parse(made.out);
  let compared = 0;
  cases.forEach(({ labels, scores, other, weights, groups, at, bins }, seed) => {
    const both = compareAuc(scores, other, labels);
    const drawn = compareGauc(scores, other, labels, groups, { resamples: 4000 });
    const one = aucInterval(scores, labels);
    const curve = calibrationCurve(scores, labels, { bins });
    const ours: Readonly<Record<string, number | readonly number[]>> = {
      auc: auc(scores, labels, weights),
      logloss: logLoss(scores, labels, weights),
      pcoc: predictedOverObserved(scores, labels, weights),
      entropy: normalisedEntropy(scores, labels, weights),
      delong: one.auc,
      error: one.error,
      difference: both.difference,
      paired: both.error,
      off: drawn.difference,
      "drawn error": drawn.error,
      "drawn lower": drawn.interval[0],
      "drawn upper": drawn.interval[1],
      gauc: gauc({ by: "user" })(scores, labels, weights, groups),
      ndcg: ndcg({ by: "user", at })(scores, labels, undefined, groups),
      observed: curve.map(({ observed }) => observed),
      predicted: curve.map(({ predicted }) => predicted),
      ece: expectedCalibrationError({ bins })(scores, labels),
    };
    assertEquals(Object.keys(all[seed]).sort(), Object.keys(ours).sort());
    for (const [name, number] of Object.entries(ours)) {
      const [a, b] = [number, all[seed][name]].map((one) => [one].flat());
      assertEquals(a.length, b.length, name);
      const byChance = name === "drawn error" ? 0.1 : 0.3; // of the error: both draw by chance, 4,000 times
      const exact = ["delong", "error"].includes(name) ? 1e-6 : 1e-10; // confidenceinterval ranks in float32
      const near = name.startsWith("drawn") ? byChance * drawn.error : exact;
      a.forEach((value, at) => assertAlmostEquals(value, b[at], near, `${name} of case ${seed}`));
      compared += a.length;
    }
  });
  const found = `${compared} numbers of judges are those of scikit-learn, confidenceinterval and numpy`;
  console.log(`${found}: ok | ${cases.length} passed | 0 failed`);
} finally {
  await Deno.remove(file);
}
