import { assert, assertAlmostEquals, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { compile, evaluate, reference } from "../mod.ts";
import { auc } from "../lib/metrics.ts";
import { census, random } from "../lib/datasets.ts";
import { pairedBootstrap, weightedAuc } from "../examples/paper/bootstrap.ts";
import { aucsOf, cellsOf, gapOf, spreadOf } from "../examples/paper/census_cells.ts";
import { censusModel, expertsOf, unitsOf } from "../examples/paper/census_methods.ts";
import { censusRun } from "../examples/paper/census_run.ts";
import { type Method, methods, space, trialOf } from "../examples/paper/census_space.ts";
import { bestTrial, runsOfTables } from "../examples/paper/census_stages.ts";
import { table1, table2 } from "../examples/paper/census_tables.ts";
import { tableAucs } from "../examples/paper/printed.ts";
import { type Job, keyOf, type Result } from "../examples/paper/study.ts";
import { meanDifference, studentReach } from "../examples/paper/welch.ts";
import { layoutIn } from "./insides.ts";

const table = { name: "table1", group: 1, main: "income" } as const;
const budget = { smoke: false, runs: 4 };

Deno.test("trialOf() draws from the space, all of it, and the same again", () => {
  for (const method of methods) {
    const trials = Array.from({ length: 200 }, (_, trial) => trialOf(method, trial));
    assertEquals(trialOf(method, 7), trials[7]);
    for (const trial of trials) assertEquals(Object.keys(trial), Object.keys(space[method]));
    for (const [name, choice] of Object.entries(space[method])) {
      const drawn = trials.map((trial) => trial[name]);
      if (!("from" in choice)) {
        assertEquals([...new Set(drawn)].sort((a, b) => a - b), [...choice].sort((a, b) => a - b), `${method} ${name}`);
        continue;
      }
      assert(drawn.every((value) => value >= choice.from && value <= choice.to), `${method} ${name}`);
      const below = drawn.filter((value) => value < Math.sqrt(choice.from * choice.to)).length;
      assert(below > 70 && below < 130, `${method} ${name}: ${below} of 200 below the geometric middle`);
    }
  }
});

Deno.test("censusModel() has layers of at most 2048 hidden units, as many as were drawn", async () => {
  const { features, train } = await census({ folder: "examples/sample", verify: false });
  const labels = Object.keys(train.labels!);
  for (const method of methods) {
    const largest = Object.fromEntries(
      Object.entries(space[method]).map(([name, choice]) => [name, "from" in choice ? choice.to : Math.max(...choice)]),
    );
    for (const trial of [largest, ...Array.from({ length: 8 }, (_, trial) => trialOf(method, trial))]) {
      const units = unitsOf(method, trial, 2);
      assertEquals(expertsOf(method, trial, 2) * units[0], trial.hidden, method);
      assert(units.every((each) => Number.isInteger(each) && each * expertsOf(method, trial, 2) <= 2048), method);
      const { levels } = censusModel(method, trial, features, labels);
      const experts = Object.values(levels[0].experts).reduce((sum, { count }) => sum + count, 0);
      assertEquals(experts, method === "tensor-factorisation" ? 1 : expertsOf(method, trial, 2), method);
    }
  }
});

Deno.test("jobs() searches, then asks for the seeds of the best trials and for the comparison, then for nothing", () => {
  for (const [study, main, kept] of [[table1, "income", 2], [table2, "education", 0]] as const) {
    const { trials, seeds, bootstrap } = runsOfTables(budget);
    const results: Result[] = [];
    const left = () => {
      const done = new Set(results.map(keyOf));
      return study.jobs(results, budget).filter((job) => !done.has(keyOf(job)));
    };
    const first = left();
    assertEquals(stages(first), {
      search: methods.length * trials,
      logistic: seeds,
      ...(kept ? { "education kept": kept * 3 } : {}),
    });
    const last = first.find(({ setting }) => setting.method === "mmoe" && setting.trial === trials - 1)!;
    results.push(...first.filter((job) => job !== last).map((job) => invented(job, main)));
    const then = left();
    assertEquals(then.filter(({ setting }) => setting.method === "mmoe").map(keyOf), [keyOf(last)]);
    assertEquals(stages(then), { search: 1, seeds: (methods.length - 1) * seeds });
    results.push(...then.map((job) => invented(job, main)));
    const best = Object.fromEntries(methods.map((method, at) => [method, at]));
    const rest = left();
    assertEquals(stages(rest), { seeds, bootstrap });
    assertEquals(rest[0].setting, { stage: "seeds", method: "mmoe", trial: best.mmoe });
    assertEquals(rest.at(-1)!.setting, { stage: "bootstrap", ...best });
    results.push(...rest.map((job) => invented(job, main)));
    assertEquals(left(), []);
    const text = study.summary(results, budget);
    for (const method of methods) assertMatch(text, new RegExp(`^${method} `, "m"));
    assertMatch(text, /undecided|mmoe$/m);
    assertEquals(text.match(/rate 0\.0125/g)?.length, methods.length);
  }
});

Deno.test("bestTrial() is the one of the highest validation AUC of the main task; no AUC is the lowest", () => {
  const made = (validation: (number | null)[]) =>
    validation.map((income, trial) =>
      result({ stage: "search", method: "omoe", trial }, 0, { validation: { income, marital: 1 - (income ?? 0) } })
    );
  assertEquals(bestTrial(made([0.7, null, 0.9, 0.8]), table, "omoe", 4), 2);
  assertEquals(bestTrial(made([null, null]), table, "omoe", 2), 0);
  assertEquals(bestTrial(made([0.7, 0.9]), table, "omoe", 3), undefined);
  assertEquals(bestTrial(made([0.7, 0.9]), table, "mmoe", 2), undefined);
});

Deno.test("spreadOf() takes marital status of the run that is best by the main task", () => {
  const setting = { stage: "seeds", method: "mmoe", trial: 3 };
  const aucs = [[0.91, 0.99], [0.94, 0.97], [0.93, 0.98]];
  const results = aucs.map(([income, marital], run) => result(setting, run, { test: { income, marital } })).reverse();
  const found = spreadOf(aucsOf(results, table, setting));
  assertEquals([found.runs, found.main.best, found.marital.withBest], [3, 0.94, 0.97]);
  assertAlmostEquals(found.main.mean, (0.91 + 0.94 + 0.93) / 3);
  assertAlmostEquals(found.main.sd, Math.sqrt((0.0166667 ** 2 + 0.0133333 ** 2 + 0.0033333 ** 2) / 2), 1e-6);
});

Deno.test("gapOf() adds the variance over rows to that over seeds", () => {
  const results = methods.flatMap((method) =>
    Array.from(
      { length: 8 },
      (_, trial) => result({ stage: "search", method, trial }, 0, { validation: { income: trial } }),
    )
  );
  const cells = cellsOf(results, table, budget);
  assertEquals(cells.omoe, { stage: "seeds", method: "omoe", trial: 7 });
  const of = (setting: Result["setting"], aucs: readonly number[]) =>
    results.push(...aucs.map((income, run) => result(setting, run, { test: { income, marital: 0.5 } })));
  of(cells.omoe, [0.92, 0.94, 0.93]);
  assertEquals(gapOf(results, table, cells, "omoe", "main"), undefined);
  of(cells.mmoe, [0.95, 0.95, 0.98]);
  const row = (difference: number, sd: number) => ({ omoe: { difference, sd, low: -sd, high: sd } });
  results.push(
    result({ stage: "bootstrap", mmoe: 7 }, 0, { income: row(-0.02, 0.03) }),
    result({ stage: "bootstrap", mmoe: 7 }, 1, { income: row(-0.04, 0.04) }),
  );
  const { seeds, rows, both } = gapOf(results, table, cells, "omoe", "main")!;
  assertAlmostEquals(seeds.difference, -0.03);
  assertAlmostEquals(seeds.sd ** 2, 0.0001 / 3 + 0.0003 / 3);
  assertAlmostEquals(rows.difference, -0.03);
  assertAlmostEquals(rows.sd ** 2, (0.0009 + 0.0016) / 2);
  assertAlmostEquals(both.sd ** 2, seeds.sd ** 2 + rows.sd ** 2);
  assertAlmostEquals((both.high - both.low) / (seeds.high - seeds.low), both.sd / seeds.sd);
});

Deno.test("meanDifference() is Welch's interval", () => {
  // Student's sleep data (1908), of which R's t.test says -3.3654832 to 0.2054832
  const [first, second] = [
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
  ];
  const { difference, sd, reach } = meanDifference(first, second);
  assertAlmostEquals(difference - reach * sd, -3.3654832, 2e-6);
  assertAlmostEquals(difference + reach * sd, 0.2054832, 2e-6);
  assertEquals(meanDifference([1, 1], [3, 3]), { difference: -2, sd: 0, freedom: Infinity, reach: 1.959964 });
  const table: readonly (readonly [number, number])[] = [[1, 12.7062], [2, 4.3027], [5, 2.5706], [9, 2.2622], [
    18,
    2.1009,
  ], [120, 1.9799]];
  for (const [freedom, wanted] of table) assertAlmostEquals(studentReach(freedom), wanted, 3e-4);
  const far: readonly (readonly [number, number])[] = [[9, 3.2498], [18, 2.8784], [120, 2.6174], [Infinity, 2.5758]];
  for (const [freedom, wanted] of far) assertAlmostEquals(studentReach(freedom, 0.99), wanted, 0.01);
});

Deno.test("weightedAuc() is the AUC of the rows as often as they count", () => {
  const source = random("rows");
  for (let at = 0; at < 40; at++) {
    const labels = Array.from({ length: 30 }, () => source.uniform() < 0.3 ? 1 : 0);
    const scores = labels.map((label) => Math.round(4 * (label + 2 * source.uniform()))); // with ties
    const counts = labels.map(() => Math.floor(4 * source.uniform() ** 2));
    const rows = counts.flatMap((count, row) => Array<number>(count).fill(row));
    const wanted = auc(rows.map((row) => scores[row]), rows.map((row) => labels[row]));
    const found = weightedAuc(scores, labels);
    if (Number.isNaN(wanted)) assert(Number.isNaN(found(counts)));
    else assertAlmostEquals(found(counts), wanted, 1e-12);
    assertAlmostEquals(found(labels.map(() => 1)), auc(scores, labels), 1e-12);
  }
});

Deno.test("pairedBootstrap() finds no difference of equal scores, and one of perfect ones", () => {
  const source = random("scores");
  const labels = Array.from({ length: 300 }, () => source.uniform() < 0.3 ? 1 : 0);
  const noise = labels.map(() => source.uniform());
  const weak = labels.map((label, row) => label + 4 * noise[row]);
  const options = { against: "weak", resamples: 400, seed: 7 };
  const found = pairedBootstrap({ weak, same: weak.map((score) => 2 * score), noise, labels }, labels, options);
  assertEquals(found.same, { difference: 0, sd: 0, low: 0, high: 0 });
  assertEquals(found.weak, found.same);
  assertAlmostEquals(found.labels.difference, 1 - auc(weak, labels), 1e-12);
  assertGreater(found.labels.low, 0);
  assertLess(found.noise.high, 0);
  assertEquals(pairedBootstrap({ weak, noise }, labels, options).noise, found.noise);
  const one = pairedBootstrap({ weak, noise }, labels.map(() => 1), options).noise;
  assertEquals(one, { difference: NaN, sd: NaN, low: NaN, high: NaN });
});

Deno.test("pairedBootstrap() has the standard error of DeLong's formula", () => {
  const source = random("normal");
  const labels = Array.from({ length: 400 }, (_, row) => row % 4 === 0 ? 1 : 0);
  const shared = labels.map((label) => label + source.normal());
  const [a, b] = [0, 1].map(() => shared.map((score) => score + 0.5 * source.normal()));
  const found = pairedBootstrap({ a, b }, labels, { against: "b", resamples: 1000, seed: 1 });
  const rows = (of: number) => labels.flatMap((label, row) => label === of ? [row] : []);
  const share = (scores: readonly number[], row: number, others: readonly number[]) =>
    others.filter((other) => scores[row] > scores[other]).length / others.length;
  const spread = (of: number) => {
    const gaps = rows(of).map((row) => share(a, row, rows(1 - of)) - share(b, row, rows(1 - of)));
    const middle = gaps.reduce((sum, gap) => sum + gap) / gaps.length;
    return gaps.reduce((sum, gap) => sum + (gap - middle) ** 2, 0) / (gaps.length - 1) / gaps.length;
  };
  const wanted = Math.sqrt(spread(1) + spread(0));
  assertAlmostEquals(found.a.sd, wanted, 0.1 * wanted);
});

Deno.test("censusRun() keeps what a run has drawn and found, as JSON", async () => {
  const tools = { engine: reference(), seed: 3, budget: { smoke: true }, data: undefined };
  const found = await censusRun({ group: 1, setting: { stage: "search", method: "omoe", trial: 0 } }, tools);
  assertEquals(JSON.parse(JSON.stringify(found)), found);
  assertEquals(found.drawn, trialOf("omoe", 0));
  assertEquals(Object.keys(found.test!), ["income", "marital"]);
  const { features, train, test } = await census({ folder: "examples/sample", verify: false });
  const spec = censusModel("omoe", trialOf("omoe", 0), features, Object.keys(train.labels!));
  const model = await compile(spec, { engine: reference(), seed: 3 });
  assertEquals(found.parameters, layoutIn(model).size);
  assert((await evaluate(model, test)).metrics.income.auc !== (found.test as Record<string, number>).income);
  model.dispose();
});

Deno.test("tableAucs has the paper's claims", () => {
  for (const [name, aucs] of Object.entries(tableAucs)) {
    const best = Object.entries(aucs).sort(([, a], [, b]) => b.main.best - a.main.best);
    assertEquals(best[0][0], "mmoe", name);
    assertEquals(best.at(-1)![0], "tensor-factorisation", name);
    assertEquals(Object.keys(aucs), [...methods], name);
  }
});

/** Returns the number of jobs of each stage. */
function stages(jobs: readonly Job[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { setting } of jobs) counts[setting.stage] = (counts[setting.stage] ?? 0) + 1;
  return counts;
}

/** Returns a possible result of a job: the trial whose number is that of its method is the best. */
function invented(job: Job, main: string): Result {
  const { stage, method, trial } = job.setting;
  const score = 0.9 - Math.abs(Number(trial ?? 0) - methods.indexOf(method as Method)) / 100 + job.run / 1000;
  const aucs = { [main]: score, marital: 0.99 };
  const gaps = Object.fromEntries(
    [...methods, "logistic"].map((method) => [method, { difference: 0.01, sd: 0.02, low: -0.03, high: 0.05 }]),
  );
  const found: Result["found"] = stage === "bootstrap"
    ? { [main]: gaps, marital: gaps }
    : { drawn: { rate: 0.0125 }, validation: aucs, test: aucs, epochs: 2, parameters: 10 };
  return { ...job, seed: 0, engine: "reference", seconds: 1, found };
}

function result(setting: Result["setting"], run: number, found: Result["found"]): Result {
  return { study: "table1", setting, run, seed: 0, engine: "reference", seconds: 1, found };
}
