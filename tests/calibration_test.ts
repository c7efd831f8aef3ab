import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  binary,
  calibrate,
  calibrated,
  type Calibration,
  compile,
  count,
  cpu,
  define,
  dense,
  load,
  mmoe,
  rows,
  save,
  sgd,
  train,
} from "../mod.ts";
import { random } from "../lib/data/random.ts";
import { applyCalibrator, isotonic, platt } from "../lib/metrics.ts";
import { withTemp } from "./temp.ts";

const source = random("calibration");
const rowsOf = (count: number) =>
  Array.from({ length: count }, () => {
    const p = Math.fround(source.uniform());
    return { p, y: source.uniform() < p ** 2 ? 1 : 0, w: source.bits() % 4 };
  });

Deno.test("platt() has gradient 0 at smoothed labels", () => {
  const some = rowsOf(500);
  const { slope, intercept } = platt(some.map(({ p }) => p), some.map(({ y }) => y), some.map(({ w }) => w));
  const sum = (of: (row: typeof some[number]) => number) => some.reduce((all, row) => all + row.w * of(row), 0);
  const [one, zero] = [sum(({ y }) => y), sum(({ y }) => 1 - y)];
  const residual = ({ p, y }: typeof some[number]) => {
    const target = y === 1 ? (one + 1) / (one + 2) : 1 / (zero + 2);
    return 1 / (1 + Math.exp(-slope * Math.log(p / (1 - p)) - intercept)) - target;
  };
  assertAlmostEquals(sum(residual) / sum(() => 1), 0, 1e-8);
  assertAlmostEquals(sum((row) => residual(row) * Math.log(row.p / (1 - row.p))) / sum(() => 1), 0, 1e-8);
});

Deno.test("platt() counts a row of weight 2 as two rows, and rows without labels not at all", () => {
  const twice = platt([0.2, 0.7, 0.7, 0.4], [0, 1, 1, 1]);
  assertEquals(platt([0.2, 0.7, 0.4, 0.9, 0.1], [0, 1, 1, NaN, 0], [1, 2, 1, 1, 0]), twice);
});

Deno.test("platt() fits probabilities of 0 and 1, and rows that one threshold parts", () => {
  const map = platt([0, 0.1, 0.9, 1], [0, 0, 1, 1]);
  assert([map.slope, map.intercept].every(Number.isFinite));
  const found = applyCalibrator(map, [0, 0.1, 0.9, 1]);
  assert(found.every((p, at) => p >= 0 && p <= 1 && (at === 0 || p >= found[at - 1])));
});

Deno.test("isotonic() is the fit of least squares that never falls, as the min-max formula gives it", () => {
  for (let round = 0; round < 20; round++) {
    const some = rowsOf(30).map(({ p, y, w }) => ({ p: Math.round(p * 12) / 12, y, w: w + 1 }));
    const map = isotonic(some.map(({ p }) => p), some.map(({ y }) => y), some.map(({ w }) => w));
    const known = [...new Set(some.map(({ p }) => p))].sort((a, b) => a - b);
    const mean = (from: number, to: number) => {
      const within = some.filter(({ p }) => p >= from && p <= to);
      return within.reduce((sum, { y, w }) => sum + w * y, 0) / within.reduce((sum, { w }) => sum + w, 0);
    };
    for (const p of known) {
      const wanted = Math.max(
        ...known.filter((from) => from <= p).map((from) => {
          return Math.min(...known.filter((to) => to >= p).map((to) => mean(from, to)));
        }),
      );
      assertAlmostEquals(applyCalibrator(map, [p])[0], wanted, 1e-12);
    }
  }
});

Deno.test("applyCalibrator() undoes the sampling of negatives after the map", () => {
  const plain = { kind: "isotonic", from: [0, 1], to: [0, 1] } as const;
  applyCalibrator({ ...plain, sampled: 0.25 }, [0, 0.2, 0.5, 1]).forEach((found, at) => {
    const p = [0, 0.2, 0.5, 1][at];
    assertAlmostEquals(found, p / (p + (1 - p) / 0.25), 1e-12);
  });
});

Deno.test("applyCalibrator() leaves a prediction that is NaN as it is", () => {
  const line = { kind: "platt", slope: 1, intercept: 0 } as const;
  for (const map of [line, { kind: "isotonic", from: [0.25, 0.5], to: [0.125, 0.75] } as const]) {
    assertEquals(applyCalibrator({ ...map, sampled: 0.5 }, [NaN]), Float64Array.of(NaN));
  }
});

Deno.test("maps that are malformed and rows of one class are refused", () => {
  assertThrows(() => platt([0.1, 0.2], [1, 1]), RangeError, "of weight 2 that are positive and 0 that are not");
  assertThrows(() => isotonic([0.1, 1.2], [1, 0]), RangeError, "probability 1.2 of row 1 is not in [0, 1]");
  assertThrows(() => platt([0.1, 0.2], [1, 2]), RangeError, "label 2 of row 1 is not in [0, 1]");
  assertThrows(() => platt([0.1], [1, 0]), RangeError, "1 predictions for 2 labels");
  const falls = { kind: "isotonic", from: [0, 1], to: [1, 0] } as const;
  assertThrows(() => applyCalibrator(falls, [0.5]), TypeError, "which never fall");
  const beyond = { kind: "isotonic", from: [0, 1], to: [0, 9] } as const;
  assertThrows(() => applyCalibrator(beyond, [0.5]), TypeError, "at the map.to[1]: wanted a probability, 0 to 1");
  assertThrows(() => applyCalibrator({ kind: "beta" } as never, []), TypeError, 'wanted "platt" or "isotonic"');
});

