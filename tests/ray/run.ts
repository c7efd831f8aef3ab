/**
 * Trains on Ray: `deno task test:ray` installs it in `out/ray/venv`, at the versions and hashes of requirements.txt, and says
 * so where that cannot be done; tests the Python program; then trains on a real cluster, which it starts with a token and
 * ends: what comes back is what `train` gives, jobs are listened to again, stopped and searched, and mistakes are said.
 * `--quick`: some of the tests of the program. Words: the tests whose names have them, such as `test_laws` or `two workers`.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  adam,
  binary,
  category,
  compile,
  cosineDecay,
  define,
  dense,
  embed,
  encode,
  fit,
  load,
  mlp,
  mmoe,
  type Model,
  pipe,
  reference,
  rows,
  sgd,
  train,
  uncertainty,
} from "../../mod.ts";
import { attach, type Cluster, searchOnRay, trainOnRay } from "../../lib/ray.ts";
import { localRay } from "../../examples/local_ray.ts";
import { pythonOf, ran } from "../environment.ts";
import { finished, interrupted, start } from "../programs.ts";
import { wrongIn } from "./kuberay.ts";
import { modules, programTested } from "./python.ts";

/** What `--quick` runs: tests of the program, and some of those below. */
const quick = {
  program: [
    "test_pieces",
    "test_jobs.Jobs.test_dense",
    "test_laws.Laws.test_kills",
    "test_failures.Nodes.test_driver_restarted",
  ],
  trainings: /^two workers|^one worker|^a checkpoint/,
};

const x = Array.from({ length: 1000 }, (_, i) => [Math.sin(i), Math.cos(7 * i), Math.sin(3 * i)]);
const labels = { click: x.map(([a, b]) => a > b), like: x.map(([a, b, c], i) => i % 3 === 0 ? null : a * b > c) };
const data = rows(x, { labels });
const tasks = { click: binary(mlp([4])), like: binary() };
const spec = define(mmoe({ input: 3, expert: mlp([8]), experts: 2, tasks }));

type Test = (cluster: Cluster, folder: string) => Promise<void>;

