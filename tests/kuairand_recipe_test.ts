import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { category, type Column, type Columns, compile, cpu, encode, fit, train } from "../mod.ts";
import { parametersOf } from "../lib/graph.ts";
import { loadHistory } from "../lib/history.ts";
import { handler, openModels } from "../lib/serve.ts";
import { asked, days, inputNames, pastOf, prepare, withPast } from "../examples/kuairand/inputs.ts";
import { measured } from "../examples/kuairand/judged.ts";
import { learn } from "../examples/kuairand/learn.ts";
import { numbers, readLog, readLogs, readTables, tasks, text } from "../examples/kuairand/log.ts";
import { names, specOf, trainingOf } from "../examples/kuairand/models.ts";
import { judgeSaved, later } from "../examples/kuairand/other_days.ts";
import { saveWithPast } from "../examples/kuairand/saved.ts";
import { playTechjam } from "../examples/kuairand/techjam_run.ts";
import { kuairandPure, kuairandSample } from "./kuairand_sample.ts";
import { withTemp } from "./temp.ts";

const reading = { folder: "examples/sample", verify: false } as const;
const logName = "log_standard_4_25_to_5_06_pure.csv";

/** The log of the sample, of which some lines may be others. */
async function logOf(change: (fields: string[]) => string[] = (fields) => fields) {
  const [header, ...lines] = kuairandSample()[logName].trimEnd().split("\n");
  const changed = lines.map((line) => change(line.split(",")).join());
  return await withTemp(async (dir) => {
    await Deno.writeTextFile(`${dir}/log.csv`, [header, ...changed, ""].join("\n"));
    return await readLogs([`${dir}/log.csv`], await readTables(reading));
  });
}

Deno.test("prepare() splits by day, and reads of the past what plain loops count", async () => {
  const log = await logOf();
  const { table } = withPast(log, "lag");
  const [users, day, clicks, shown] = [
    text(table, "user_id"),
    text(table, "date"),
    numbers(table, "is_click"),
    "shown to user",
  ];
  let positive = 0;
  for (let row = 0; row < table.count; row++) {
    const before = [...users.codes.keys()].filter((other) => day.words[day.codes[other]] < day.words[day.codes[row]]);
    const own = before.filter((other) => users.codes[other] === users.codes[row]);
    assertEquals(numbers(table, shown)[row], own.length);
    if (before.length === 0) continue;
    const sum = (rows: number[]) => rows.reduce((sum, other) => sum + clicks[other], 0);
    const rate = (sum(own) + 10 * sum(before) / before.length) / (own.length + 10);
    assertAlmostEquals(numbers(table, "is_click of user")[row], rate, 1e-12);
    positive++;
  }
  assert(positive > 100);
  const { train, validation, test, past } = prepare(log, "lag");
  const of = (first: string, last: string) =>
    [...day.codes].filter((code) => first <= day.words[code] && day.words[code] <= last).length;
  assertEquals([train.count, validation.count, test.count], Object.values(days).map((ends) => of(...ends)));
  assertEquals(past?.rows, log.count);
});

Deno.test("prepare() reads nothing that a row or a later one of its day shows", async () => {
  const changed = await logOf((fields) => {
    if (fields[2] !== "20220506") return fields;
    const outcomes = ["1", "1", "0", "0", "0", "0", "1", "999"];
    return [...fields.slice(0, 5), ...outcomes, ...fields.slice(13, 16), "1", ...fields.slice(17)];
  });
  for (const inputs of ["raw", "lag"] as const) {
    const [one, other] = [prepare(await logOf(), inputs), prepare(changed, inputs)];
    for (const part of ["train", "validation", "test"] as const) {
      assertEquals([one[part].inputs, one[part].lists], [other[part].inputs, other[part].lists], `${inputs} ${part}`);
    }
    assertEquals(one.features, other.features);
  }
});

Deno.test("no feature is an outcome", async () => {
  const log = await logOf();
  for (const inputs of inputNames) {
    const names = Object.keys(prepare(log, inputs).features);
    const outcomes = [...tasks, "play_time_ms", "watched", "profile_stay_time", "date", "day", "time_ms"];
    assertEquals(names.filter((name) => outcomes.includes(name)), []);
  }
  assertEquals(pastOf("lag").outcomes.toSorted(), [...tasks, "watched"].toSorted());
});

