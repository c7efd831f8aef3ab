import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { labelCorrelation, labelMoments, synthetic } from "../lib/datasets/synthetic.ts";
import { figure2Points } from "../examples/paper/printed.ts";
import type { Rows } from "../lib/data/rows.ts";

for (const [p, wanted] of figure2Points) {
  Deno.test(`synthetic() has the label correlation of Figure 2 and of the closed form at p = ${p}`, () => {
    const trials = 10, rows = 10_000;
    let sum = 0;
    for (let seed = 0; seed < trials; seed++) {
      const { labels } = synthetic({ correlation: p, rows, seed: `${seed}`, width: 4 });
      sum += pearson(labels!.first, labels!.second);
    }
    const found = sum / trials;
    const closed = labelCorrelation(p);
    near(found, wanted, 0.03);
    near(closed, wanted, 0.03);
    near(found, closed, 5 * (1 - closed ** 2 + 1e-3) / Math.sqrt(trials * rows));
  });
}

Deno.test("synthetic() has the label correlation of the closed form at the paper's width and for other options", () => {
  const rows = 20_000;
  const cases = [
    {},
    { frequencies: [1], phases: [0.7], scale: 1.3, noise: 0.5 },
    { frequencies: [0.5, 2], phases: [-1, 2], scale: 0.8, noise: 0 },
    { frequencies: [], scale: 2, noise: 1 },
  ];
  for (const options of cases) {
    for (const correlation of [0.7, -0.6]) {
      const { labels } = synthetic({ ...options, correlation, rows, seed: 3 });
      near(pearson(labels!.first, labels!.second), labelCorrelation(correlation, options), 5 / Math.sqrt(rows));
    }
  }
});

Deno.test("labelCorrelation() without sines is p times the share of the signal", () => {
  for (const p of [-1, -0.3, 0, 0.5, 1]) {
    near(labelCorrelation(p, { frequencies: [], phases: [], scale: 2, noise: 1 }), p * 4 / 5, 1e-12);
  }
});

Deno.test("synthetic() gives standard normal inputs and standardised labels", () => {
  const rows = 20_000, width = 20;
  const { inputs, labels, count } = synthetic({ correlation: 0.5, rows, seed: 1, width });
  assertEquals([count, inputs.input.length], [rows, rows * width]);
  const moments = (numbers: ArrayLike<number>) => [mean(numbers), mean(numbers, mean(numbers)) ** 0.5];
  const [mx, sx] = moments(inputs.input);
  near(mx, 0, 5 / Math.sqrt(rows * width));
  near(sx, 1, 5 / Math.sqrt(2 * rows * width));
  for (const label of [labels!.first, labels!.second]) {
    const [m, s] = moments(label);
    near(m, 0, 5 / Math.sqrt(rows));
    near(s, 1, 5 / Math.sqrt(rows));
  }
});

Deno.test("synthetic() follows equations 2 to 4: labels are a function of the two products and the noise", () => {
  const options = { correlation: 0.6, rows: 400, seed: 5, width: 10, noise: 0, standardise: false, scale: 0.1 };
  const flat = synthetic({ ...options, frequencies: [], phases: [] });
  const curved = synthetic({ ...options, frequencies: [3, 6], phases: [1.5, 3] });
  for (const task of ["first", "second"] as const) {
    for (let row = 0; row < 400; row++) {
      const u = flat.labels![task][row];
      near(curved.labels![task][row], u + Math.sin(3 * u + 1.5) + Math.sin(6 * u + 3), 1e-6);
    }
    near(Math.hypot(...solve(flat, task, 10)), 0.1, 1e-4);
  }
  const [w1, w2] = [solve(flat, "first", 10), solve(flat, "second", 10)];
  near(w1.reduce((sum, number, i) => sum + number * w2[i], 0) / 0.01, 0.6, 1e-3);
});

Deno.test("synthetic() standardises by the closed form: the same line for all rows", () => {
  const options = { correlation: 0.2, rows: 50, seed: "a", width: 5 };
  const raw = synthetic({ ...options, standardise: false });
  const standardised = synthetic(options);
  const { mean: m, deviation } = labelMoments();
  for (let row = 0; row < 50; row++) {
    near(standardised.labels!.second[row], (raw.labels!.second[row] - m) / deviation, 1e-5);
  }
});

