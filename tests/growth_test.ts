import { cpuUsage } from "node:process";
import { assert } from "@std/assert";
import { bank, binary, category, cross, define, dense, describe, encode, fit, hashed, issuesOf } from "../mod.ts";
import {
  type Features,
  level,
  mix,
  mmoe,
  numeric,
  pipe,
  readCsv,
  relu,
  sgd,
  sharedBottom,
  type Spec,
  streamCsv,
  upgrad,
} from "../mod.ts";
import { random } from "../lib/datasets.ts";
import { encodingOf } from "../lib/features/encoding.ts";
import { type Graph, openStep, plan } from "../lib/graph.ts";
import { type Shape, sizeOf, withBatch } from "../lib/ops/shape.ts";
import { weighted } from "../lib/train/weighted.ts";
import { dot } from "../lib/weighting/quadratic.ts";
import { decodeWords, encodeWords } from "../lib/formats/words.ts";
import { joined } from "./archives.ts";

const few = define({ input: 2, tasks: { click: binary() } });
const net = few.tasks.click.tower;
const names = (letter: string, count: number) => Array.from({ length: count }, (_, at) => `${letter}${at}`);
const record = <T>(letter: string, count: number, of: T) =>
  Object.fromEntries(names(letter, count).map((name) => [name, of]));
const banks = (count: number, more: object = {}) => record("b", count, { reads: "input", count: 1, net, ...more });
const gate = { reads: "input", gate: null, mix: ["b0"] };
const levels = (...levels: object[]) => JSON.parse(JSON.stringify({ ...few, levels }));
const words = (count: number) => Array.from({ length: count }, (_, at) => `numbered word ${at}`);
const features = (count: number) => record("f", count, { kind: "numeric", transform: "none", mean: 0, scale: 1 });
const many = define({
  input: 2,
  levels: [level({ shared: bank(2, dense(1)) }, { shared: mix("shared", dense(2)) })],
  tasks: record("task", 2, binary()),
});
const manyTasks = (count: number): Spec => ({ ...many, tasks: record("t", count, many.tasks.task0) });

