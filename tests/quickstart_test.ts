import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { type Done, pictureOf } from "../examples/quickstart/charts.ts";
import { comparisonText, differencesOf, type Findings, verdicts } from "../examples/quickstart/comparison.ts";
import { type ModelName, modelNames } from "../examples/quickstart/models.ts";
import { type Request, trained } from "../examples/quickstart/training.ts";
import { withTemp } from "./temp.ts";

/** Findings of the seeds 7, 8, ... */
function findings(rate: number, losses: Readonly<Record<ModelName, readonly number[]>>): Findings {
  const bySeed = (model: ModelName) => new Map(losses[model].map((loss, at) => [7 + at, loss]));
  return {
    rate,
    losses: { "shared-bottom": bySeed("shared-bottom"), omoe: bySeed("omoe"), mmoe: bySeed("mmoe") },
  };
}

const fast = findings(0.01, { "shared-bottom": [0.3, 0.5, 0.4], omoe: [0.1, 0.2, 0.2], mmoe: [0.4, 0.3, 0.5] });
const slow = findings(0.003, { "shared-bottom": [0.1, 0.3, 0.2], omoe: [0.5, 0.8, 0.6], mmoe: [0.1, 0.3, 0.2] });

Deno.test("differencesOf() is Student's interval of the differences seed by seed", () => {
  const [omoe, mmoe] = differencesOf(fast); // of -0.2, -0.3 and -0.2: mean, and 4.30265 * sd / sqrt(3)
  assertEquals([omoe.model, omoe.seeds, mmoe.model], ["omoe", 3, "mmoe"]);
  assertAlmostEquals(omoe.difference, -0.233333, 1e-6);
  assertAlmostEquals(omoe.interval![0], -0.376756, 1e-5);
  assertAlmostEquals(omoe.interval![1], -0.089911, 1e-5);
  assertAlmostEquals(mmoe.difference, 0, 1e-12);
  assertEquals(differencesOf(findings(1, { "shared-bottom": [1], omoe: [0.5], mmoe: [] })), [
    { model: "omoe", seeds: 1, difference: -0.5 },
  ]);
  const some = { ...fast, losses: { ...fast.losses, omoe: new Map([[8, 0.2], [12, 0.1]]) } };
  assertEquals(differencesOf(some)[0], { model: "omoe", seeds: 1, difference: -0.3 });
});

Deno.test("verdicts() states what is decided, what is not, and what depends on the rate", () => {
  assertEquals(verdicts([fast, slow]), [
    "At rate 0.01 omoe ends 0.233 below shared-bottom, mean of 3 seeds (95 % interval 0.090 to 0.377).",
    "At rate 0.01 mmoe and shared-bottom are undecided: the 95 % interval of the difference, -0.430 to 0.430, includes 0.",
    "At rate 0.003 omoe ends 0.433 above shared-bottom, mean of 3 seeds (95 % interval 0.290 to 0.577).",
    "At rate 0.003 mmoe and shared-bottom are undecided: the 95 % interval of the difference, 0.000 to 0.000, includes 0.",
    "How far omoe is from shared-bottom depends on the rate: its intervals do not meet.",
  ]);
  assertEquals(verdicts([findings(0.01, { "shared-bottom": [0.5], omoe: [0.25], mmoe: [0.75] })]), [
    "At rate 0.01 omoe ends 0.250 below shared-bottom with one seed.",
    "At rate 0.01 mmoe ends 0.250 above shared-bottom with one seed.",
    "One seed gives no interval, and another may end otherwise: --seeds 8 shows how sure this is.",
  ]);
  assertEquals(verdicts([findings(0.01, { "shared-bottom": [0.5], omoe: [], mmoe: [] })]), []);
});

Deno.test("comparisonText() has a line for every seed, and of several seeds what sums them up", () => {
  assertEquals(
    comparisonText([fast]),
    `                     rate 0.01
seed                 shared-bottom    omoe    mmoe
──────────────────   ─────────────  ──────  ──────
7                            0.300   0.100   0.400
8                            0.500   0.200   0.300
9                            0.400   0.200   0.500

mean                         0.400   0.167   0.400
standard deviation           0.100   0.058   0.100
less shared-bottom                  -0.233   0.000
95 % interval from                  -0.377  -0.430
95 % interval to                    -0.090   0.430`,
  );
  const one = comparisonText([findings(0.01, { "shared-bottom": [0.5], omoe: [0.25], mmoe: [] })]);
  assertEquals(one.split("\n").length, 4);
  assertEquals(one.split("\n").at(-1), "7              0.500  0.250");
});

Deno.test("trained() is the same for the same seed, and nothing if it is stopped before its first step", async () => {
  const request: Request = {
    ...{ model: "mmoe", rate: 0.01, seed: 7, engine: "reference" },
    ...{ correlation: 0.5, rows: 20, batch: 4, steps: 3 },
  } as const;
  const made = async (signal: AbortSignal) => {
    const moments: number[] = [];
    return { outcome: await trained(request, ({ step }) => moments.push(step), signal), moments };
  };
  const [first, second] = [await made(new AbortController().signal), await made(new AbortController().signal)];
  assertEquals(first.outcome, second.outcome);
  assertEquals([first.outcome!.steps, first.outcome!.curve.map(({ step }) => step)], [3, [1, 2, 3]]);
  assertEquals(first.moments.at(-1), 3);
  assertEquals(first.outcome!.gates, undefined);
  assertEquals((await made(AbortSignal.abort())).outcome, undefined);
});

Deno.test("trained() finds what a run came to, and trains again if another was asked for", async () => {
  await withTemp(async (folder) => {
    const request: Request = {
      ...{ model: "omoe", rate: 0.01, seed: 7, engine: "cpu" },
      ...{ correlation: 0.5, rows: 20, batch: 4, steps: 4, keeping: { folder, every: 0 } },
    } as const;
    const made = async (request: Request) => {
      const moments: number[] = [];
      const outcome = await trained(request, ({ step }) => moments.push(step), new AbortController().signal);
      return { outcome, last: moments.at(-1) };
    };
    const whole = await made({ ...request, keeping: undefined });
    assertEquals(await made(request), whole);
    assertEquals(await made(request), { ...whole, last: undefined });
    const longer = await made({ ...request, steps: 6 });
    assertEquals(longer, await made({ ...request, steps: 6, keeping: undefined }));
    const { outcome } = await made({ ...request, steps: 6, keep: `${folder}/saved` });
    assertEquals([outcome!.digest, outcome!.gates!.rows], [longer.outcome!.digest, 10_000]);
  });
});

Deno.test("pictureOf() has the range of several seeds as bands, and none of one seed", () => {
  const done = (seed: number): Done[] =>
    modelNames.map((model, at) => ({
      run: { model, rate: 0.01, seed },
      outcome: {
        steps: 4,
        curve: [2, 4].map((step) => ({ step, loss: { first: seed / step + at, second: seed / step } })),
        held: { first: 1, second: 1 },
        digest: "",
      },
    }));
  const [one, two] = [pictureOf(done(7)), pictureOf([...done(7), ...done(9)])];
  const bands = (svg: string) => svg.match(/fill-opacity="0.16"/g)?.length ?? 0;
  assertEquals([bands(one), bands(two)], [0, 6]);
  assertStringIncludes(one, ">seed 7, log scale</text>");
  assertStringIncludes(two, ">mean and range of 2 seeds, log scale</text>");
  assertStringIncludes(two, "shared-bottom ends at 2 (1.75 to 2.25)");
  assert(!two.includes("gate weights"));
});
