import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  adagrad,
  adam,
  compile,
  define,
  firstEpochs,
  lazyAdam,
  type Model,
  momentum,
  type Optimiser,
  reference,
  regression,
  rows,
  rowwiseAdagrad,
  sgd,
  train,
  type TrainOptions,
} from "../mod.ts";
import { plan, print, trainingStep } from "../lib/graph.ts";
import { settings } from "../lib/train/settings.ts";
import { bitsOf, dataOf, type Kinds, modelOf, optionsOf } from "./runs.ts";
import { withTemp } from "./temp.ts";

type Options = TrainOptions<"click" | "spend">;

const kinds: Kinds = {
  engine: "reference",
  table: "noisy",
  data: "rows",
  optimiser: "adam",
  vectors: "rowwiseAdagrad",
  weighting: "none",
  validation: "none",
  shuffle: true,
  steps: "plain",
};
const embedded = { ...kinds, table: "embedded" };

/** Returns a model after a training. */
async function trained(given: Kinds, more: Options): Promise<Model<"click" | "spend">> {
  const model = await modelOf(given);
  await Array.fromAsync(train(model, await dataOf(given), { ...optionsOf(given), ...more }));
  return model;
}

/** Returns the parameters whose paths are not the same, bit for bit. */
async function changed(one: Model<"click" | "spend">, other: Model<"click" | "spend">): Promise<string[]> {
  const [a, b] = [await one.parameters(), await other.parameters()];
  return Object.keys(a).filter((path) => !a[path].data.every((number, at) => Object.is(number, b[path].data[at])));
}

const same: Readonly<Record<string, () => Optimiser>> = {
  sgd: () => sgd(0.05),
  momentum: () => momentum(0.02),
  adam: () => adam((step) => 0.02 / (1 + step / 10), { weightDecay: 0.01 }),
  adagrad: () => adagrad(0.05, { weightDecay: 0.1, initial: 0.3 }),
};

for (const engine of ["reference", "cpu", "wasm", "onnx"]) {
  for (const [name, optimiser] of Object.entries(same)) {
    Deno.test(`parts with equal optimisers learn what one does, bit for bit: ${name} on ${engine}`, async () => {
      for (const table of ["noisy", "embedded"]) {
        const given = { ...kinds, engine, table };
        const last = table === "noisy" ? "levels/0" : "levels/1";
        const parts = {
          [`${last}/experts/shared/1`]: optimiser(), // in the middle of a stack
          tasks: optimiser(),
          "tasks/spend/": optimiser(),
        };
        for (const more of [{}, { accumulate: 2, average: 0.9 }]) {
          const [one, several] = await Promise.all([
            trained(given, { ...more, epochs: 1, optimiser: optimiser() }),
            trained(given, { ...more, epochs: 1, optimiser: optimiser(), parts }),
          ]);
          assertEquals(await bitsOf(several), await bitsOf(one), table);
        }
        const all = await trained(given, { epochs: 1, parts: { levels: optimiser(), tasks: optimiser() } });
        const one = await trained(given, { epochs: 1, optimiser: optimiser() });
        assertEquals(await bitsOf(all), await bitsOf(one), `${table} in parts alone`);
      }
    });
  }
}

Deno.test("a training step without parts is the one that it was, and with parts each has its own rate", () => {
  const spec = define({ input: 3, tasks: { y: regression() } });
  const planned = plan(spec);
  assertEquals(
    print(trainingStep(planned, adam(), false, undefined, {})),
    print(trainingStep(planned, adam())),
  );
  const parted = trainingStep(planned, adam(), false, undefined, { "tasks/y/head/0/bias": sgd(1) });
  const inputs = parted.nodes.flatMap(({ op, attrs }) => op === "input" ? [attrs.name] : []);
  assert(inputs.includes("parts/tasks/y/head/0/bias/rate"), inputs.join());
});