/** Work on an input of some size, which takes time in proportion to it. */
const works: Readonly<Record<string, readonly [size: number, prepare: (size: number) => () => unknown]>> = {
  "gates that mix unknown banks": [100, (size) => {
    const gates = record("g", size / 10, { ...gate, mix: names("c", 50) });
    const spec = levels({ experts: banks(size * 5), gates });
    return () => issuesOf(spec);
  }],
  "banks that are tied to unknown ones": [1000, (size) => {
    const spec = levels({ experts: banks(size, { ties: "other" }), gates: { shared: gate } });
    return () => issuesOf(spec);
  }],
  "readers of unknown streams over many levels": [500, (size) => {
    const spec = levels(...names("l", size).map(() => ({ experts: banks(1, { reads: "nothing" }), gates: {} })));
    return () => issuesOf(spec);
  }],
  "gates over banks with losses": [300, (size) => {
    const gates = record("g", size / 10, { ...gate, mix: names("b", 30) });
    const wide = record("w", 3, { ...gate, mix: names("b", size) });
    const spec = levels({ experts: banks(size), gates: { ...gates, ...wide } });
    return () => issuesOf(spec);
  }],
  "levels that nothing reads": [1000, (size) => {
    const spec = levels(...names("l", size).map(() => ({ experts: banks(1), gates: { stray: gate } })));
    return () => issuesOf(spec);
  }],
  "tasks that are made of unknown ones": [1000, (size) => {
    const spec = { ...few, tasks: record("t", size, { ...few.tasks.click, of: ["other"] }) };
    return () => issuesOf(JSON.parse(JSON.stringify(spec)));
  }],
  "streams of unknown features": [300, (size) => {
    const spec = {
      ...few,
      input: { features: features(size) },
      streams: record("s", size, ["something quite unknown"]),
    };
    return () => issuesOf(JSON.parse(JSON.stringify(spec)));
  }],
  "streams of many features": [300, (size) => {
    const streams = Object.fromEntries(names("s", size).map((name, at) => [name, [`f${at}`]]));
    const spec = { ...few, input: { features: features(size) }, streams };
    return () => issuesOf(JSON.parse(JSON.stringify(spec)));
  }],
  "keys that are unknown": [2000, (size) => {
    const spec = { ...few, ...record("k", size, 1) };
    return () => issuesOf(spec);
  }],
  "ops that are unknown": [2000, (size) => {
    const tower = { ...net, nodes: names("o", size).map((op) => ({ op, of: [], attrs: {} })) };
    const spec = { ...few, tasks: { click: { ...few.tasks.click, tower } } };
    return () => issuesOf(spec);
  }],
  "a description of many tasks": [25, (size) => {
    const spec = JSON.parse(JSON.stringify(manyTasks(size)));
    return () => describe(spec);
  }],
  "a CSV file of many columns": [3000, (size) => {
    const file = `${words(size).join()}\n${words(size).join()}\n`;
    const columns = Object.fromEntries(words(size).map((word) => [word, "text"] as const));
    return () => readCsv(new Blob([file]).stream(), { columns, rows: 1 } as never);
  }],
  "a CSV file of quotes that are not closed, whose rows are skipped": [1000, (size) => {
    const file = `a,b\n${'1,"x\n2,y\n'.repeat(size)}`;
    const options = { columns: { a: "number" }, malformed: () => {}, mostMalformed: size } as const;
    return () => readCsv(new Blob([file]).stream(), options);
  }],
  "a CSV file of one quote that is not closed, and many that are": [3000, (size) => {
    const file = `a,b\n1,"x\n${'2,"y"\n'.repeat(size)}`;
    return () => readCsv(new Blob([file]).stream(), { columns: { a: "number" }, malformed: () => {} });
  }],
  "large whole numbers, fitted": [20_000, (size) => {
    const x = Float64Array.from({ length: size }, (_, at) => 2 ** 24 * (1 + at * 7919 % size));
    return () => fit({ x: numeric() }, { x });
  }],
  "the mark of many features and words": [1000, (size) => {
    const many = Object.fromEntries(names("f", size).map((name) => [name, { kind: "category", words: words(20) }]));
    const one = { f: { kind: "category", words: words(20 * size) } } as const;
    return () => [encodingOf(many as Features), encodingOf(one)];
  }],
  "a large vocabulary, written, read and checked": [8000, (size) => {
    const list = words(size).sort();
    const spec = define({ input: fit({ u: category() }, { u: list }), tasks: { click: binary() } });
    const json = JSON.parse(JSON.stringify(spec));
    return () => {
      json.input.features.u.words = decodeWords(joined(...encodeWords({ u: list })()), "words").get("u");
      return issuesOf(json);
    };
  }],
  "distinct words and rows, fitted and encoded by every kind of codes": [4000, (size) => {
    const rows = { u: words(size), v: words(size).reverse(), x: Float64Array.from({ length: size }, (_, at) => at) };
    const kinds = {
      u: category({ most: size / 2, unknowns: 9 }),
      v: hashed(1000),
      x: numeric({ quantiles: size / 2 }),
      both: cross(["u", "v"], { buckets: 1000 }),
    };
    return () => encode(fit(kinds, rows), rows);
  }],
  "a stream of distinct words, hashed and crossed piece by piece": [8000, (size) => {
    const file = `u,v\n${words(size).map((word) => `${word},${word}`).join("\n")}\n`;
    const fitted = fit({ u: hashed(99), both: cross(["u", "v"], { buckets: 99 }) }, { u: ["a"], v: ["b"] });
    return async () => {
      const pieces = streamCsv(new Blob([file]).stream(), { columns: { u: "text", v: "text" }, rows: 64 });
      for await (const table of pieces) encode(fitted, table);
    };
  }],
  "a stream of distinct words, fitted piece by piece by every kind of words": [8000, (size) => {
    const file = `u,v\n${words(size).map((word) => `${word},${word}`).join("\n")}\n`;
    const kinds = { u: category({ most: size / 2 }), v: hashed(99), both: cross(["u", "v"], { buckets: 99 }) };
    return () => fit(kinds, streamCsv(new Blob([file]).stream(), { columns: { u: "text", v: "text" }, rows: 64 }));
  }],
  "a stream of distinct words, encoded piece by piece": [8000, (size) => {
    const file = `u\n${words(size).join("\n")}\n`;
    const fitted = fit({ u: category() }, { u: words(size) });
    return async () => {
      const pieces = streamCsv(new Blob([file]).stream(), { columns: { u: "text" }, rows: 64 });
      for await (const table of pieces) encode(fitted, table);
    };
  }],
};

