import { assert, assertAlmostEquals, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { random } from "../lib/datasets.ts";
import { type Cell, claimsOf, type Losses, tested } from "../examples/paper/claims.ts";
import { figure5Losses, tableAucs } from "../examples/paper/printed.ts";
import { reportOf } from "../examples/paper/report.ts";
import { bootstrap, levelOf, together, verdictOf } from "../examples/paper/statistics.ts";
import { studies } from "../examples/paper/studies.ts";
import { type Budget, type Result, resultsOf } from "../examples/paper/study.ts";
import { tableVerdicts } from "../examples/paper/table_claims.ts";
import { differences } from "../examples/paper/page/differences.ts";
import { cell, finals, type Known, lossesOf, picked, readings } from "../examples/paper/page/known.ts";
import { madeUp } from "./paper_made_up.ts";

const whole: Budget = { smoke: false };

/** Losses of a normal distribution in every cell, in place of runs. */
function normals(of: (cell: Cell) => { readonly mean: number; readonly sd: number }, runs = 600): Losses {
  return (cell) => {
    const { normal } = random(JSON.stringify(cell));
    const { mean, sd } = of(cell);
    return Array.from({ length: runs }, () => mean + sd * normal());
  };
}

function verdicts(losses: Losses): Record<string, string> {
  return Object.fromEntries(claimsOf().map((claim) => [claim.name, tested(claim, losses, 400).verdict]));
}

Deno.test("tested() finds what is true of many made-up runs", () => {
  // As in the paper, whose lowest losses are comparable: the more a model varies, the larger is its mean.
  const lowest = ({ model, correlation }: Cell) => {
    const gap = { "shared-bottom": 0.06, omoe: 0.07, mmoe: 0.01 }[model] * (1 - correlation) * 2;
    const base = { "shared-bottom": 0.2, omoe: 0.079, mmoe: 0.072 }[model];
    return { mean: base + gap, sd: (base + gap - 0.03) / 1.2816 };
  };
  const all = { "1": "holds", "2a": "holds", "2b": "holds", "3": "holds", "4": "holds", "5": "holds" };
  assertEquals(verdicts(normals(lowest)), all);

  // The claims turned round: better at lower correlation, Shared-Bottom best and steadiest, its lowest far away.
  const turned = ({ model, correlation }: Cell) => ({
    mean: { "shared-bottom": 0.1, omoe: 0.3, mmoe: 0.6 }[model] + 0.2 * correlation * (model === "mmoe" ? 3 : 1),
    sd: model === "shared-bottom" ? 0.02 : 0.04,
  });
  assertEquals(new Set(Object.values(verdicts(normals(turned)))), new Set(["does not hold"]));
});

Deno.test("tested() is undecided where all models are alike, and where runs are few", () => {
  const alike = verdicts(normals(() => ({ mean: 0.1, sd: 0.05 }), 30));
  assertEquals([alike["1"], alike["2a"], alike["3"]], ["undecided", "undecided", "undecided"]);
  assertEquals(alike["4"], "does not hold"); // a variance as large is not twice as large
  for (const claim of claimsOf()) {
    const found = tested(claim, () => [0.1, 0.2]);
    assertEquals([found.verdict, found.runs[1]], ["undecided", 2]);
    assert(found.parts.every(({ estimate }) => estimate === undefined));
  }
});

Deno.test("claimsOf() has the paper's own differences", () => {
  const part = (name: string, what: string) =>
    claimsOf().find((claim) => claim.name === name)!.parts.find((part) => part.what === what)!.paper!;
  assertAlmostEquals(part("1", "OMoE"), 0.147 - 0.079, 1e-12);
  assertAlmostEquals(part("3", "MMoE, p = 0.9"), 0.222 - 0.082, 1e-12);
  assertAlmostEquals(part("2a", "half of Shared-Bottom's gap less MMoE's"), 0.028 - 0.010, 1e-12);
  assertAlmostEquals(
    part("4", "over MMoE's"),
    (0.168 ** 2 + 0.136 ** 2 + 0.145 ** 2) / (0.074 ** 2 + 0.083 ** 2 + 0.06 ** 2),
    1e-12,
  );
});

Deno.test("bootstrap() gives about the interval of the normal distribution for means", () => {
  const { normal } = random("bootstrap");
  const [a, b] = [0, 1].map((middle) => Array.from({ length: 400 }, () => middle + normal()));
  const mean = (of: readonly number[]) => of.reduce((sum, each) => sum + each, 0) / of.length;
  const { value, low, high } = bootstrap([a, b], ([x, y]) => mean(y) - mean(x), { level: 0.95, seed: "test" });
  assertAlmostEquals(value, mean(b) - mean(a), 1e-12);
  assertAlmostEquals(high - low, 2 * 1.96 * Math.sqrt(2 / 400), 0.02);
  assertAlmostEquals((high + low) / 2, value, 0.01);
});

Deno.test("bootstrap() holds the true difference of skewed losses about as often as it says", () => {
  const mean = (of: readonly number[]) => of.reduce((sum, each) => sum + each, 0) / of.length;
  let held = 0;
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    const { normal } = random(`coverage:${trial}`);
    const [a, b] = [0, 1].map(() => Array.from({ length: 30 }, () => Math.exp(0.6 * normal())));
    const options = { level: 0.95, seed: `${trial}`, resamples: 300 };
    const { low, high } = bootstrap([a, b], ([x, y]) => mean(x) - mean(y), options);
    if (low <= 0 && high >= 0) held++;
  }
  assertGreater(held / trials, 0.89);
});

