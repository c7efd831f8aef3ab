/**
 * What users of the packed package do in a browser: read files, train, predict and load. Runs in a frame for each way in
 * which the .wasm files are found, by the frame's path: `given` as an option, `beside` the bundle, or `nowhere`; reports
 * to the server.
 */
import * as main from "@gatehouse/gatehouse";
import { encodeSafetensors } from "@gatehouse/gatehouse/graph";

const { binary, category, compile, define, dense, encode, fit, labels, load, mmoe, numeric } = main;
const { readCsv, reference, rows, save, streamCsv, train, wasm } = main;

const way = location.pathname.split("/")[1];
const columns = { age: "number", job: "text", click: "number" };

function check(holds, what) {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}

async function refused(work, says) {
  const message = await work().then(() => "nothing", (error) => `${error.name}: ${error.message}`);
  check(message.includes(says), `${message} contains ${says}`);
}

async function reads() {
  const bytes = new Uint8Array(await (await fetch("/a.csv")).arrayBuffer());
  const wanted = JSON.stringify(await readCsv(bytes, { columns }));
  const zipped = await (await fetch("/a.csv.gz")).blob();
  const sources = {
    "a File": new File([bytes], "a.csv"),
    "a gzip File": new File([zipped], "a.csv.gz"),
    "a Response": await fetch("/a.csv"),
    "a gzip Response": await fetch("/a.csv.gz"),
    "a stream": zipped.stream(),
    "a URL": new URL("/a.csv.gz", location.href),
    "a buffer": bytes.buffer,
  };
  for (const [what, source] of Object.entries(sources)) {
    check(JSON.stringify(await readCsv(source, { columns })) === wanted, `${what} is read`);
  }
  const sha256 = (await (await fetch("/sha256")).text()).trim();
  check(JSON.stringify(await readCsv(zipped, { columns, sha256 })) === wanted, "the hash is the file's");
  let count = 0;
  for await (const part of streamCsv(zipped, { columns, rows: 7 })) count += part.count;
  check(count === 300, "the stream has all rows");
  await refused(() => readCsv("a.csv", { columns }), "wanted a URL, bytes, a Blob or a Response");
  await refused(() => readCsv(new URL("/none.csv", location.href), { columns }), "/none.csv: found status 404");
  await refused(() => readCsv(zipped.slice(0, 100), { columns }), "the gzip data is cut short");
  return await readCsv(bytes, { columns });
}

async function loads(engine) {
  const { inputs, click } = await (await fetch("/wanted.json")).json();
  const url = new URL("/model/", location.href);
  const names = ["spec.json", "params.safetensors"];
  const picked = await Promise.all(
    names.map(async (name) => new File([await (await fetch(`/model/${name}`)).blob()], name)),
  );
  for (const from of [url, url.href, Object.fromEntries(picked.map((file) => [file.name, file]))]) {
    const model = await load(from, { engine });
    const found = await model.predict(rows(inputs));
    check(click.every((value, i) => Math.abs(value - found.click[i]) < 1e-5), "a loaded model predicts as it did");
  }
  await refused(() => load(new URL("/none", location.href)), "/none/spec.json: found status 404");
  await refused(
    () => load("./model"),
    'wanted a URL, or the files by name: { "spec.json": ..., "params.safetensors": ... }',
  );
}

async function trains(table, engine) {
  const features = fit({ age: numeric(), job: category() }, table);
  const data = rows(encode(features, table), { labels: labels(table, { click: "click" }) });
  const spec = define(mmoe({ input: features, expert: dense(4), experts: 3, tasks: { click: binary() } }));
  const found = [];
  for (const on of [engine, reference()]) {
    const model = await compile(spec, { engine: on, seed: 7 });
    let steps = 0;
    for await (const _ of train(model, data, { epochs: 2, batch: 32 })) steps++;
    check(steps === 20, "it trains");
    found.push((await model.predict(data)).click);
    await refused(() => save(model, "model"), "wanted JSON.stringify(model.spec) and encodeSafetensors(");
    const files = {
      "spec.json": JSON.stringify(model.spec),
      "params.safetensors": encodeSafetensors(await model.parameters()),
    };
    const loaded = await load(files, { engine: on });
    const [one, other] = [await model.predict(data), await loaded.predict(data)];
    check(one.click.every((value, i) => Math.abs(value - other.click[i]) < 1e-5), "a model is kept as its two files");
  }
  check(found[0].every((value, i) => Math.abs(value - found[1][i]) < 1e-4), "it predicts as the reference does");
}

async function run() {
  const said = [];
  const { error } = console;
  console.error = (...words) => said.push(words.join(" "));
  const { engine } = await compile(define({ input: 1, tasks: { a: binary() } }), {
    engine: way === "given" ? wasm({ path: "/wasm" }) : undefined,
  });
  await compile(define({ input: 1, tasks: { a: binary() } }), way === "given" ? { engine } : {});
  console.error = error;
  if (way === "nowhere") {
    const note = `Running on cpu(), up to ten times slower than wasm(): Cannot start the tfjs engine: no file ` +
      `${location.origin}/nowhere/tfjs-backend-wasm-simd.wasm found: copy it there from npm's ` +
      `@tensorflow/tfjs-backend-wasm, or give its folder by wasm({ path })`;
    check(engine.name === "tfjs:cpu" && engine.note === note, `the note ${engine.note} says why it is cpu`);
    check(JSON.stringify(said) === JSON.stringify([note]), `it is said once: ${JSON.stringify(said)}`);
    return;
  }
  check(engine.name === "tfjs:wasm" && said.length === 0, `it runs on wasm: ${engine.name} ${engine.note} ${said}`);
  const table = await reads();
  await trains(table, engine);
  await loads(engine);
}

const report = (result) => fetch("/result", { method: "POST", body: JSON.stringify({ way, ...result }) });
run().then(() => report({}), (error) => report({ error: `${error}\n${error.stack}` }));