Deno.test("encode() of one row costs the same whatever the number of words", async () => {
  for (const kind of [category(), category({ unknowns: 5 }), hashed(1000)]) {
    const encoding = (size: number) => {
      const fitted = fit({ u: kind }, { u: words(size) });
      return () => {
        for (let times = 0; times < 100; times++) encode(fitted, { u: ["numbered word 7"] });
      };
    };
    const [few, many] = await fastest(encoding(100), encoding(100_000));
    assert(many < 1 + 10 * few, `${few.toFixed(2)} ms, and ${many.toFixed(2)} ms for 1,000 times as many words`);
  }
});

for (const [what, [size, prepare]] of Object.entries(works)) {
  Deno.test(`time grows no faster than the input: ${what}`, async () => {
    const [short, long] = [prepare(size), prepare(8 * size)];
    const eight = async () => {
      for (let times = 0; times < 8; times++) await short();
    };
    const [apart, atOnce] = await fastest(eight, long); // as much work, so that what slows one down slows the other too
    assert(
      atOnce < 1 + 3.5 * apart,
      `${apart.toFixed(2)} ms for 8 inputs, and ${atOnce.toFixed(2)} ms for one as large`,
    );
  });
}

Deno.test("upgrad() projects gradients that all conflict in the time of a few products of matrices for each", async () => {
  const conflicting = (tasks: number) => {
    const source = random("conflict");
    const gradients = Array.from({ length: tasks }, () => Array.from({ length: 200 }, () => source.normal()));
    const mean = gradients[0].map((_, at) => gradients.reduce((sum, gradient) => sum + gradient[at], 0) / tasks);
    const apart = gradients.map((gradient) => gradient.map((number, at) => number - mean[at])); // they add up to 0
    return apart.map((a) => apart.map((b) => a.reduce((sum, number, at) => sum + number * b[at], 0)));
  };
  const [few, many] = [conflicting(50), conflicting(100)];
  const product = (a: number[][]) => a.map((row) => a.map((other) => dot(row, other))); // it is symmetric
  const [short, long] = [few, many].map((products) => () => upgrad().gradients!(products, random("order")));
  const [half, whole, products] = await fastest(short, long, () => many.map(() => product(many)));
  assert(whole < 1 + 20 * half, `${half} ms for 50 tasks, and ${whole} ms for 100`);
  assert(whole < 20 * products, `${whole} ms for 100 tasks, and ${products} ms for as many products`);
});

Deno.test("a step with gradients by task takes work in proportion to the tasks, whatever they have of their own", () => {
  for (const tower of [dense(16), undefined]) {
    for (const preset of [mmoe, sharedBottom]) {
      const work = [8, 64].map((count) => {
        const tasks = Object.fromEntries(Array.from({ length: count }, (_, at) => [`t${at}`, binary(tower)]));
        const planned = plan(define(preset({ input: 4, expert: pipe(dense(8), relu, dense(8)), tasks })));
        return workOf(openStep(planned, sgd(0.1), weighted(planned)!).gradients);
      });
      assert(work[1] < 9 * work[0], `${work[1]} for 8 times the tasks of ${work[0]}`);
    }
  }
});

/** The elements that nodes make, and the multiply-adds of products, for 64 rows; without the products of gradients. */
function workOf({ nodes, outputs }: Graph): number {
  const size = (shape: Shape) => sizeOf(withBatch(shape, 64));
  const last = [outputs.products, ...nodes[outputs.products].of];
  return nodes.reduce((all, { op, of, shape }, at) => {
    const each = op === "matmul" ? size(nodes[of[0]].shape.slice(-1)) : 1;
    return last.includes(at) ? all : all + each * size(shape);
  }, 0);
}

/**
 * Returns the least milliseconds of the processor that each work takes of several times, in which they take turns: other
 * programs take time from all of them, which does not count.
 */
async function fastest(...works: readonly (() => unknown)[]): Promise<number[]> {
  const least = works.map(() => Infinity);
  for (let times = 0; times < 4; times++) {
    for (const [at, work] of works.entries()) {
      const before = cpuUsage();
      await work();
      const { user, system } = cpuUsage(before);
      least[at] = Math.min(least[at], (user + system) / 1000);
    }
  }
  return least;
}
