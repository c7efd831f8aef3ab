import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { gathered } from "../lib/data/gathered.ts";
import { pickRows, sliceRows } from "../lib/data/rows.ts";
import {
  auc,
  delong,
  expectedCalibrationError,
  gauc,
  mrr,
  ndcg,
  normalisedEntropy,
  predictedOverObserved,
} from "../lib/metrics.ts";
import {
  adam,
  binary,
  compile,
  csvParts,
  dataset,
  define,
  dense,
  encode,
  evaluate,
  type Evaluation,
  fit,
  type Judge,
  labels,
  mmoe,
  numeric,
  product,
  ranking,
  readCsv,
  reference,
  regression,
  type Rows,
  rows,
  type Stopping,
  train,
} from "../mod.ts";
import { withTemp } from "./temp.ts";

const judges = {
  gauc: gauc({ by: "user" }),
  ndcg3: ndcg({ by: "user", at: 3 }),
  mrr: mrr({ by: "user" }),
  pcoc: predictedOverObserved,
  ece: expectedCalibrationError({ equal: "mass" }),
  entropy: normalisedEntropy,
  delong: delong(),
};

/** The lines of a log: users have few rows each, some of them no user. */
function logOf(count: number): string {
  const source = random("judging");
  const lines = Array.from({ length: count }, () => {
    const x = source.normal();
    const user = source.uniform() < 0.05 ? "" : `u${source.bits() % (count / 8)}`;
    const click = x + source.normal() > 0 ? 1 : 0;
    const like = click === 1 && source.uniform() < 0.3 ? 1 : 0;
    return [x.toFixed(4), user, ["new", "old", ""][source.bits() % 3], source.bits() % 4, click, like, x * 2].join(",");
  });
  return `x,user,kind,tab,click,like,time\n${lines.join("\n")}\n`;
}

const columns = {
  x: "number",
  user: "text",
  kind: "text",
  tab: "number",
  click: "number",
  like: "number",
  time: "number",
} as const;
const tasks = { click: "click", like: "like", time: "time" };

/** A model of three tasks, and makers of its rows from a CSV file. */
async function begun(path: string) {
  const options = { columns, missing: [""] };
  const table = await readCsv(path, options);
  const features = fit({ x: numeric() }, table);
  const spec = define(
    mmoe({
      input: features,
      expert: dense(4),
      experts: 2,
      tasks: { click: binary(), like: binary(), time: regression() },
    }),
  );
  const model = await compile(spec, { engine: reference(), seed: 3 });
  const rowsOf = (part: typeof table) =>
    rows(encode(features, part), {
      labels: labels(part, tasks),
      by: { user: part.columns.user, kind: part.columns.kind, tab: part.columns.tab },
    });
  return { model, table, rowsOf, parts: await csvParts(path, options) };
}

async function withLog(count: number, use: (log: Awaited<ReturnType<typeof begun>>, folder: string) => Promise<void>) {
  await withTemp(async (folder) => {
    await Deno.writeTextFile(`${folder}/log.csv`, logOf(count));
    const log = await begun(`${folder}/log.csv`);
    await use(log, folder);
    log.model.dispose();
  });
}

Deno.test("evaluate() has judges of the tasks that they fit, and each is its own call on the predictions", async () => {
  await withLog(600, async ({ model, table, rowsOf }) => {
    const data = rowsOf(table);
    const { metrics, judged } = await evaluate(model, data, { judges });
    const predictions = await model.predict(data);
    for (const task of ["click", "like"] as const) {
      assertEquals(Object.keys(metrics[task]), ["auc", "logloss", "accuracy", ...Object.keys(judges)]);
      assertEquals(Object.keys(judged![task]), Object.keys(judges));
      for (const [name, judge] of Object.entries(judges)) {
        const found = judge.judge(predictions[task], data.labels![task], undefined, data.by!.user);
        assertEquals(metrics[task][name], judged![task][name].value);
        assertAlmostEquals(metrics[task][name], found.value, 1e-6, name);
        assertEquals([judged![task][name].rows, judged![task][name].left], [found.rows, found.left], name);
      }
      assertAlmostEquals(judged![task].delong.value, metrics[task].auc, 1e-12);
      const { left, groups, rows } = judged![task].gauc;
      assert(left!.groups > 0 && groups! > 0 && left!.rows + rows === 600);
    }
    assertEquals(Object.keys(metrics.time), ["mse", "mae", "r2"]);
    assertEquals(judged!.time, {});
  });
});