const tests: Readonly<Record<string, Test>> = {
  "two workers give what one machine gives": async (cluster, folder) => {
    const given = { epochs: 3, batch: 64, optimiser: adam(1e-2), validation: data };
    const run = await trainOnRay(spec, {
      ...given,
      ...{ cluster, data, storage: folder, workers: 2, every: 300, lanes: 2, seed: 5 },
    });
    const found = await Array.fromAsync(run);
    const { model: place, steps, rows } = await run.result();
    assertEquals([steps, rows, found.length, found.at(-1)!.steps], [48, 3000, 48, 48]);
    const trained = await load(place!, { engine: reference() });
    // The same rows in the same order: those of two lanes side by side.
    const one = await trainOnRay(spec, {
      ...given,
      ...{ cluster, data, storage: folder, workers: 1, every: 300, lanes: 2, seed: 5 },
    });
    const { model: other } = await one.result();
    await near(trained, await load(other!, { engine: reference() }));
    const { metrics } = found.at(-1)!.validation!;
    assert(metrics.click.auc > 0.9, `AUC ${metrics.click.auc}`);
    const again = await Array.fromAsync(
      await attach<"click" | "like">(run.id, { cluster, storage: folder, every: 300 }),
    );
    assertEquals(again.map(({ loss }) => loss), found.map(({ loss }) => loss));
  },
  "one worker gives what train() gives": async (cluster, folder) => {
    const given = { epochs: 2, batch: 64, optimiser: adam(1e-2) };
    const model = await compile(spec, { seed: 5 });
    const losses = (await Array.fromAsync(train(model, data, { ...given, shuffle: false }))).map(({ loss }) =>
      loss.click
    );
    const run = await trainOnRay(spec, {
      ...given,
      ...{ cluster, data, storage: folder, lanes: 1, shuffle: false, seed: 5, every: 300 },
    });
    const found = (await Array.fromAsync(run)).map(({ loss }) => loss.click);
    found.forEach((loss, at) => assert(Math.abs(loss - losses[at]) < 1e-5, `step ${at + 1}: ${loss}, ${losses[at]}`));
    await near(await load((await run.result()).model!, { engine: reference() }), model);
  },
  "a checkpoint, its tables in shards, is a model that load() takes": async (cluster, folder) => {
    const column = { user: x.map((_, at) => `u${at * at % 97}`) };
    const input = fit({ user: category() }, column);
    const looked = define(mmoe({ input, expert: pipe(embed(3), dense(4)), experts: 2, tasks }));
    const data = rows(encode(input, column), { labels });
    const model = await compile(looked, { seed: 5 });
    const given = { batch: 64, optimiser: adam(1e-2), shuffle: false };
    for await (const _ of train(model, data, { ...given, steps: 8 }));
    const run = await trainOnRay(looked, {
      ...{ ...given, cluster, data, storage: folder, lanes: 1, shards: 3, seed: 5, every: 300 },
      ...{ steps: 24, checkpoint: { every: { steps: 8 }, keep: 9 } },
    });
    const { model: place } = await run.result();
    const checkpoint = (step: number) => `${folder}/checkpoints/step-${String(step).padStart(8, "0")}`;
    assert([...Deno.readDirSync(checkpoint(8))].some(({ name }) => name === "rows-00003-of-00003.safetensors"));
    await near(await load(checkpoint(8), { engine: reference() }), model);
    const [last, whole] = [await load(checkpoint(24), { engine: reference() }), await load(place!)];
    assertEquals(await last.parameters(), await whole.parameters());
    last.dispose();
    whole.dispose();
  },
  "a checkpoint goes on on one machine, and one of one machine goes on here": async (cluster, folder) => {
    const column = { user: x.map((_, at) => `u${at * at % 97}`) };
    const input = fit({ user: category() }, column);
    const looked = define(mmoe({ input, expert: pipe(embed(3), dense(4)), experts: 2, tasks }));
    const data = rows(encode(input, column), { labels });
    const given = { batch: 64, optimiser: adam(cosineDecay(1e-2, 40)), weighting: uncertainty() };
    const [here, there] = [`${folder}/here`, `${folder}/there`];
    const train8 = async (steps: number, more: object) => {
      const model = await compile(looked, { seed: 5 });
      for await (const _ of train(model, data, { ...given, steps, ...more }));
      return model;
    };
    const onRay = async (storage: string, steps: number) => {
      const more = {
        lanes: 1,
        shards: 3,
        seed: 5,
        every: 300,
        resume: true,
        checkpoint: { every: { steps: 8 }, keep: 9 },
      };
      return await (await trainOnRay(looked, { ...given, ...more, cluster, data, storage, steps })).result();
    };
    await onRay(here, 8);
    await near(await train8(20, { resume: `${here}/checkpoints` }), await train8(20, {}));
    const checkpoint = { folder: `${there}/checkpoints`, every: { steps: 8 } };
    (await train8(8, { checkpoint })).dispose();
    const { model } = await onRay(there, 20);
    await near(await load(model!), await train8(20, {}));
    const error = await assertRejects(() => train8(20, { resume: `${here}/checkpoints`, batch: 32 }), TypeError);
    assert(error.message.includes("batch: found 32, the checkpoint has 64"), error.message);
  },
  "a job is stopped, or left and listened to again": async (cluster, folder) => {
    const given = { cluster, data, storage: folder, epochs: 100_000, batch: 64, every: 300 };
    const stop = new AbortController();
    const run = await trainOnRay(spec, { ...given, signal: stop.signal, onAbort: "leave" });
    for await (const { step } of run) if (step === 3) break;
    stop.abort(new Error("enough"));
    await assertRejects(() => run.result(), Error, "enough");
    const second = await attach(run.id, { cluster, every: 300 });
    for await (const { step } of second) if (step === 5) break;
    await second.stop();
    await assertRejects(() => second.result(), Error, "the job was stopped");
  },
  "a log is read as it is sent, and asked for where that ends": async () => {
    const step = (step: number) => `${JSON.stringify({ epoch: 1, step, loss: { click: 1 / step } })}\n`;
    const log = [1, 2, 3, 4].map(step).join("");
    for (const sent of [log.length, step(1).length + 5]) {
      let [status, asked] = ["RUNNING", 0];
      const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
        assertEquals(request.headers.get("authorization"), "Bearer secret");
        const path = new URL(request.url).pathname;
        if (path === "/api/version") return Response.json({ ray_version: "2.60.0" });
        if (path === "/api/jobs/one") return Response.json({ status, message: "" });
        if (path === "/api/jobs/one/logs") {
          asked++;
          return Response.json({ logs: status === "RUNNING" ? log : `${log}{"model": "/mnt/model"}\n` });
        }
        assertEquals(path, "/api/jobs/one/logs/tail");
        const { socket, response } = Deno.upgradeWebSocket(request);
        socket.onopen = () => {
          for (let at = 0; at < sent; at += 7) socket.send(log.slice(at, Math.min(at + 7, sent)));
          if (sent < log.length) socket.close();
        };
        return response;
      });
      const cluster = { address: `http://127.0.0.1:${server.addr.port}`, token: "secret" };
      const run = await attach("one", { cluster, every: 20 });
      const steps: number[] = [];
      for await (const { step } of run) {
        if (steps.push(step) < 4) continue;
        if (sent === log.length) assertEquals(asked, 0);
        await new Promise((resolve) => setTimeout(resolve, 100));
        status = "SUCCEEDED";
      }
      assertEquals(steps, [1, 2, 3, 4]);
      if (sent === log.length) assertEquals(asked, 1);
      await server.shutdown();
    }
  },
  "what is wrong is said before rows are read": async (cluster, folder) => {
    const given = { cluster, data, storage: folder, every: 300 };
    const table: readonly [object, string][] = [
      [{ workers: 500 }, "CPU"],
      [{ storage: { cluster: "/no such folder", here: folder } }, "does not see the storage"],
      [{ cluster: { ...cluster, token: "another" } }, "the token is refused (status 403)"],
      [{ cluster: { address: cluster.address } }, "it wants a token (status 401)"],
    ];
    for (const [more, text] of table) {
      const begun = Date.now();
      const error = await assertRejects(() => trainOnRay(spec, { ...given, ...more }), Error, text);
      assert(Date.now() < begun + 60_000, `${text} took long`);
      assert(error.message.startsWith("Cannot train on Ray\n  at "), error.message);
    }
    assertEquals([...Deno.readDirSync(folder)], []);
  },
  "a search returns its trials, the best first, and goes on where one fails": async (cluster, folder) => {
    const others = [1e-5, 1e-6, 1e-7].map((rate) => [`still ${rate}`, { spec, optimiser: sgd(rate) }]);
    const trials = {
      ...{ fast: { spec, optimiser: adam(1e-2) }, wild: { spec, optimiser: sgd(1e38) }, ...Object.fromEntries(others) },
    };
    const given = { cluster, data, validation: data, storage: folder, epochs: 4, batch: 64, atOnce: 2, every: 300 };
    const found = await searchOnRay(trials, { ...given, watch: { task: "click", metric: "auc" } });
    assertEquals([found[0].name, found[0].status, found.length], ["fast", "done", 5]);
    (await load(found[0].model!, { engine: reference() })).dispose();
    const wild = found.find(({ name }) => name === "wild")!;
    assertEquals(wild.status, "failed");
    assert(wild.error!.startsWith("Cannot search on Ray\n  at job "), wild.error);
  },
  "a search that is stopped leaves no job running": async (cluster, folder) => {
    const stop = new AbortController();
    const trials = Object.fromEntries([1, 2, 3].map((at) => [`${at}`, { spec, optimiser: sgd(at) }]));
    const given = { cluster, data, validation: data, storage: folder, epochs: 1e4, batch: 64, atOnce: 2, every: 300 };
    const report = () => stop.abort(new Error("enough")); // once one was judged
    const found = searchOnRay(trials, {
      ...given,
      rungs: { from: 1e4 },
      report,
      signal: stop.signal,
      watch: { task: "click" },
    });
    await assertRejects(() => found, Error, "enough");
    assertEquals(await running(cluster), []);
  },
  "the page's job of KubeRay has fields that KubeRay knows": async () => {
    const [, yaml] = Deno.readTextFileSync("lib/ray/README.md").match(/```yaml\n([^`]*)```/)!;
    const parse = `import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))`;
    const parsed = await ran("out/ray/venv/bin/python", ["-c", parse, yaml]);
    if ("failed" in parsed) throw new Error(parsed.failed);
    const job = JSON.parse(parsed.out);
    assertEquals(wrongIn(job), []);
    const { headGroupSpec, workerGroupSpecs } = job.spec.rayClusterSpec;
    for (const { template: { spec } } of [headGroupSpec, ...workerGroupSpecs]) {
      for (const { name } of spec.containers[0].volumeMounts) {
        assertEquals(spec.volumes.map((volume: { readonly name: string }) => volume.name), [name]);
      }
    }
    assertEquals(wrongIn({ ...job, spec: { ...job.spec, submissionMode: "interactive", jobID: "x" } }), [
      ...["spec.submissionMode is interactive", "spec has jobID"],
    ]);
  },
  "the command prints records and the model, and Ctrl-C stops its job": async (cluster, folder) => {
    const token = `${folder}/token`;
    await Deno.writeTextFile(token, `${cluster.token}\n`);
    const address = String(cluster.address);
    const args = ["--address", address, "--token", token, "--storage", `${folder}/run`, "--data", "examples/sample"];
    const short = [...args, "--unverified", "--batch", "64", "--workers", "1", "--engine", "cpu", "--json"];
    const { code, out, error } = await finished(start("ray", [...short, "--epochs", "1"]));
    assertEquals(code, 0, error);
    const lines = out.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.slice(0, -1).map(({ step }) => step), [1, 2, 3, 4]);
    (await load(lines.at(-1).model, { engine: reference() })).dispose();
    const endless = start("ray", [...short, "--epochs", "100000"]);
    const ended = await interrupted(endless, (out) => out.includes('"step":3'), "SIGINT");
    assertEquals(ended.code, 130, ended.error);
    const left = start("ray", [...short, "--epochs", "100000", "--leave"]);
    assertEquals((await interrupted(left, (out) => out.includes('"step":3'), "SIGTERM")).code, 143);
    const [id] = await running(cluster);
    const listening = start("ray", ["--address", address, "--token", token, "--attach", id, "--json"]);
    assertEquals((await interrupted(listening, (out) => out.includes('"step":4'), "SIGTERM")).code, 143);
    assertEquals(await running(cluster), []);
    const searching = start("ray", [...short, "--epochs", "2", "--search"]);
    const table = await finished(searching);
    assertEquals(table.code, 0, table.error);
    assertEquals(table.out.trim().split("\n").length, 9);
  },
};

/** Returns the ids of a cluster's jobs that have not ended. */
async function running({ address, token }: Cluster): Promise<readonly string[]> {
  const jobs: readonly { readonly submission_id: string; readonly status: string }[] =
    await (await fetch(`${address}/api/jobs/`, { headers: { authorization: `Bearer ${token}` } })).json();
  return jobs.filter(({ status }) => ["PENDING", "RUNNING"].includes(status)).map(({ submission_id }) => submission_id);
}

/** Makes sure that the parameters of two models are the same, to 1e-5, and frees both. */
async function near(model: Model, other: Model): Promise<void> {
  const [found, wanted] = [await model.parameters(), await other.parameters()];
  for (const [path, { data }] of Object.entries(wanted)) {
    data.forEach((value, at) => {
      const off = Math.abs(found[path].data[at] - value);
      assert(off < 1e-5, `${path}[${at}] is ${found[path].data[at]}, wanted ${value}`);
    });
  }
  model.dispose();
  other.dispose();
}

const isQuick = Deno.args.includes("--quick");
const words = Deno.args.filter((word) => word !== "--quick");
const named = words.filter((word) => word.startsWith("test_"));
const python = await pythonOf("out/ray/venv", ["--require-hashes", "--requirement", "tests/ray/requirements.txt"]);
if (python === undefined) Deno.exit(0);
const program = named.length > 0 ? named : words.length > 0 ? [] : isQuick ? quick.program : modules;
const passed = program.length > 0 ? await programTested(python, program) : 0;
const wanted = named.length > 0 ? [] : Object.entries(tests).filter(([name]) => {
  return words.every((word) => name.includes(word)) && (!isQuick || quick.trainings.test(name));
});
if (wanted.length > 0) await trained(wanted);
console.log(`ok | ${passed + wanted.length} passed | 0 failed`);

/** Runs tests on a cluster, each in a folder of its own. */
async function trained(wanted: readonly (readonly [name: string, test: Test])[]): Promise<void> {
  await Deno.mkdir("out/ray", { recursive: true });
  const folder = await Deno.makeTempDir({ dir: "out/ray", prefix: "run-" });
  const { cluster, stop } = await localRay(3, console.log, new AbortController().signal);
  try {
    for (const [at, [name, test]] of wanted.entries()) {
      const begun = Date.now();
      await Deno.mkdir(`${folder}/${at}`);
      await test({ ...cluster, patience: 180_000 }, `${folder}/${at}`); // its agent comes late on a busy machine
      console.log(`${name} (${((Date.now() - begun) / 1000).toFixed(0)} s)`);
    }
  } finally {
    await stop();
    await Deno.remove(folder, { recursive: true });
  }
}
