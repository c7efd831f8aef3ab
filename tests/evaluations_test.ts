import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { adam, evaluate, type Progress, type Rows, train, type TrainOptions } from "../mod.ts";
import { settings } from "../lib/train/settings.ts";
import { bitsOf, dataOf, type Kinds, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

const kinds: Kinds = {
  engine: "reference",
  table: "embedded",
  data: "rows",
  optimiser: "adam",
  vectors: "rowwiseAdagrad",
  weighting: "none",
  validation: "rows",
  shuffle: true,
  steps: "plain",
};
const often = { ...optionsOf(kinds), evaluate: { every: { steps: 4 } } };
const held = often.validation as Rows;

Deno.test("train() evaluates after every few steps and every epoch, once each, and learns the same all the same", async () => {
  const model = await modelOf(kinds);
  const seen: number[] = [];
  for await (const at of train(model, await dataOf(kinds), often)) {
    if (at.validation === undefined) continue;
    seen.push(at.step);
    assertEquals(at.validation, await evaluate(model, held), `${at.step}`);
  }
  assertEquals(seen, [4, 8, 9, 12, 16, 18, 20, 24, 27]); // epochs have 9 steps
  const plain = await modelOf(kinds);
  await Array.fromAsync(train(plain, await dataOf(kinds), optionsOf(kinds)));
  assertEquals(await bitsOf(model), await bitsOf(plain));
  const on = { ...often, epochs: 1, from: { epoch: 3, step: 27 } };
  const more = await Array.fromAsync(train(model, await dataOf(kinds), on));
  assertEquals(more.filter(({ validation }) => validation).map(({ step }) => step), [28, 32, 36]);
});

Deno.test("train() stops within an epoch, after as many evaluations without improvement as wanted, at the best one", async () => {
  const options: TrainOptions<"click" | "spend"> = {
    ...often,
    epochs: 30,
    optimiser: adam(0.1),
    evaluate: { every: { steps: 2 } },
    stopping: { task: "spend", patience: 3 },
  };
  const model = await modelOf(kinds);
  const records = await Array.fromAsync(train(model, await dataOf(kinds), options));
  const losses = records.flatMap(({ step, validation }) => validation ? [{ step, loss: validation.loss.spend }] : []);
  const best = losses.reduce((a, b) => b.loss < a.loss ? b : a);
  assertEquals(losses.length - 1 - losses.indexOf(best), 3);
  assertEquals(records.at(-1)!.ended, "stopped early");
  assertEquals((await evaluate(model, held)).loss.spend, best.loss);
  assert(records.at(-1)!.step % 9 !== 0, "it stops within an epoch");
});

Deno.test("an abort leaves an evaluation that was due to the training that goes on", async () => {
  const records = async (folder: string, aborted: readonly number[]): Promise<[Progress[], string]> => {
    const seen: Progress[] = [];
    for (const last of [...aborted, Infinity]) {
      const controller = new AbortController();
      const model = await modelOf({ ...kinds, validation: "often" });
      const data = await dataOf(kinds);
      const options = {
        ...optionsOf({ ...kinds, validation: "often" }),
        ...{ checkpoint: { folder, every: { seconds: 1e6 } }, resume: folder, signal: controller.signal },
        optimiser: Object.assign(adam(0.02), {
          rate: (step: number) => { // called as a step begins
            if (step === last) controller.abort();
            return 0.02;
          },
        }),
      };
      for await (const at of train(model, data, options)) seen.push(at);
      const bits = await bitsOf(model);
      if (last === Infinity) return [seen, bits];
    }
    throw new Error("unreachable");
  };
  const [whole, bits] = await withTemp((dir) => records(`${dir}/run`, []));
  const [parts, same] = await withTemp((dir) => records(`${dir}/run`, [4, 6, 8, 9]));
  const evaluations = (all: Progress[]) => all.flatMap((at) => at.validation ? [[at.step, at.validation]] : []);
  assertEquals(evaluations(parts), evaluations(whole));
  assertEquals(parts.filter(({ ended }) => ended === "aborted").map(({ step }) => step), [4, 6, 8, 9]);
  assertEquals(same, bits);
});

Deno.test("train() refuses an interval of evaluations that is none", async () => {
  const wrong = (evaluate: unknown, validation: unknown = held) =>
    settings({ evaluate, validation } as unknown as TrainOptions);
  assertThrows(() => wrong({ every: 5 }), TypeError, "Cannot train: evaluate: every must be { steps }, found 5");
  assertThrows(() => wrong({ every: { epochs: 1 } }), TypeError, "every must be { steps }");
  assertThrows(
    () => wrong({ every: { steps: 0.5 } }),
    RangeError,
    "steps must be a whole number of at least 1, found 0.5",
  );
  assertThrows(() => wrong({ each: 1 }), TypeError, "each");
  const none = () => settings({ evaluate: { every: { steps: 5 } } });
  assertThrows(none, TypeError, "Cannot train: evaluate: there are no rows to evaluate: wanted validation");
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const data = await dataOf(kinds);
    await Array.fromAsync(train(await modelOf(kinds), data, { ...often, steps: 3, checkpoint: { folder } }));
    const resumed = async (evaluate: typeof often.evaluate | undefined) =>
      await Array.fromAsync(train(await modelOf(kinds), data, { ...often, evaluate, resume: folder }));
    const found = "evaluate.every.steps: found 5, the checkpoint has 4";
    await assertRejects(() => resumed({ every: { steps: 5 } }), TypeError, found);
    await assertRejects(() => resumed(undefined), TypeError, 'evaluate: found nothing, the checkpoint has {"every"');
  });
});