Deno.test("evaluate() has the same judgements of rows in memory, of a dataset and of pieces with words of their own", async () => {
  await withLog(3000, async ({ model, table, rowsOf, parts }, folder) => {
    const options = { judges, segments: { kind: "kind", tab: "tab", clicked: "click" } };
    const wanted = await evaluate(model, rowsOf(table), options);
    const sorting = { most: 500, folder };
    assertEquals(await evaluate(model, dataset(parts, rowsOf, { buffer: 1024 }), { ...options, sorting }), wanted);
    const pieces = async function* () {
      for await (const part of parts) {
        const whole = rowsOf(part);
        for (let at = 0; at < whole.count; at += 256) {
          const some = sliceRows(whole, at, Math.min(256, whole.count - at));
          yield pickRows(some, Uint32Array.from({ length: some.count }, (_, row) => row));
        }
      }
    };
    const found = await evaluate(model, pieces, { ...options, sorting });
    assertEquals([found.metrics.click.gauc, found.judged], [wanted.metrics.click.gauc, wanted.judged]);
    assertEquals(found.segments, wanted.segments);
  });
});

Deno.test("evaluate() has a segment whose text is __proto__", async () => {
  const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference() });
  const data = rows([[1], [2], [3]], { labels: { y: [0, 1, 1] }, by: { tab: ["__proto__", "b", "__proto__"] } });
  const { segments } = await evaluate(model, data, { segments: { tab: "tab" } });
  assertEquals(Object.entries(segments!.tab).map(([name, { rows }]) => [name, rows]), [["__proto__", 2], ["b", 1]]);
  model.dispose();
});

Deno.test("evaluate() has of each segment the metrics of its rows alone", async () => {
  await withLog(900, async ({ model, table, rowsOf }) => {
    const data = rowsOf(table);
    const { segments } = await evaluate(model, data, {
      judges,
      segments: { kind: "kind", tab: "tab", clicked: "click" },
    });
    assertEquals(Object.keys(segments!.kind), ["new", "old"]);
    assertEquals(Object.keys(segments!.tab), ["0", "1", "2", "3"]);
    assertEquals(Object.keys(segments!.clicked), ["0", "1"]);
    const { kind } = data.by!;
    const inside: Record<string, (row: number) => boolean> = {
      new: (row) => kind.kind === "text" && kind.words[kind.codes[row]] === "new",
      old: (row) => kind.kind === "text" && kind.words[kind.codes[row]] === "old",
    };
    for (const [name, isIn] of Object.entries(inside)) {
      const some = Uint32Array.from(Array.from({ length: data.count }, (_, row) => row).filter(isIn));
      const wanted = await evaluate(model, pickRows(data, some), { judges });
      assertEquals(segments!.kind[name].rows, some.length);
      for (const task of ["click", "like", "time"] as const) {
        const found = segments!.kind[name].metrics[task];
        assertEquals(Object.keys(found), Object.keys(wanted.metrics[task]));
        for (const metric of Object.keys(found)) {
          assertAlmostEquals(found[metric], wanted.metrics[task][metric], 1e-6, `${name} ${task} ${metric}`);
        }
        for (const [judge, { rows, groups, left }] of Object.entries(wanted.judged![task])) {
          const judgement = segments!.kind[name].judged![task][judge];
          assertEquals([judgement.rows, judgement.groups, judgement.left], [rows, groups, left]);
        }
      }
    }
    assertEquals(segments!.clicked["1"].metrics.click.auc, NaN); // one class
  });
});