Deno.test("every model predicts and is judged, whatever the inputs", async () => {
  const engine = await cpu();
  const log = await logOf();
  for (const inputs of inputNames) {
    const { features, test } = prepare(log, inputs);
    for (const name of names) {
      const model = await compile(specOf(name, features), { engine, seed: 1 });
      const how = { model: name, inputs, seed: 1, seconds: 0, mib: 0 };
      const found = await measured(model, test, "test", how);
      assertEquals(found.map(({ task }) => task), [...tasks]);
      assert(found.filter(({ auc }) => auc >= 0 && auc <= 1).length >= 3);
      model.dispose();
    }
  }
});

Deno.test("every model reads features of more words than presets leave as columns", () => {
  const words = Array.from({ length: 1500 }, (_, word) => `${word}`);
  const input = fit({ user_id: category(), tab: category() }, { user_id: words, tab: words.map((word) => word[0]) });
  for (const name of names) {
    const looked = parametersOf(specOf(name, input)).some(({ path }) => path.endsWith("/user_id"));
    assertEquals(looked, name !== "logistic", name);
  }
});

Deno.test("the recipe is the mean of three nets that differ in their seeds, as one model", async () => {
  const engine = await cpu();
  const data = prepare(await logOf(), "raw");
  const { records, plan } = planned({ wanted: ["best"], inputs: "raw", save: "" }, engine);
  const { model, how } = await learn("best", data, plan);
  const seeds = [plan.seed, plan.seed + 1000, plan.seed + 2000];
  const logits = await Promise.all(seeds.map(async (seed) => {
    const net = await compile(specOf("best", data.features), { engine, seed });
    for await (const _ of train(net, data.train, trainingOf("best", 1)));
    const { is_click: found } = await net.predict(data.test);
    net.dispose();
    return Array.from(found, (p) => Math.log(p / (1 - p)));
  }));
  const { is_click: both } = await model.predict(data.test);
  both.forEach((p, row) => {
    const mean = (logits[0][row] + logits[1][row] + logits[2][row]) / 3;
    assertAlmostEquals(Math.log(p / (1 - p)), mean, 1e-5);
  });
  assert(Math.abs(logits[0][0] - logits[1][0]) > 1e-6);
  assertEquals([how.model, how.seed, records.length], ["best", 1, 0]);
  model.dispose();
});

Deno.test("a saved model is judged on other days, of new users and videos, with its past carried on", async () => {
  const [header, ...lines] = kuairandSample()[logName].trimEnd().split("\n");
  const two = lines.slice(-20).map((line, at) => {
    const fields = line.split(",");
    fields[2] = at < 10 ? "20220507" : "20220508";
    fields[4] = `${Number(fields[4]) + (at < 10 ? 1 : 2) * 86_400_000}`;
    if (at % 5 === 0) [fields[0], fields[1]] = [`9${at}`, `8${at}`]; // in no table
    return fields.join();
  });
  await withTemp(async (dir) => {
    const files = [`${dir}/a.csv`, `${dir}/b.csv`];
    await Deno.writeTextFile(files[0], [header, ...two.slice(0, 10), ""].join("\n"));
    await Deno.writeTextFile(files[1], [header, ...lines.slice(-5), ...two.slice(10), ""].join("\n"));
    const tables = await readTables(reading);
    const engine = await cpu();
    const data = prepare(await readLog(tables, reading), "lag");
    const model = await compile(specOf("best", data.features), { engine, seed: 1 });
    await saveWithPast(`${dir}/saved/lag/best`, { model, past: data.past });
    const { records, said, plan } = planned({ wanted: ["best"], inputs: "lag", save: `${dir}/saved` }, engine);
    await judgeSaved(await readLogs(files, tables), plan);
    assertEquals(records.map(({ split }) => split), ["test", "20220507", "20220508"].flatMap((s) => Array(4).fill(s)));
    assert(said.some((text) => text.startsWith("5 rows are passed over: ")));
    const raw = await readLogs(files.slice(0, 1), tables);
    const wanted = await model.predict(encode(data.features, asked(raw, "lag", data.past!)));
    assertEquals(await served(`${dir}/saved/lag/best`, raw), [...wanted.is_click]);
    model.dispose();

    await Deno.writeTextFile(`${dir}/whole.csv`, [header, ...lines, ...two, ""].join("\n"));
    const carried = withPast(await readLogs(files.slice(0, 1), tables), "lag", data.past).table;
    const whole = withPast(await readLogs([`${dir}/whole.csv`], tables), "lag").table;
    const { codes, words } = text(whole, "date");
    const rows = [...codes.keys()].filter((row) => words[codes[row]] === "20220507");
    assertEquals(carried.count, 10);
    const candidates = asked(await readLogs(files.slice(0, 1), tables), "lag", data.past!);
    for (const name of Object.keys(pastOf("lag").features)) {
      assertEquals([...numbers(carried, name)], rows.map((row) => numbers(whole, name)[row]), name);
      assertEquals(numbers(candidates, name), numbers(carried, name), name);
    }
    assertEquals(await loadHistory(`${dir}/saved/lag/best/history`), data.past);
    const known = await readLog(tables, reading);
    const error = assertThrows(() => later(known, "lag", data.past, "out/best"), RangeError);
    assertEquals(
      error.message,
      "Cannot test out/best\n  at --test: the saved model knows all days to 2022-05-06, wanted rows of later days",
    );
    await assertRejects(() => readLogs([`${dir}/c.csv`], tables), Error, "c.csv");
    assertThrows(() => later({ count: 0, columns: {} }, "raw", undefined, "out/best"), RangeError, "found no row");
    const { plan: unsaved } = planned({ wanted: ["best"], inputs: "lag", save: `${dir}/other` }, engine);
    await assertRejects(() => judgeSaved(known, unsaved), Error, "deno task kuairand --inputs lag --model best");
  });
});