Deno.test("parts follow their own optimisers: Adam with decay and momentum, against plain loops", async () => {
  const parameters = {
    "tasks/y/head/0/kernel": { shape: [1, 1], data: Float32Array.of(0.5) },
    "tasks/y/head/0/bias": { shape: [1], data: Float32Array.of(-0.25) },
  };
  const model = await compile(define({ input: 1, tasks: { y: regression() } }), { engine: reference(), parameters });
  const options = {
    steps: 5,
    optimiser: adam(0.1, { weightDecay: 0.5, clipNorm: 2 }),
    parts: { "tasks/y/head/0/bias": momentum(0.01, 0.5) },
  };
  await Array.fromAsync(train(model, rows([[2]], { labels: { y: [3] } }), options));
  let [kernel, bias, mean, square, velocity] = [0.5, -0.25, 0, 0, 0];
  for (let step = 1; step <= 5; step++) {
    const slope = 2 * (2 * kernel + bias - 3);
    const norm = Math.hypot(2 * slope, slope);
    const [ofKernel, ofBias] = [2 * slope, slope].map((number) => norm > 2 ? 2 * number / norm : number);
    mean += 0.1 * (ofKernel - mean);
    square += 0.001 * (ofKernel ** 2 - square);
    const change = 0.1 * mean / (1 - 0.9 ** step) / (Math.sqrt(square / (1 - 0.999 ** step)) + 1e-8);
    kernel = kernel * (1 - 0.1 * 0.5) - change;
    velocity = 0.5 * velocity + ofBias;
    bias -= 0.01 * velocity;
  }
  const after = await model.parameters();
  assertAlmostEquals(after["tasks/y/head/0/kernel"].data[0], kernel, 1e-6);
  assertAlmostEquals(after["tasks/y/head/0/bias"].data[0], bias, 1e-6);
});

Deno.test("a part whose rate is 0 stays as it is, and the longest beginning counts", async () => {
  const begun = await modelOf(kinds);
  const frozen = await trained(kinds, {
    parts: { levels: sgd(() => 0), "levels/0/gates": sgd(0.1), tasks: sgd(() => 0) },
  });
  const moved = await changed(frozen, begun);
  assert(moved.length > 0 && moved.every((path) => path.startsWith("levels/0/gates/")), moved.join());
});

Deno.test("tables with equal optimisers learn what one does, and each follows its own", async () => {
  for (const optimiser of [rowwiseAdagrad(0.1, { touchedDecay: 0.2 }), lazyAdam(0.02), sgd(0.1), adagrad(0.1)]) {
    const one = await trained(embedded, { vectors: optimiser });
    const table = "levels/0/experts/ids/0/0/item";
    for (const vectors of [{ default: optimiser, user: optimiser }, { levels: optimiser, [table]: optimiser }]) {
      assertEquals(await bitsOf(await trained(embedded, { vectors })), await bitsOf(one));
    }
  }
  const [plain, other] = [
    await trained(embedded, { steps: 1 }),
    await trained(embedded, { steps: 1, vectors: { user: sgd(1) } }),
  ];
  assertEquals(await changed(plain, other), ["levels/0/experts/ids/0/0/user"]);
});

Deno.test("vectors learn in the first epochs alone: a table with a rate of 0 stays as it is, bit for bit, and its state", async () => {
  const users = "levels/0/experts/ids/0/0/user";
  const vectors = { default: rowwiseAdagrad(0.1), user: rowwiseAdagrad(firstEpochs(1, 0.1), { touchedDecay: 0.1 }) };
  const after = async (epochs: number, more: Options = {}) => {
    return (await (await trained(embedded, { epochs, vectors, ...more })).parameters())[users].data;
  };
  assertEquals(await after(3), await after(1));
  const always = { ...vectors, user: rowwiseAdagrad(0.1, { touchedDecay: 0.1 }) };
  assertEquals(await after(1, { vectors: always }), await after(1));
  assertNotEquals(await after(3, { vectors: always }), await after(1));
  assertEquals(
    await after(2, { vectors: always, from: { epoch: 1, step: 9 } }),
    await after(2, { vectors: always, from: { epoch: 1, step: 9 } }),
  );
  const on = await trained(embedded, { epochs: 1, vectors, from: { epoch: 1, step: 9 } });
  assertEquals((await changed(on, await modelOf(embedded))).includes(users), false);
});