Deno.test("rows keep their keys: cut, picked, gathered and in messages; missing ones are in no group", () => {
  const by = {
    user: ["ann", null, "bob", "ann"],
    tab: [3, 1, NaN, 3],
    isNew: [true, false, null, false],
    part: Int16Array.of(4, 5, 6, 7),
  };
  const all = rows([[1], [2], [3], [4]], { labels: { click: [1, 0, 1, 0] }, by });
  assertEquals(all.by, {
    user: { kind: "text", codes: Int32Array.of(0, -1, 1, 0), words: ["ann", "bob"] },
    tab: { kind: "number", values: Float64Array.of(3, 1, NaN, 3) },
    isNew: { kind: "text", codes: Int32Array.of(1, 0, -1, 0), words: ["false", "true"] },
    part: { kind: "number", values: Float64Array.of(4, 5, 6, 7) },
  });
  assertEquals(sliceRows(all, 1, 2).by!.user, { kind: "text", codes: Int32Array.of(-1, 1), words: ["ann", "bob"] });
  assertEquals(pickRows(all, Uint32Array.of(3, 0)).by!.tab, { kind: "number", values: Float64Array.of(3, 3) });
  assertEquals(structuredClone(all).by, all.by);
  const memory = gathered(4);
  const other = rows([[5], [6]], {
    labels: { click: [1, 0] },
    by: { ...by, user: ["eve", "bob"], tab: [1, 2], isNew: [null, true], part: [1, 2] },
  });
  for (const [piece, from, some] of [[all, 2, 2], [other, 0, 2]] as const) memory.add(piece, from, some);
  assertEquals(memory.take().by, {
    user: { kind: "text", codes: Int32Array.of(0, 1, 2, 0), words: ["bob", "ann", "eve"] },
    tab: { kind: "number", values: Float64Array.of(NaN, 3, 1, 2) },
    isNew: { kind: "text", codes: Int32Array.of(-1, 0, -1, 1), words: ["false", "true"] },
    part: { kind: "number", values: Float64Array.of(6, 7, 1, 2) },
  });
  assertThrows(
    () => rows([[1]], { by: { user: ["a", "b"] } }),
    RangeError,
    'the keys "user" need one a row, found 2 for 1 rows',
  );
  assertThrows(
    () => rows([[1], [2]], { by: { user: ["a", 2] } }),
    TypeError,
    "at row 1: found 2, wanted numbers, texts or booleans alone",
  );
  assertThrows(
    () => rows([[1]], { by: { user: "ann" as unknown as [] } }),
    TypeError,
    "must be a column of numbers or text",
  );
  assertThrows(() => rows([[1]], { by: { user: [{}] as unknown as [] } }), TypeError, "at row 0: found an object");
  const unlike = gathered(4);
  unlike.add(all, 0, 1);
  assertThrows(() => unlike.add({ ...all, by: undefined }, 0, 1), TypeError, "by.user (text)");
});

Deno.test("evaluate() refuses judges and segments that it cannot report, by name", async () => {
  const spec = define({ input: 1, tasks: { click: binary(), time: regression() } });
  const model = await compile(spec, { engine: reference() });
  const count = 300;
  const of = <T>(value: (row: number) => T) => Array.from({ length: count }, (_, row) => value(row));
  const data = rows(of((row) => [row]), {
    labels: { click: of((row) => row % 2) },
    by: { user: of((row) => `${row}`) },
  });
  const refused: readonly [options: object, message: string][] = [
    [
      { judges: { gauc: gauc({ by: "usr" }) } },
      'judge "gauc" groups rows by "usr", keys that they lack: did you mean "user"?',
    ],
    [{ segments: { tab: "tab" } }, 'segments "tab" groups rows by "tab", keys that they lack'],
    [{ judges: { auc: delong() } }, 'judge "auc" needs another name: task "click" has a metric of that name'],
    [{ judges: { gauc } }, 'judge "gauc" must be a judge, such as gauc({ by: "user" }), found a function'],
    [{ judges: { mine: auc } }, 'judge "mine" must be a judge'],
    [{ judges: [] }, "judges must be an object of judges by name"],
    [{ segments: { user: 3 } }, "segments.user must be a text"],
    [{ segments: { user: "user" } }, 'the segments "user" are more than 256'],
  ];
  for (const [options, message] of refused) await assertRejects(() => evaluate(model, data, options), Error, message);
  const other = await compile(define({ input: 1, tasks: { time: regression() } }), { engine: reference() });
  const times = rows([[1]], { labels: { time: [2] } });
  const none = 'judge "gauc" is of binary or ranking tasks, and the model has none';
  await assertRejects(() => evaluate(other, times, { judges: { gauc: gauc({ by: "user" }) } }), TypeError, none);
  const wrong = { ...data, by: { user: { kind: "number", values: new Float64Array(7) } } } as const;
  await assertRejects(() => evaluate(model, wrong), RangeError, 'the keys "user" need one a row, found 7 for 300 rows');
  model.dispose();
  other.dispose();
});

