import { assert, assertEquals } from "@std/assert";
import { type Progress, train } from "../mod.ts";
import { byChanges } from "../lib/train/changes.ts";
import { trainBy } from "../lib/train/train.ts";
import { bitsOf, dataOf, type Kinds, kinds, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

/** A run of some kinds; `stops` are the steps after which it is left, to go on with a new model. */
async function ran(
  given: Kinds,
  folder?: string,
  stops: readonly number[] = [],
  form = byChanges,
): Promise<[Progress[], string]> {
  const seen: Progress[] = [];
  const options = {
    ...optionsOf(given),
    ...folder !== undefined && { checkpoint: { folder, every: { steps: 1 }, keep: 2 }, resume: folder },
  };
  for (const stop of [...stops, Infinity]) {
    const model = await modelOf(given);
    for await (const at of trainBy(model, await dataOf(given), options, form)) {
      seen.push(at);
      if (at.step >= stop) break;
    }
    if (stop === Infinity) {
      const bits = await bitsOf(model);
      model.dispose();
      return [seen.map(({ rate: _, seconds: _seconds, ...record }) => record as Progress), bits];
    }
    model.dispose();
  }
  throw new Error("unreachable");
}

const usual: Kinds = {
  engine: "reference",
  table: "noisy",
  data: "rows",
  optimiser: "adam",
  vectors: "rowwiseAdagrad",
  weighting: "none",
  validation: "stopping",
  shuffle: true,
  steps: "plain",
};

/** Kinds in which each one is there at least once, with others beside it. */
const table = Object.entries(kinds).flatMap(([name, all]) =>
  all.map((one, at): Kinds => ({
    ...usual,
    table: at % 2 === 0 ? "embedded" : "noisy",
    data: ["csv", "rows", "function", "dataset"][at % 4],
    [name]: one,
    ...(name === "vectors" || name === "steps") && { table: "embedded" },
  }))
);

for (const [at, given] of table.entries()) {
  const name = Object.values(given).join(", ");
  Deno.test(`a training that is left and goes on gives the same bits and records: ${name}`, async () => {
    const whole = await ran(given);
    const stops = [[1, 9, 20], [3, 10], [8, 9, 10, 18]][at % 3];
    const [records, bits] = await withTemp((dir) => ran(given, `${dir}/run`, stops));
    assertEquals(records, whole[0]);
    assertEquals(bits, whole[1]);
    if (given.table !== "embedded") return;
    const form = { share: 10, least: 0, most: 4 }; // all by changes, but every fifth
    assertEquals(await withTemp((dir) => ran(given, `${dir}/run`, stops, form)), whole);
  });
}

Deno.test("a training that goes on counts the seconds of its steps before", async () => {
  await withTemp(async (dir) => {
    const options = { ...optionsOf(usual), checkpoint: { folder: `${dir}/run`, every: { steps: 1 } } };
    const model = await modelOf(usual);
    const data = await dataOf(usual);
    const { now } = performance;
    let time = 0;
    performance.now = () => time += 1000; // each look at the clock takes a second
    try {
      let last: Progress | undefined;
      for await (const at of train(model, data, options)) if ((last = at).step === 3) break;
      const again = await modelOf(usual);
      const first = (await train(again, data, { ...options, resume: `${dir}/run` }).next()).value as Progress;
      assert(last!.seconds! >= 3 && first.seconds! > last!.seconds!, `${first.seconds} after ${last!.seconds}`);
      again.dispose();
    } finally {
      performance.now = now;
      model.dispose();
    }
  });
});
