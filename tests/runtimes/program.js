/**
 * What users of the packed package do in Node.js and Bun: train, judge, predict, save, load, export and read, on every
 * engine. Writes a line for each thing done, or fails. Run in an empty folder.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import http from "node:http";
import os from "node:os";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import * as main from "@gatehouse/gatehouse";
import { count, history, loadHistory, saveHistory } from "@gatehouse/gatehouse/history";
import { onnx, saveOnnx } from "@gatehouse/gatehouse/onnx";
import { parquetParts } from "@gatehouse/gatehouse/parquet";
import { handler, openModels } from "@gatehouse/gatehouse/serve";

const { binary, category, compile, define, dense, encode, evaluate, fit, labels, load, mmoe, numeric } = main;
const { cpu, readCsv, reference, rows, save, saveGraphModel, streamCsv, train, wasm } = main;

const text = ["age,job,click,like"];
for (let i = 0; i < 300; i++) {
  text.push(`${20 + i * 7 % 50},${["clerk", "smith"][i % 2]},${i % 3 === 0 ? 1 : 0},${i % 2}`);
}
const columns = { age: "number", job: "text", click: "number", like: "number" };
fs.writeFileSync("a.csv", text.join("\n"));
fs.writeFileSync(
  "a.csv.gz",
  Buffer.concat([gzipSync(text.slice(0, 9).join("\n") + "\n"), gzipSync(text.slice(9).join("\n")), Buffer.alloc(512)]),
);

const steps = {};

steps["readCsv of a path, gzip, a file URL, bytes, a Blob, a Response and a stream"] = async () => {
  const table = await readCsv("a.csv", { columns });
  assert.equal(table.count, 300);
  const bytes = fs.readFileSync("a.csv");
  const url = pathToFileURL(fs.realpathSync("a.csv"));
  const stream = new Blob([bytes]).stream();
  for (const source of ["a.csv.gz", url, bytes, new Blob([bytes]), new Response(bytes), stream]) {
    assert.deepEqual(await readCsv(source, { columns }), table);
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  assert.equal((await readCsv("a.csv.gz", { columns, sha256 })).count, 300);
  let count = 0;
  for await (const part of streamCsv("a.csv.gz", { columns, rows: 64 })) count += part.count;
  assert.equal(count, 300);
  await assert.rejects(() => readCsv("none.csv", { columns }), /^Error: Cannot read none\.csv: ENOENT/);
};

let data, spec;
const engines = { reference: () => reference(), wasm, cpu, onnx };
const trained = {};

steps["parquetParts of a path and bytes"] = async () => {
  const path = "../../../tests/parquet/clicks.parquet";
  for (const source of [path, fs.readFileSync(path)]) {
    const ages = [];
    for await (const { columns } of await parquetParts(source, { columns: ["age"] })) ages.push(...columns.age.values);
    assert.deepEqual(ages, [73, 58, 18, NaN, 31]);
  }
};

steps["define, train, evaluate and predict on reference, wasm, cpu and onnx"] = async () => {
  const table = await readCsv("a.csv", { columns });
  const features = fit({ age: numeric(), job: category() }, table);
  data = rows(encode(features, table), { labels: labels(table, { click: "click", like: "like" }) });
  spec = define(mmoe({ input: features, expert: dense(4), experts: 3, tasks: { click: binary(), like: binary() } }));
  for (const [name, engine] of Object.entries(engines)) {
    const model = await compile(spec, { engine: engine(), seed: 7 });
    let steps = 0;
    for await (const _ of train(model, data, { epochs: 3, batch: 32 })) steps++;
    assert.equal(steps, 30);
    trained[name] = model;
    const { loss } = await evaluate(model, data);
    const wanted = await evaluate(trained.reference, data);
    assert.ok(Math.abs(loss.click - wanted.loss.click) < 1e-4, name);
    near((await model.predict(data)).click, (await trained.reference.predict(data)).click, 1e-4);
  }
  const best = await compile(spec);
  assert.equal(best.engine.name, "tfjs:wasm");
  assert.equal(best.engine.note, undefined);
};

steps["train for each task, and predict each by its own best"] = async () => {
  const model = await compile(spec, { engine: reference(), seed: 7 });
  const stopping = { task: { click: 1, like: 1 }, best: "each", patience: 9 };
  for await (const _ of train(model, data, { epochs: 3, batch: 32, validation: data, stopping })) { /* goes on */ }
  const best = await main.bestByTask(model);
  assert.equal((await best.predict(data)).click.length, 300);
  [model, best].forEach((one) => one.dispose());
};