Deno.test("the protocol of TechJam is played on files of the same form", async () => {
  const engine = await cpu();
  await withTemp(async (dir) => {
    for (const [path, text] of Object.entries(kuairandPure())) {
      await Deno.writeTextFile(`${dir}/${path.slice(path.lastIndexOf("/") + 1)}`, text);
    }
    const { records, said, plan } = planned({ wanted: ["best"], inputs: "lag", save: dir }, engine);
    await playTechjam(plan, { folder: dir, verify: false });
    assertEquals(records.length, 5);
    const { gauc, ndcg, primary } = records[4] as Record<string, number>;
    assert(gauc > 0 && gauc < 1 && ndcg > 0 && ndcg < 1);
    assertAlmostEquals(primary, (gauc + ndcg) / 2);
    assert(said.some((text) => text.includes("FM, k 16") && text.includes("best, lag, seed 1")));
    await assertRejects(
      () => playTechjam(plan, { folder: "examples/sample", verify: false }),
      Error,
      "found no log_standard_4_08_to_4_21_pure.csv, wanted --download, or --data FOLDER",
    );
  });
});

Deno.test("a log of other days, or without some, is an error that says which", async () => {
  const log = await logOf((fields) => fields.with(2, fields[2] === "20220506" ? "20220507" : fields[2]));
  assertThrows(() => prepare(log, "raw"), SyntaxError, 'found date "20220507", wanted 20220425 to 20220506');
  const short = await logOf((fields) => fields.with(2, fields[2] === "20220506" ? "20220505" : fields[2]));
  assertThrows(() => prepare(short, "raw"), SyntaxError, "found no row of test, of date 20220506 to 20220506");
});

/** A plan whose records and texts are kept. */
function planned(
  some: { readonly wanted: readonly ["best"]; readonly inputs: "raw" | "lag"; readonly save: string },
  engine: Awaited<ReturnType<typeof cpu>>,
) {
  const [records, said]: [Record<string, unknown>[], string[]] = [[], []];
  const context = {
    signal: new AbortController().signal,
    keeping: undefined,
    say: (text: string) => void said.push(text),
    record: (values: Readonly<Record<string, unknown>>) => void records.push(values),
  };
  return { records, said, plan: { ...some, seed: 1, epochs: 1, engine, predictions: undefined, context } };
}

/** Asks a server for the clicks of rows as they are in the log: columns that it reads, without what it knows of them. */
async function served(folder: string, { count, columns }: Columns): Promise<unknown> {
  const models = await openModels(folder, { engine: await cpu(), every: 0 });
  const answer = handler(models);
  const { inputs } = await (await answer(new Request("http://h/v2/models/best"))).json();
  const valueOf = (column: Column, row: number) =>
    column.kind === "number" ? column.values[row] : column.words[column.codes[row]];
  const instances = Array.from({ length: count }, (_, row) => {
    return Object.fromEntries(inputs.map(({ name }: { name: string }) => [name, valueOf(columns[name], row)]));
  });
  const body = JSON.stringify({ instances });
  const response = await answer(new Request("http://h/v1/models/best:predict", { method: "POST", body }));
  await models.close();
  return (await response.json()).predictions?.map((one: Record<string, number>) => one.is_click);
}