Deno.test("judges count the rows of a task's sample space, and fit products and rankings", async () => {
  const spec = define({
    input: 1,
    tasks: {
      click: binary(),
      order: binary(undefined, { only: "click" }),
      both: product(["click", "order"]),
      rank: ranking(),
    },
  });
  const model = await compile(spec, { engine: reference() });
  const data = rows([[1], [2], [3], [4], [5]], {
    labels: { click: [1, 1, 1, 0, 0], order: [0, 1, 1, 0, 1], both: [0, 1, 1, 0, 0], rank: [0, 1, 2, 0, 3] },
    by: { user: [7, 7, 8, 8, 8] },
  });
  const { judged } = await evaluate(model, data, {
    judges: { gauc: gauc({ by: "user" }), ndcg: ndcg({ by: "user" }) },
  });
  assertEquals(judged!.order.gauc.rows, 2);
  assertEquals(judged!.order.gauc.left, { groups: 1, rows: 1 });
  assertEquals([judged!.both.gauc.rows, judged!.rank.ndcg.groups], [5, 2]);
  model.dispose();
});

Deno.test("train() reports judges of its validation, and stops by one of them", async () => {
  await withLog(400, async ({ model, table, rowsOf }) => {
    const data = rowsOf(table);
    const given = { gauc: judges.gauc, ece: judges.ece, pcoc: judges.pcoc };
    const run = async (stopping: Stopping<"click" | "like" | "time">, judges: Record<string, Judge> = given) => {
      const found: Evaluation[] = [];
      const options = { epochs: 6, optimiser: adam(0.05), validation: data, judges, stopping };
      for await (const { validation } of train(model, data, options)) if (validation) found.push(validation);
      return found;
    };
    for (const [metric, best] of [["gauc", Math.max], ["ece", Math.min]] as const) {
      const found = await run({ task: "click", metric, patience: 2 });
      assert(found.every(({ judged }) => judged!.click.gauc.left!.groups > 0));
      const { metrics } = await evaluate(model, data, { judges: given });
      assertAlmostEquals(
        metrics.click[metric],
        best(...found.map(({ metrics }) => metrics.click[metric])),
        1e-9,
        metric,
      );
    }
    await assertRejects(() => run({ task: "click", metric: "pcoc" }), TypeError, 'task "click" has no metric "pcoc"');
    await assertRejects(() => run({ task: "time", metric: "gauc" }), TypeError, 'task "time" has no metric "gauc"');
    const alone = { gauc: gauc({ by: "row" }) };
    const single = {
      ...data,
      by: { row: { kind: "number", values: Float64Array.from({ length: 400 }, (_, row) => row) } },
    };
    const options = { judges: alone, validation: single as Rows, stopping: { task: "click", metric: "gauc" } } as const;
    const cause = 'Cannot stop early: the gauc of task "click" is NaN';
    await assertRejects(() => train(model, data, options).next(), RangeError, cause);
    await assertRejects(() => run({ task: "click" }, alone), TypeError, 'groups rows by "row", keys that they lack');
  });
});
