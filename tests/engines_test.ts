import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import {
  adam,
  binary,
  categorical,
  compile,
  cpu,
  define,
  dense,
  dropout,
  type Engine,
  evaluate,
  layerNorm,
  mmoe,
  pipe,
  reference,
  regression,
  relu,
  type Rows,
  type Spec,
  train,
  wasm,
} from "../mod.ts";
import { start } from "../lib/engines/tfjs/backend.ts";
import { engineOf } from "../lib/engines/tfjs/tfjs.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { architectures, everyHead, predictions, sample, sampleFor } from "./models.ts";

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  cpu,
  wasm,
  "wasm (four threads share whatever can be)": async () => {
    await wasm({ threads: 4 }); // where it is the first one, it makes memory shared
    return engineOf(await start("wasm", 4, 1));
  },
};

const mixed = define(mmoe({
  input: 5,
  experts: 3,
  expert: pipe(dense(6), layerNorm(), relu, dropout(0.2)),
  tasks: { income: binary(), marital: categorical(2, dense(3)), age: regression(dense(2)) },
}));

for (const [name, engine] of Object.entries(engines)) {
  Deno.test(`compile() on tfjs ${name} predicts as on the reference engine`, async () => {
    const data = sample(33);
    for (const [architecture, spec] of Object.entries<Spec>({ ...architectures, mixed, everyHead })) {
      const wanted = await predictions<string>(spec, data, { seed: 3 });
      for (const count of [1, 33]) {
        const found = await predictions<string>(spec, sliceRows(data, 0, count), { seed: 3, engine: await engine() });
        for (const [task, numbers] of Object.entries(found)) {
          numbers.forEach((number, at) => {
            assert(
              Math.abs(number - wanted[task][at]) < 1e-5,
              `${architecture} ${task} ${at}: ${number}, ${wanted[task][at]}`,
            );
          });
        }
      }
    }
  });

  Deno.test(`train() on tfjs ${name} follows the reference engine step by step`, async () => {
    for (const [architecture, spec] of Object.entries<Spec>({ ...architectures, mixed, everyHead })) {
      const some = architecture === "everyHead" ? sampleFor(everyHead, 50) : sample(50);
      const data = architecture === "mixed" ? labelled(some) : some;
      const wanted = await losses(spec, reference(), data);
      const found = await losses(spec, await engine(), data);
      wanted.forEach((loss, step) => {
        assert(Math.abs(found[step] - loss) < 1e-3 * loss, `${architecture} at step ${step}: ${found[step]}, ${loss}`);
      });
    }
  });

  Deno.test(`train() on tfjs ${name} leaves nothing on the engine`, async () => {
    const on = await engine();
    const held = () => tf.engine().registry[name.split(" ")[0]].numDataIds();
    const data = labelled(sample(50));
    const before = held();
    const model = await compile(mixed, { engine: on });
    await model.predict(data);
    const counts: number[] = [];
    for await (const { step } of train(model, data, { steps: 200, batch: 16, validation: data })) {
      if (step % 4 === 3 && step > 4) counts.push(held()); // in the middle of every epoch but the first
    }
    assertEquals(new Set(counts).size, 1, `${counts}`);
    const trained = held();
    await model.predict(data);
    await model.inspect(sliceRows(data, 0, 1));
    await evaluate(model, data);
    await model.predict(data);
    const settled = held();
    await model.predict(data);
    await evaluate(model, data);
    assertEquals(held(), settled);
    assert(settled <= trained + 50);
    model.dispose();
    assertEquals(held(), before);
  });
}

async function losses(spec: Spec, engine: Engine, data: Rows): Promise<number[]> {
  const model = await compile(spec, { engine, seed: 5 });
  const found: number[] = [];
  for await (const { total } of train(model, data, { steps: 12, batch: 16, optimiser: adam(0.01, { clipNorm: 1 }) })) {
    found.push(total);
  }
  model.dispose();
  return found;
}

function labelled(rows: Rows): Rows {
  const age = rows.labels!.income.map((label, row) => row % 3 === 0 ? NaN : label * 2 - 1);
  return { ...rows, labels: { ...rows.labels, age } };
}