const x = Array.from({ length: 400 }, () => [source.normal(), source.normal()]);
const click = x.map(([a]) => source.uniform() < 1 / (1 + Math.exp(2 - a)) ? 1 : 0);
const like = x.map(([, b], row) => row % 3 === 0 ? NaN : b > 0.5 ? 1 : 0);
const data = rows(x, { labels: { click, like } });

async function modelOf() {
  const tasks = { click: binary(), like: binary(), visits: count() };
  return await compile(define(mmoe({ input: 2, experts: 2, expert: dense(3), tasks })), { engine: cpu(), seed: 3 });
}

Deno.test("calibrate() fits the maps of each binary task to a model's predictions, in memory and in pieces", async () => {
  const model = await modelOf();
  for (const [method, fitted] of [["platt", platt], ["isotonic", isotonic]] as const) {
    const found = await calibrate(model, data, { method });
    const predictions = await model.predict(data);
    const wanted: Calibration = {
      tasks: { click: fitted(predictions.click, click), like: fitted(predictions.like, like) },
    };
    assertEquals(found, wanted);
    assertEquals(
      await calibrate(model, async function* () {
        yield rows(x.slice(0, 150), { labels: { click: click.slice(0, 150), like: like.slice(0, 150) } });
        yield rows(x.slice(150), { labels: { click: click.slice(150), like: like.slice(150) } });
      }, { method }),
      found,
    );
    const own = await model.predict(data, { calibrated: found });
    assertEquals(own, calibrated(predictions, found));
    assertEquals(own.visits, predictions.visits);
    assertEquals(own.click, Float32Array.from(applyCalibrator(found.tasks.click, predictions.click)));
  }
  const some = await calibrate(model, data, { tasks: ["like"], sampled: { like: 0.1 } });
  assertEquals(Object.keys(some.tasks), ["like"]);
  assertEquals(some.tasks.like.sampled, 0.1);
  model.dispose();
});

Deno.test("a calibration is saved with its model, used on demand, and gone once the parameters change", async () => {
  const model = await modelOf();
  const calibration = await calibrate(model, data, { method: "isotonic" });
  const [plain, wanted] = [await model.predict(data), await model.predict(data, { calibrated: calibration })];
  await withTemp(async (dir) => {
    await save(model, `${dir}/plain`);
    await save(model, `${dir}/model`, { calibration });
    const names = Array.from(Deno.readDirSync(`${dir}/model`), ({ name }) => name.replace(/[0-9a-f]{16}/, "DIGEST"));
    assertEquals(names.sort(), ["calibration-DIGEST.json", "params.safetensors", "spec.json"]);
    const loaded = await load(`${dir}/model`, { engine: cpu() });
    assertEquals(loaded.calibration, calibration);
    assertEquals(await loaded.predict(data), plain);
    assertEquals(await loaded.predict(data, { calibrated: true }), wanted);
    const pieces = async function* () {
      yield data;
    };
    for await (const found of loaded.predictEach(pieces(), { calibrated: true })) assertEquals(found, wanted);

    await save(loaded, `${dir}/again`);
    const again = await load(`${dir}/again`, { engine: cpu() });
    assertEquals(again.calibration, calibration);
    for await (const _ of train(again, data, { steps: 1, optimiser: sgd(0.1) })); // to its end
    assertEquals(again.calibration, undefined);
    await assertRejects(() => again.predict(data, { calibrated: true }), TypeError, "no calibration was saved with");
    await save(again, `${dir}/again`); // over the calibrated one
    assertEquals(Array.from(Deno.readDirSync(`${dir}/again`)).length, 2);
    loaded.assign(await loaded.parameters());
    assertEquals(loaded.calibration, undefined);

    const old = await load(`${dir}/plain`, { engine: cpu() });
    assertEquals(old.calibration, undefined);
    const [file] = Array.from(Deno.readDirSync(`${dir}/model`)).filter(({ name }) => name.startsWith("calib"));
    await Deno.writeTextFile(`${dir}/model/${file.name}`, '{"tasks":{}}');
    await assertRejects(() => load(`${dir}/model`), TypeError, "its SHA-256 is not the one of its name");
    await Deno.remove(`${dir}/model/${file.name}`);
    await assertRejects(() => load(`${dir}/model`), Deno.errors.NotFound);
    for (const one of [loaded, again, old]) one.dispose();
  });
  model.dispose();
});

Deno.test("calibrate() and save() name the task that cannot be calibrated", async () => {
  const model = await modelOf();
  const none = rows([[1, 2]], { labels: { click: [1], like: [0] } });
  await assertRejects(() => calibrate(model, none), RangeError, 'at task "click": Cannot compute Platt scaling');
  await assertRejects(() => calibrate(model, data, { tasks: ["visits"] }), TypeError, "has a count head");
  const visits = { tasks: { visits: { kind: "platt", slope: 1, intercept: 0 } } } as const;
  await assertRejects(() => save(model, "out/none", { calibration: visits }), TypeError, "has a count head");
  await assertRejects(() => model.predict(data, { calibrated: visits }), TypeError, "has a count head");
  await assertRejects(() => calibrate(model, data, { tasks: ["clic" as never] }), TypeError, 'did you mean "click"');
  await assertRejects(() => calibrate(model, data, { sampled: { click: 2 } }), RangeError, "must be in (0, 1]");
  await assertRejects(() => calibrate(model, data, { method: "beta" as never }), TypeError, "method must be");
  const strange = { tasks: { clik: { kind: "platt", slope: 1, intercept: 0 } } } as const;
  await assertRejects(() => save(model, "out/x-rank", { calibration: strange }), TypeError, 'named "clik"');
  await assertRejects(() => model.predict(data, { calibrated: strange }), TypeError, 'did you mean "click"');
  model.dispose();
});