Deno.test("verdictOf() and together() follow intervals", () => {
  assertEquals(verdictOf({ low: 1, high: 2 }, { above: 0 }), "holds");
  assertEquals(verdictOf({ low: -1, high: 2 }, { above: 0 }), "undecided");
  assertEquals(verdictOf({ low: -2, high: 0 }, { above: 0 }), "does not hold");
  assertEquals(verdictOf({ low: -0.1, high: 0.1 }, { above: -0.2, below: 0.2 }), "holds");
  assertEquals(verdictOf({ low: 0.2, high: 0.3 }, { above: -0.2, below: 0.2 }), "does not hold");
  assertEquals(verdictOf({ low: 0.1, high: 0.3 }, { above: -0.2, below: 0.2 }), "undecided");
  assertEquals(together(["holds", "holds"]), "holds");
  assertEquals(together(["holds", "undecided"]), "undecided");
  assertEquals(together(["holds", "undecided", "does not hold"]), "does not hold");
  assertEquals(together([]), "undecided");
  assertEquals(levelOf(5), 0.99);
});

Deno.test("tableVerdicts() finds the paper's differences again", () => {
  const results = madeUp(["table1", "table2"], whole);
  const found = tableVerdicts(results, whole);
  const of = (name: string) => found.find((each) => each.name === name)!;
  assertEquals(found.map(({ name, runs }) => [name, runs]), ["6a", "6b", "7", "8", "A", "B"].map((name) => [name, 10]));
  assertEquals(of("8").verdict, "holds");
  assertEquals(of("A").verdict, "holds");
  assertEquals(of("6a").verdict, "undecided"); // Cross-Stitch is ahead by 0.0002, within the interval
  const { table1, table2 } = tableAucs;
  const [income, , education] = of("7").parts;
  assertAlmostEquals(income.paper!, table1.omoe.main.mean - table1["shared-bottom"].main.mean, 1e-12);
  assertAlmostEquals(education.paper!, table2.omoe.main.mean - table2["shared-bottom"].main.mean, 1e-12);
  for (const { parts } of found) {
    for (const { what, paper, estimate } of parts) {
      assert(estimate !== undefined && estimate.low < estimate.value && estimate.value < estimate.high, what);
      if (paper !== undefined) assertAlmostEquals(estimate.value, paper, 0.0005, what);
    }
  }
  const none = tableVerdicts({}, whole);
  assert(none.every(({ verdict, runs }) => verdict === "undecided" && runs === 0));
});

Deno.test("picked() takes the rates that the search found best, and before that those with most runs", () => {
  const results = madeUp(["figure4"], whole);
  const known: Known = { results, budget: whole, machines: [] };
  assertEquals(picked(known, "figure4", "mmoe"), { rate: 0.01, searched: true });
  const some = results.figure4.filter(({ setting, run }) => setting.rate === 0.001 && run < 7);
  const early: Known = { ...known, results: { figure4: some } };
  assertEquals(picked(early, "figure4", "mmoe"), { rate: 0.001, searched: false });
  assertEquals(picked(early, "figure4", "none"), undefined);
  const losses = finals(cell(known, "figure4", "mmoe", 0.5, 0.01), "held out");
  assertEquals(losses.length, 30);
  assertLess(Math.abs(losses.reduce((sum, loss) => sum + loss, 0) / 30 - 1.1 * figure5Losses.mmoe[0.5].mean), 0.04);
});

const sections = [
  ...["verdicts", "figure2", "figure3", "figure4", "figure5", "table1", "table2", "figure6", "sensitivity", "recipe"],
];