Deno.test("train() refuses parts and tables that are none", async () => {
  const wrong = (options: unknown) => settings(options as TrainOptions);
  assertThrows(() => wrong({ parts: [adam()] }), TypeError, "parts");
  assertThrows(() => wrong({ parts: { tasks: 1 } }), TypeError, 'Cannot train: part "tasks": wanted an optimiser');
  assertThrows(() => wrong({ parts: { tasks: adam(1, { clipNorm: 1 }) } }), TypeError, "give it to optimiser");
  assertThrows(
    () => wrong({ vectors: { user: adam() } }),
    TypeError,
    'Cannot train: vectors "user": vectors cannot follow adam',
  );
  assertThrows(() => wrong({ vectors: { user: 7 } }), TypeError, 'vectors "user": wanted an optimiser of vectors');
  const refused = async (options: Options, message: string) =>
    await assertRejects(() => trained(embedded, options), TypeError, message);
  await refused({ parts: { task: sgd(1) } }, 'parts: no parameter\'s path begins with "task": did you mean "tasks"?');
  await refused(
    { parts: { levels: sgd(1), "levels/1": sgd(1) } },
    'all parameters of "levels" are in parts with longer',
  );
  const path = "levels/0/experts/ids/0/0/user";
  await refused(
    { parts: { [path]: sgd(1) } },
    `"${path}" is of vectors that are looked up: wanted it in the option vectors`,
  );
  await refused({ vectors: { users: sgd(1) } }, 'vectors: no table of vectors is named "users": did you mean "user"?');
  await refused({ vectors: { tasks: sgd(1) } }, "wanted it in the option parts");
  await refused({ vectors: { user: sgd(1), [path]: sgd(1) } }, 'all tables of "user" are under longer names');
  const rate = () => -1;
  const negative = (options: Options, message: string) =>
    assertRejects(() => trained(embedded, options), RangeError, message);
  await negative(
    { parts: { tasks: sgd(rate) } },
    'at step 1: the learning rate of part "tasks" must be at least 0, found -1',
  );
  await negative({ vectors: { user: sgd(rate) } }, `the learning rate of "${path}" must be at least 0`);
});

Deno.test("a training with parts goes on, and one with others is refused by their name", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/run`;
    const parts = { tasks: adam(0.01, { weightDecay: 0.1 }) };
    const vectors = { user: rowwiseAdagrad(0.1) };
    await trained(embedded, { steps: 3, parts, vectors, checkpoint: { folder } });
    const refused = async (options: Options, message: string) => {
      const all = { parts, vectors, ...options };
      await assertRejects(() => trained(embedded, { ...all, resume: folder }), TypeError, message);
    };
    await refused({ parts: { tasks: adam(0.01) } }, "parts.tasks.weightDecay: found 0, the checkpoint has 0.1");
    await refused({ parts: {} }, "parts: found nothing");
    await refused({ parts: { ...parts, levels: sgd(1) } }, "parts.levels: found ");
    await refused({ parts: { tasks: adam(0.02, { weightDecay: 0.1 }) } }, "the rate at step 3.parts.tasks: found 0.02");
    await refused({ vectors: { user: rowwiseAdagrad(0.2) } }, "the rate at step 3.tables.user: found 0.2");
    await refused({ vectors: { user: lazyAdam(0.1) } }, 'tables.user.name: found "lazyAdam"');
    const warm = { epochs: 1, parts, vectors };
    const on = await modelOf(embedded);
    const first = { ...optionsOf(embedded), ...warm, checkpoint: { folder: `${dir}/first` } };
    await Array.fromAsync(train(on, await dataOf(embedded), first));
    await Array.fromAsync(train(on, await dataOf(embedded), { ...first, checkpoint: undefined, warm: `${dir}/first` }));
    assertEquals(await bitsOf(on), await bitsOf(await trained(embedded, { ...warm, epochs: 2 })));
    const other = { ...optionsOf(embedded), vectors, warm: `${dir}/first` };
    const cold = async () => await Array.fromAsync(train(await modelOf(embedded), await dataOf(embedded), other));
    await assertRejects(cold, TypeError, "Cannot begin training warm");
  });
});