steps["features of the past, saved and loaded"] = async () => {
  const table = await readCsv("a.csv", { columns });
  const past = history({ seen: count({ by: "job" }) }, { time: "time" });
  const time = { kind: "number", values: Float64Array.from({ length: 300 }, (_, row) => row) };
  const { table: made, state } = past.over(main.withColumns(table, { time }));
  assert.deepEqual([...made.columns.seen.values.subarray(0, 4)], [0, 0, 1, 1]);
  await saveHistory(state, "past");
  assert.deepEqual(await loadHistory("past"), state);
};

steps["save, load and save again, from a path, a URL, a server and files"] = async () => {
  const { click } = await trained.wasm.predict(data);
  const again = async (from) => {
    const model = await load(from, { engine: wasm(), tasks: ["click", "like"] });
    assert.deepEqual((await model.predict(data)).click, click);
    return model;
  };
  await save(trained.wasm, "deep/model");
  assert.deepEqual(fs.readdirSync("deep/model").sort(), ["params.safetensors", "spec.json"]);
  assert.deepEqual(fs.readdirSync("deep"), ["model"]);
  fs.chmodSync("deep/model/spec.json", 0o600);
  fs.symlinkSync("model", "deep/linked");
  await save(await again("deep/model"), "deep/linked");
  assert.equal(fs.statSync("deep/model/spec.json").mode & 0o777, 0o600);
  await again("deep/linked");
  await again(pathToFileURL(fs.realpathSync("deep/model")));
  const file = (name) => fs.readFileSync(`deep/model/${name}`);
  await again({ "spec.json": new Blob([file("spec.json")]), "params.safetensors": file("params.safetensors") });
  const server = http.createServer(({ url }, response) => {
    const path = `deep${new URL(url, "http://a").pathname}`;
    response.statusCode = fs.existsSync(path) ? 200 : 404;
    response.end(fs.existsSync(path) ? fs.readFileSync(path) : "none");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  await again(`${address}/model`);
  await assert.rejects(
    () => load(`${address}/none/`),
    new RegExp(`^Error: Cannot load model\n  at ${address}/none/spec.json: found status 404`),
  );
  server.closeAllConnections?.();
  server.close();
};

steps["answers requests to models of a folder"] = async () => {
  await save(trained.reference, "models/visitors/1");
  const models = await openModels("models", { engine: reference(), every: 0 });
  const body = JSON.stringify({ instances: [{ age: 31, job: "smith" }, { age: 60, job: null }] });
  const request = new Request("http://localhost/v1/models/visitors:predict", { method: "POST", body });
  const { predictions } = await (await handler(models)(request)).json();
  const { features } = trained.reference.spec.input;
  const { click } = await trained.reference.predict(encode(features, { age: [31, 60], job: ["smith", null] }));
  near(predictions.map(({ click }) => click), click, 1e-6);

  // By node:http, as adapters do: headers and bodies as streams.
  const answer = handler(models);
  const server = http.createServer(async (asked, out) => {
    const { method, url, headers } = asked;
    const response = await answer(new Request(`http://a${url}`, { method, headers, body: asked, duplex: "half" }));
    out.writeHead(response.status, Object.fromEntries(response.headers));
    for await (const part of response.body) out.write(part);
    out.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/v1/models/visitors:predict`;
  const headers = { "content-type": "application/json" };
  assert.deepEqual(await (await fetch(url, { method: "POST", headers, body })).json(), { predictions });
  const wrong = await fetch(url, { method: "POST", headers, body: '{"instances": [{"age": "x"}]}' });
  assert.equal(wrong.status, 400);
  assert.match((await wrong.json()).error, /age/);
  server.closeAllConnections?.();
  server.close();
  await models.close();
};

steps["a large vocabulary is saved in a file of its own, and loaded"] = async () => {
  const users = Array.from({ length: 1500 }, (_, i) => `user ${i} é`);
  const features = fit({ user: category() }, { user: users });
  const model = await compile(define({ input: features, tasks: { click: binary() } }), { engine: reference() });
  await save(model, "words");
  assert.equal(fs.readdirSync("words").filter((name) => /^words-[0-9a-f]{16}\.safetensors$/.test(name)).length, 1);
  const loaded = await load("words", { engine: reference() });
  assert.deepEqual(loaded.spec, model.spec);
  assert.deepEqual(await loaded.parameters(), await model.parameters());
  await save(loaded, "words");
  assert.equal(fs.readdirSync("words").length, 3);
};

steps["saving and loading say what is wrong"] = async () => {
  fs.mkdirSync("mine");
  fs.writeFileSync("mine/notes.txt", "mine");
  await assert.rejects(() => save(trained.wasm, "mine"), {
    name: "AlreadyExists",
    message: /notes\.txt, which would be lost/,
  });
  await assert.rejects(() => load("none"), {
    name: "NotFound",
    code: "ENOENT",
    message: /^Cannot load model\n {2}at none: no folder found/,
  });
  await assert.rejects(() => load("a.csv"), { name: "NotADirectory", message: /found a file, wanted a folder/ });
  fs.symlinkSync("nothing", "dangling");
  await assert.rejects(() => save(trained.wasm, "dangling"), { name: "NotFound", message: /found a link to nothing/ });
  assert.deepEqual(fs.readdirSync("mine"), ["notes.txt"]);
};

steps["two processes save to one folder, and a third always loads a whole model"] = async () => {
  await save(trained.wasm, "shared");
  const stdio = ["ignore", "inherit", "inherit"];
  const savers = ["1", "2"].map((width) => spawn(process.execPath, [process.argv[1], "save", width], { stdio }));
  let running = 2;
  const ends = savers.map((saver) => new Promise((resolve) => saver.on("exit", (code) => (running--, resolve(code)))));
  let loads = 0;
  for (; running > 0; loads++) await load("shared", { engine: reference() });
  assert.deepEqual(await Promise.all(ends), [0, 0]);
  assert.ok(loads > 0);
  assert.deepEqual(fs.readdirSync("shared").sort(), ["params.safetensors", "spec.json"]);
};

steps["the lock of a killed process is broken at once"] = async () => {
  const { pid } = spawnSync(process.execPath, ["--version"]);
  fs.writeFileSync("shared/.gatehouse-new-00000000", `${os.hostname()} ${pid} x`);
  const start = Date.now();
  await save(trained.wasm, "shared");
  assert.ok(Date.now() - start < 5000);
  assert.deepEqual(fs.readdirSync("shared").sort(), ["params.safetensors", "spec.json"]);
};

steps["a training goes on from its checkpoint to the same parameters, and holds its folder"] = async () => {
  const spec = define({ input: 1, tasks: { click: binary() } });
  const data = rows([[-1], [0], [1], [2]], { labels: { click: [0, 0, 1, 1] } });
  const run = async (stop, more = {}) => {
    const model = await compile(spec, { engine: reference() });
    for await (const { step } of train(model, data, { epochs: 2, batch: 1, ...more })) if (step === stop) break;
    return model;
  };
  const more = { checkpoint: { folder: "run", every: { steps: 1 } }, resume: "run" };
  const model = await run(3, more);
  for await (const _ of train(model, data, { epochs: 2, batch: 1, ...more })) {
    await assert.rejects(() => run(9, more), /another training writes there/);
    break;
  }
  const [resumed, whole] = [await run(Infinity, more), await run(Infinity)];
  assert.deepEqual(await resumed.parameters(), await whole.parameters());
  assert.deepEqual(fs.readdirSync("run").sort(), ["step-00000006", "step-00000007", "step-00000008"]);
};

steps["wasm shares large products among threads, to the same bits, and the program ends at once"] = () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [process.argv[1], "threads"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const [two, one, end] = stdout.trim().split("\n");
  assert.equal(two, one);
  assert.ok(Date.now() - Number(end) < 5000, "threads that have nothing to do keep no program alive");
};

steps["saveGraphModel and saveOnnx"] = async () => {
  await saveGraphModel(trained.wasm, "served");
  await saveGraphModel(trained.wasm, "served");
  assert.ok(fs.existsSync("served/model.json"));
  await saveOnnx(trained.wasm, "served.onnx");
  assert.ok(fs.statSync("served.onnx").size > 500);
};

function near(found, wanted, most) {
  assert.equal(found.length, wanted.length);
  found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < most, `${value} and ${wanted[i]} at ${i}`));
}

if (process.argv[2] === "save") {
  const other = define({ input: Number(process.argv[3]), tasks: { click: binary() } });
  const model = await compile(other, { engine: reference() });
  for (let i = 0; i < 20; i++) await save(model, "shared");
} else if (process.argv[2] === "threads") {
  const wide = define({ input: 300, tasks: { click: binary(dense(400)) } });
  const inputs = { input: Float32Array.from({ length: 512 * 300 }, (_, at) => Math.sin(at)) };
  const some = { count: 512, inputs, labels: { click: Float32Array.from({ length: 512 }, (_, at) => at % 2) } };
  for (const threads of [2, 1]) {
    const model = await compile(wide, { engine: wasm({ threads }) });
    assert.equal(model.engine.note, undefined);
    for await (const { total, step } of train(model, some, { steps: 5, batch: 512 })) {
      if (step === 5) console.log(total);
    }
  }
  console.log(Date.now());
} else {
  for (const [name, step] of Object.entries(steps)) {
    await step();
    console.log(`ok: ${name}`);
  }
}