Deno.test("reportOf() has every section, stands alone, and says what is missing", async () => {
  const all = madeUp(Object.keys(studies), { smoke: true });
  const partial: Record<string, readonly Result[]> = {
    figure2: all.figure2.slice(0, 3),
    figure4: all.figure4.filter(({ setting }) => setting.model !== "omoe").slice(0, 5),
    table1: all.table1.slice(0, 4),
    sensitivity: all.sensitivity.slice(0, 3),
    figure6: resultsOf(all.figure6, "figure6", { data: "census", model: "mmoe" }),
  };
  const budget = { smoke: true };
  for (const results of [all, partial, {}]) {
    const files = await reportOf({ results, budget, machines: ["A processor, <2 threads>"] });
    const page = files["index.html"];
    for (const id of sections) {
      assertEquals(page.split(`<section id="${id}">`).length, 2, id);
      assert(page.includes(`href="#${id}"`), id);
    }
    for (const [name, text] of Object.entries(files)) {
      wellFormed(text, name);
      standsAlone(text, name);
      assertEquals(
        />[^<]*\b(?:NaN|undefined|null|Infinity|\[object)\b[^<]*</.exec(text.replace(/<style>[^]*?<\/style>/g, ""))
          ?.[0],
        undefined,
        name,
      );
      assertEquals(/"[^"]*\b(?:NaN|undefined)\b[^"]*"/.exec(text)?.[0], undefined, name);
    }
    assertEquals(page.includes("Not all runs are there yet"), results !== all);
    assert(page.includes("A processor, &lt;2 threads&gt;"));
    assert(page.includes("13,056"), "the count of section 5.1");
    assertLess(page.length, 600_000);
  }
  const page = (await reportOf({ results: {}, budget, machines: [] }))["index.html"];
  assertEquals(page.split("no runs</span>").length - 1, 2 * 6 + 6 + 6);
});

Deno.test("differences() states what is in the runs, and nothing before they are there", () => {
  const results: Record<string, readonly Result[]> = {
    figure4: madeUp(["figure4"], whole).figure4.map((result) => {
      const { model, rate } = result.setting;
      const final = rate === 0.0001 ? 0.7 : rate === 0.001 ? 0.09 : model !== "shared-bottom" ? 0.1 : 0.31;
      const near = final + 0.001 * (result.run % 10);
      return { ...result, found: { ...result.found, last: [near, near], held: [near, near] } };
    }),
  };
  const known: Known = { results, budget: whole, machines: [] };
  const test = (kind: Known) =>
    readings(kind).map(({ rateOf }) =>
      claimsOf().map((claim) => tested(claim, lossesOf(kind, rateOf, "training"), 200))
    );
  const text = differences(known, test(known));
  assertStringIncludes(text, "about equally good");
  assertStringIncludes(text, "at learning rate 0.01: 90 of 90 of Shared-Bottom, 0 of 90 of OMoE and 0 of 90 of MMoE");
  assertStringIncludes(text, "At the best rates: 0 of 90 of Shared-Bottom");
  assertStringIncludes(text, "claim 3 holds on the training loss there");
  const some: Known = {
    ...known,
    results: { figure4: results.figure4.filter(({ setting }) => setting.model !== "omoe") },
  };
  assertEquals(differences(some, test(some)), "");
  const good: Known = { ...known, results: madeUp(["figure4"], whole) }; // the paper's own losses, at one rate
  assert(!differences(good, test(good)).includes("get stuck, that"));
});

/** Every element is closed, in order. */
function wellFormed(text: string, name: string): void {
  const open: string[] = [];
  const empty = ["meta", "br", "!doctype"];
  for (
    const [, close, tag, self] of text.replace(/<style>[^]*?<\/style>/g, "").matchAll(
      /<(\/?)([!\w-]+)(?:\s[^<>]*?)?(\/?)>/g,
    )
  ) {
    if (self === "/" || empty.includes(tag)) continue;
    if (close === "") open.push(tag);
    else assertEquals(open.pop(), tag, name);
  }
  assertEquals(open, [], name);
}

/** Nothing is loaded from anywhere; only links lead away. */
function standsAlone(text: string, name: string): void {
  const wrong = /<(?:script|link|iframe|image|img|object|embed|use)\b|@import|url\(\s*["']?(?!#)|\bsrc=|xlink:href/
    .exec(text);
  assertEquals(wrong?.[0], undefined, name);
  const addresses = [...text.matchAll(/https?:\/\/[^"'\s<]+/g)].map(([address]) => address);
  const known = ["https://doi.org/10.1145/3219819.3220007", "http://www.w3.org/2000/svg"];
  assertEquals(addresses.filter((address) => !known.includes(address)), [], name);
}