Deno.test("synthetic() draws the same first rows whatever their number, and other rows for another part", () => {
  const draw = (rows: number, part?: string) => synthetic({ correlation: 0.9, rows, seed: 2, width: 7, part });
  const few = draw(10), many = draw(30);
  assertEquals(many.inputs.input.slice(0, 70), few.inputs.input);
  assertEquals(many.labels!.first.slice(0, 10), few.labels!.first);
  assertEquals(draw(10), few);
  assertNotEquals(draw(10, "test").inputs, few.inputs);
  assertEquals(draw(0).count, 0);
});

Deno.test("synthetic() draws other rows of the same two tasks for another part", () => {
  const options = { correlation: 0.3, rows: 60, seed: 8, width: 6, noise: 0, standardise: false, frequencies: [] };
  const [train, test] = [synthetic(options), synthetic({ ...options, part: "test" })];
  solve(train, "second", 6).forEach((weight, i) => near(weight, solve(test, "second", 6)[i], 1e-4));
});

Deno.test("synthetic() refuses options out of range, each with its name", () => {
  const right = { correlation: 0.5, rows: 2, seed: 1 };
  const cases: [Record<string, unknown>, string][] = [
    [{ correlation: 1.1 }, "at correlation: found 1.1, wanted a number from -1 to 1"],
    [{ correlation: NaN }, "at correlation: found NaN, wanted a number from -1 to 1"],
    [{ rows: 1.5 }, "at rows: found 1.5, wanted an integer of at least 0"],
    [{ rows: -1 }, "at rows: found -1, wanted an integer of at least 0"],
    [{ width: 1 }, "at width: found 1, wanted an integer of at least 2"],
    [{ scale: 0 }, "at scale: found 0, wanted a number greater than 0"],
    [{ noise: -0.1 }, "at noise: found -0.1, wanted a number of at least 0"],
    [{ phases: [1] }, "at phases: found 1, wanted one for each of the 5 frequencies"],
    [{ frequencies: [1, NaN] }, "at frequencies[1]: found NaN, wanted a number"],
  ];
  for (const [change, message] of cases) {
    const error = assertThrows(() => synthetic({ ...right, ...change }), RangeError);
    assertEquals(error.message, `Cannot draw synthetic rows\n  ${message}`);
  }
  assertThrows(() => labelCorrelation(2), RangeError, "Cannot find the label correlation\n  at correlation: found 2");
});

/** The weights `[width]` of a noiseless linear task, by least squares (Gauss-Jordan on the normal equations). */
function solve(rows: Rows, task: string, width: number): number[] {
  const x = rows.inputs.input, y = rows.labels![task];
  const system = Array.from({ length: width }, () => new Float64Array(width + 1));
  for (let row = 0; row < rows.count; row++) {
    for (let i = 0; i < width; i++) {
      const xi = x[row * width + i];
      for (let j = 0; j < width; j++) system[i][j] += xi * x[row * width + j];
      system[i][width] += xi * y[row];
    }
  }
  for (let i = 0; i < width; i++) {
    const pivot = system[i][i];
    system[i] = system[i].map((number) => number / pivot);
    for (let k = 0; k < width; k++) {
      if (k === i) continue;
      const factor = system[k][i];
      system[k] = system[k].map((number, j) => number - factor * system[i][j]);
    }
  }
  return system.map((line) => line[width]);
}

/** The mean of numbers, or of their squared distances from a centre. */
function mean(numbers: ArrayLike<number>, centre?: number): number {
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) sum += centre === undefined ? numbers[i] : (numbers[i] - centre) ** 2;
  return sum / numbers.length;
}

function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const mx = mean(x), my = mean(y);
  let product = 0;
  for (let i = 0; i < x.length; i++) product += (x[i] - mx) * (y[i] - my);
  return product / x.length / Math.sqrt(mean(x, mx) * mean(y, my));
}

function near(found: number, wanted: number, within: number): void {
  assert(Math.abs(found - wanted) <= within, `found ${found}, wanted ${wanted} within ${within}`);
}
