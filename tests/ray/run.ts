/**
 * Trains on a real Ray cluster, which it starts here with a token and ends: what comes back is what `train` gives, jobs are
 * listened to again, stopped and searched, and mistakes are said. Part of `deno task test:ray`, which installs Ray before.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { adam, binary, compile, define, load, mlp, mmoe, type Model, reference, rows, sgd, train } from "../../mod.ts";
import { attach, type Cluster, searchOnRay, trainOnRay } from "../../lib/ray.ts";
import { localRay } from "../../examples/local_ray.ts";
import { ran } from "../environment.ts";
import { finished, interrupted, start } from "../programs.ts";
import { wrongIn } from "./kuberay.ts";

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
  "a search returns its trials, the best first": async (cluster, folder) => {
    const trials = { fast: { spec, optimiser: adam(1e-2) }, still: { spec, optimiser: sgd(1e-9) } };
    const given = { cluster, data, validation: data, storage: folder, epochs: 4, batch: 64, atOnce: 2, every: 300 };
    const found = await searchOnRay(trials, { ...given, watch: { task: "click", metric: "auc" } });
    assertEquals(found.map(({ name }) => name), ["fast", "still"]);
    assertEquals(found[0].status, "done");
    (await load(found[0].model!, { engine: reference() })).dispose();
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
  },
};

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

if (!await Deno.stat("out/ray/venv/installed").then(({ isFile }) => isFile, () => false)) {
  console.log("SKIPPED: Ray is not installed in out/ray/venv: nothing was trained on a cluster");
  Deno.exit(0);
}
const wanted = Object.entries(tests).filter(([name]) => Deno.args.every((word) => name.includes(word)));
await Deno.mkdir("out/ray", { recursive: true });
const folder = await Deno.makeTempDir({ dir: "out/ray", prefix: "run-" });
const { cluster, stop } = await localRay(3, console.log, new AbortController().signal);
try {
  for (const [at, [name, test]] of wanted.entries()) {
    const begun = Date.now();
    await Deno.mkdir(`${folder}/${at}`);
    await test(cluster, `${folder}/${at}`);
    console.log(`${name} (${((Date.now() - begun) / 1000).toFixed(0)} s)`);
  }
  console.log(`ok | ${wanted.length} passed | 0 failed`);
} finally {
  await stop();
  await Deno.remove(folder, { recursive: true });
}
