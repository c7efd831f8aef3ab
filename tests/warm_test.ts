import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { adam, encode, evict, featuresOf, fit, grow, load, type Model, type Progress, rows, train } from "../mod.ts";
import { cpu } from "../lib/engines/tfjs/tfjs.ts";
import { insidesOf } from "../lib/model/insides.ts";
import { settings } from "../lib/train/settings.ts";
import { warmed } from "../lib/train/resume.ts";
import { bitsOf, columnKinds, columnsOf, dataOf, features, type Kinds, labelsOf, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

const kinds: Kinds = {
  engine: "cpu",
  table: "embedded",
  data: "rows",
  optimiser: "adam",
  vectors: "lazyAdam",
  weighting: "uncertainty",
  validation: "none",
  shuffle: true,
  steps: "plain",
};
const options = { ...optionsOf(kinds), epochs: 1 };
const tasks = ["click", "spend"] as const;
const users = "levels/0/experts/ids/0/0/user";

/** Trains an epoch with checkpoints, and returns the model that the last of them is. */
async function begun(folder: string): Promise<Model<typeof tasks[number]>> {
  const model = await modelOf(kinds);
  await Array.fromAsync(train(model, await dataOf(kinds), { ...options, checkpoint: { folder } }));
  return await load(folder, { engine: await cpu(), tasks });
}

Deno.test("a warm start on the same data is the training that went on", async () => {
  await withTemp(async (dir) => {
    const model = await begun(`${dir}/run`);
    const records: Progress[] = await Array.fromAsync(
      train(model, await dataOf(kinds), { ...options, warm: `${dir}/run` }),
    );
    const whole = await modelOf(kinds);
    await Array.fromAsync(train(whole, await dataOf(kinds), { ...options, epochs: 2 }));
    assertEquals([records[0].epoch, records[0].step, records.length], [2, 10, 9]);
    assertEquals(await bitsOf(model), await bitsOf(whole));
  });
});

Deno.test("a model that has grown starts warm: what old words have is as it was, bit for bit, and trains as without the new", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const old = await begun(folder);
    const more = fit(columnKinds, {
      ...columnsOf("train"),
      user: columnsOf("train").user.map((user, row) => row < 5 ? `new ${row}` : user),
    }, { after: features });
    const grown = await grow(old, more);
    const states = await Promise.all(
      [old, grown].map((model) => warmed(model, folder, settings({ ...options, warm: folder }))),
    );
    const [before, now] = states.map(({ steps }) => steps.vectors.get(users)!.state);
    assertEquals(now.length, before.length + 5 * 6);
    assertEquals(now.subarray(0, before.length), before);
    assert(before.some((number) => number !== 0));
    assertEquals(now.subarray(before.length), new Float32Array(5 * 6));
    assertEquals(states[1].steps.flats, states[0].steps.flats);

    for (const model of [old, grown]) {
      const data = rows(encode(featuresOf(model.spec), columnsOf("train")), { labels: labelsOf(columnsOf("train")) });
      await Array.fromAsync(train(model, data, { ...options, warm: folder }));
    }
    const [one, other] = await Promise.all([old, grown].map((model) => model.parameters()));
    for (const [path, { data }] of Object.entries(one)) {
      assertEquals(other[path].data.slice(0, data.length), data, path);
    }
  });
});

Deno.test("the state of words that stay follows them where others were evicted", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const model = await begun(folder);
    const { user, item, x } = columnsOf("train");
    const few = evict(
      features,
      encode(features, { user: user.slice(0, 20), item: item.slice(0, 20), x: x.slice(0, 20) }),
    );
    const smaller = await grow(model, few, { evicted: true });
    const given = settings({ ...options, warm: folder });
    const [all, some] = await Promise.all([model, smaller].map((one) => warmed(one, folder, given)));
    const [before, now] = [all, some].map(({ steps }) => steps.vectors.get(users)!.state);
    const words = (features as never as Record<string, { words: string[] }>).user.words;
    const kept = (few as never as Record<string, { words: string[] }>).user.words;
    assertNotEquals(kept.length, words.length);
    const rowsOf = insidesOf(model, "test").tables.get(users)!.rows;
    const first = rowsOf - words.length; // rows of unknown words come before
    kept.forEach((word, at) => {
      const from = 6 * (first + words.indexOf(word));
      assertEquals(now.slice(6 * (first + at), 6 * (first + at + 1)), before.slice(from, from + 6), word);
    });
  });
});

Deno.test("a warm start that is left goes on by the same options, the checkpoint before the start", async () => {
  await withTemp(async (dir) => {
    const more = { ...options, checkpoint: { folder: `${dir}/next`, every: { steps: 1 } }, resume: `${dir}/next` };
    const models = [await begun(`${dir}/run`), await load(`${dir}/run`, { engine: await cpu(), tasks })];
    const warm = `${dir}/run`;
    await Array.fromAsync(train(models[0], await dataOf(kinds), { ...options, warm }));
    const seen: number[] = [];
    for await (const { step } of train(models[1], await dataOf(kinds), { ...more, warm })) {
      seen.push(step);
      if (step === 13) break;
    }
    const last = await load(`${dir}/run`, { engine: await cpu(), tasks });
    for await (const { step } of train(last, await dataOf(kinds), { ...more, warm })) seen.push(step);
    assertEquals(seen, [10, 11, 12, 13, 14, 15, 16, 17, 18]);
    assertEquals(await bitsOf(last), await bitsOf(models[0]));
  });
});

Deno.test("a warm start by other optimisers, or beside what says where to count from, is refused", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const model = await begun(folder);
    const fails = async (some: object, ...wanted: string[]) => {
      const run = async () =>
        await Array.fromAsync(train(model, await dataOf(kinds), { ...options, warm: folder, ...some }));
      const { message } = await assertRejects(run, Error);
      for (const text of wanted) assertStringIncludes(message, text);
    };
    await fails(
      { optimiser: adam(0.1, { beta1: 0.5 }) },
      "Cannot begin training warm",
      "optimiser.weightDecay: found 0",
    );
    await fails({ warm: `${dir}/none` }, `at ${dir}/none: no checkpoint found`);
    await fails({ from: { epoch: 1, step: 1 } }, "warm is given beside from");
    await fails({ warm: 7 }, "warm must be the path of a folder, found 7");
    await fails({ checkpoint: { folder } }, "up to step 9");
  });
});
