import { assert, assertEquals, assertRejects } from "@std/assert";
import { adam, binary, define, fit, numeric, regression, rows, sgd, SpecError } from "../mod.ts";
import { parquetDataset, parquetParts } from "../lib/parquet.ts";
import { searchOnRay, type SearchOptions, trainOnRay, type TrainOnRayOptions } from "../lib/ray.ts";
import { ladderOf } from "../lib/ray/search.ts";
import { type FakeJob, type FakeRay, fakeRay } from "./ray_fake.ts";
import { withTemp } from "./temp.ts";

const spec = define({ input: 2, tasks: { click: binary(), price: regression() } });
const x = Array.from({ length: 64 }, (_, i) => [Math.sin(i), Math.cos(3 * i)]);
const data = rows(x, { labels: { click: x.map(([a]) => a > 0), price: x.map(([, b]) => b) } });
const done = (steps: number): FakeJob => {
  const log = Array.from(
    { length: steps },
    (_, i) => `${JSON.stringify({ epoch: i + 1, step: i + 1, loss: { click: 1 } })}\n`,
  );
  return { looks: [{ status: "SUCCEEDED", log: `${log.join("")}{"model": "/mnt/run/model", "steps": ${steps}}\n` }] };
};

/** Returns a fake cluster whose checks succeed, and whose other jobs go as a function of their name says. */
function cluster(jobOf: (name: string) => FakeJob): FakeRay {
  const fake: FakeRay = fakeRay((id) => {
    const { name } = fake.submitted.get(id)!.metadata as { readonly name: string };
    return name === "check" ? { looks: [{ status: "SUCCEEDED", log: '{"checked": {}}' }] } : jobOf(name);
  }, { token: "secret" });
  return fake;
}

const commandsOf = (fake: FakeRay) => [...fake.submitted.values()].map(({ entrypoint }) => entrypoint as string);

Deno.test("trainOnRay() has the cluster checked, writes the job to the storage, and sends it", async () => {
  await withTemp(async (dir) => {
    const fake = cluster(() => done(3));
    const storage = { cluster: "/mnt/the run", here: `${dir}/run` };
    const options = {
      cluster: fake.cluster,
      data,
      storage,
      every: 5,
      batch: 16,
      workers: 2,
      packages: ["onnxruntime==1"],
    };
    const run = await trainOnRay(spec, { ...options, name: "clicks", cpus: 3 });
    assertEquals((await Array.fromAsync(run)).map(({ step }) => step), [1, 2, 3]);
    const [check, train] = commandsOf(fake);
    assert(check.startsWith("test -f '/mnt/the run/.gatehouse-check-"), check);
    assert(check.endsWith("python program.py --check --storage '/mnt/the run' --workers 2 --cpus 3"), check);
    const words = "--job '/mnt/the run/job' --storage '/mnt/the run' --fresh --workers 2 --cpus 3";
    assertEquals(train, `python program.py ${words}`);
    const [, { runtime_env: { pip, working_dir }, metadata }] = [...fake.submitted.values()] as [
      unknown,
      { runtime_env: { pip: string[]; working_dir: string }; metadata: Record<string, string> },
    ];
    assertEquals([pip, metadata.name], [["onnxruntime==1"], "clicks"]);
    assert(fake.packages.has(working_dir.replace("gcs://", "")));
    const job = JSON.parse(await Deno.readTextFile(`${dir}/run/job/job.json`));
    assertEquals([job.batch, job.name], [16, "clicks"]);
    assertEquals([...Deno.readDirSync(`${dir}/run`)].map(({ name }) => name).sort(), ["data", "job", "job.id"]);
    const before = (await Deno.stat(`${dir}/run/data`)).mtime;
    const again = await trainOnRay(spec, { ...options, id: "again", resume: true, records: 2.5 });
    assertEquals((await Deno.stat(`${dir}/run/data`)).mtime, before);
    assertEquals(again.id, "again");
    const resumed = words.replace(" --fresh", " --records 2.5").replace("--cpus 3", "--cpus 1"); // it goes on from its checkpoints
    assertEquals(commandsOf(fake).at(-1), `python program.py ${resumed}`);
    await assertRejects(() => trainOnRay(spec, { ...options, id: "again" }), Error, "the cluster has a job again");
  });
});

Deno.test("trainOnRay() opens Parquet files by their names, and encodes what a dataset of them gives", async () => {
  await withTemp(async (dir) => {
    const files = "tests/parquet/clicks.parquet";
    const input = await fit({ age: numeric({ missing: "mean" }) }, await parquetParts(files, { columns: ["age"] }));
    const model = define({ input, tasks: { age: regression() } });
    const encoded = async (name: string, data: TrainOnRayOptions["data"]) => {
      const fake = cluster(() => done(1));
      const options = { cluster: fake.cluster, storage: `${dir}/${name}`, every: 5, batch: 4, lanes: 1 };
      await trainOnRay(model, { ...options, data, validation: data });
      const read = (set: string) => Deno.readFile(`${dir}/${name}/data/${set}/part-00000.parquet`);
      return [await read("train"), await read("validation")];
    };
    const wanted = await encoded("dataset", await parquetDataset(model, [files, files]));
    assertEquals(await encoded("names", [files, files]), wanted);
  });
});

Deno.test("trainOnRay() leaves a storage alone in which another job trains", async () => {
  await withTemp(async (dir) => {
    const fake = cluster((name) => name === "first" ? { looks: [{ status: "RUNNING", log: "" }] } : done(1));
    const options = { cluster: fake.cluster, data, storage: dir, every: 5, batch: 16 };
    const first = await trainOnRay(spec, { ...options, name: "first", id: "first" });
    const before = await Deno.readTextFile(`${dir}/job/job.json`);
    const second = () => trainOnRay(spec, { ...options, batch: 32 });
    const error = await assertRejects(second, Error, "job first trains there: wanted another storage, or its end");
    assert(error.message.startsWith("Cannot train on Ray\n  at "), error.message);
    assertEquals(await Deno.readTextFile(`${dir}/job/job.json`), before);
    await first.stop();
    assertEquals((await Array.fromAsync(await second())).length, 1);
  });
});

Deno.test("trainOnRay() finds mistakes before the cluster is asked, and the cluster's before rows are read", async () => {
  await withTemp(async (dir) => {
    const error = { message: "it lacks pyarrow", where: "node 10.0.0.2", remedy: "pip install pyarrow" };
    const fake = cluster(() => done(1));
    const lacking = fakeRay({ looks: [{ status: "FAILED", log: JSON.stringify({ error }) }] });
    const unread = {
      ...data,
      get inputs(): never {
        throw new Error("the rows were read");
      },
    };
    const options = { cluster: fake.cluster, data: unread, storage: dir, every: 5 };
    const table: readonly [Partial<Record<keyof TrainOnRayOptions | "x" | "average", unknown>>, string][] = [
      [{ x: 1 }, 'option "x" is unknown'],
      [{ epochs: -1 }, "epochs"],
      [{ average: 0.9 }, "average is of train() alone: averages are not taken there"],
      [{ workers: 0 }, "workers must be a whole number of at least 1"],
      [{ storage: "" }, "storage must be a folder"],
      [{ storage: "https://store/run" }, "storage is an address, where nothing is written"],
      [{ storage: { cluster: "run", here: dir } }, "storage.cluster must be a whole path"],
      [{ packages: [1] }, "a package must be a text"],
      [{ cluster: { ...fake.cluster, token: "other" } }, "the token is refused"],
      [{ cluster: lacking.cluster }, "node 10.0.0.2: it lacks pyarrow: pip install pyarrow"],
    ];
    for (const [more, text] of table) {
      const given = { ...options, ...more } as TrainOnRayOptions<"click" | "price">;
      const thrown = await assertRejects(() => trainOnRay(spec, given), Error, text);
      assert(/^Cannot (train on Ray|train|write job)/.test(thrown.message), thrown.message);
      assertEquals([...Deno.readDirSync(dir)], [], text);
    }
    assertEquals(commandsOf(fake), []);
    const many = { ...options, data, workers: 9 };
    await assertRejects(() => trainOnRay(spec, many), RangeError, "9 workers share");
  });
});

Deno.test("trainOnRay() leaves no job behind where its signal aborts while one is sent", async () => {
  await withTemp(async (dir) => {
    for (const at of [1, 2]) { // the check, and the training
      const fake = cluster(() => ({ looks: [{ status: "RUNNING", log: "" }] }));
      const stop = new AbortController();
      let sent = 0;
      const fetch = async (url: URL, init: RequestInit) => {
        const isSent = init.method === "POST" && url.pathname === "/api/jobs/" && ++sent === at;
        const response = await fake.cluster.fetch!(url, init);
        if (isSent) stop.abort(new Error("enough"));
        init.signal?.throwIfAborted();
        return response;
      };
      const options = { cluster: { ...fake.cluster, fetch }, data, storage: `${dir}/${at}`, every: 5 };
      await assertRejects(() => trainOnRay(spec, { ...options, signal: stop.signal }), Error, "enough");
      assertEquals(fake.stopped, new Set([[...fake.submitted.keys()].at(-1)!]));
      assertEquals([...Deno.readDirSync(`${dir}/${at}`)].filter(({ name }) => name.startsWith(".")), []);
    }
  });
});

Deno.test("ladderOf() lets the best third at a rung go on, as they come", () => {
  const goesOn = ladderOf({ from: 1, factor: 3, epochs: 9 });
  assertEquals([5, 4, 6, 3, 5.5, 1, 7].map((score) => goesOn(1, score)), [true, false, true, false, true, false, true]);
  assertEquals([goesOn(2, -9), goesOn(9, -9), goesOn(3, 1), goesOn(3, 0), goesOn(3, NaN)], [
    ...[true, true, true, false, false],
  ]);
});

Deno.test("searchOnRay() stops what others leave behind, and returns all trials, the best first", async () => {
  await withTemp(async (dir) => {
    const losses: Record<string, readonly (number | null)[]> = {
      good: [0.5, 0.4, 0.3, 0.2],
      better: [0.4, 0.3, 0.2, 0.1],
      bad: [0.9, 0.8, 0.7, 0.6],
      nothing: [null],
    };
    const fake: FakeRay = cluster((name) => {
      if (name === "broken") return { looks: [{ status: "FAILED", log: '{"error": {"message": "no memory"}}' }] };
      const records = losses[name].map((value, i) => {
        const validation = { loss: { click: value, price: 0 }, metrics: { click: { auc: 0.5 }, price: {} } };
        return JSON.stringify({ epoch: i + 1, step: 2 * i + 2, loss: { click: 1, price: 1 }, validation });
      });
      const log = `${records.join("\n")}\n{"model": "/elsewhere/model"}\n`;
      return { looks: [{ status: "RUNNING", log: `${records[0]}\n` }, { status: "SUCCEEDED", log }] };
    });
    const trials = {
      good: { spec, optimiser: adam(1e-2) },
      bad: { spec, optimiser: sgd(1e-9) },
      broken: { spec },
      nothing: { spec },
      better: { spec, batch: 16 },
    };
    const events: unknown[] = [];
    const options: SearchOptions<"click" | "price"> = {
      ...{ cluster: fake.cluster, storage: dir, data, validation: data, epochs: 4, every: 5, atOnce: 1, batch: 32 },
      ...{ watch: { task: "click" }, report: (event: unknown) => void events.push(event) },
    };
    const found = await searchOnRay(trials, options);
    assertEquals(found.map(({ name, status, value, curve }) => [name, status, value, curve.length]), [
      ["better", "done", 0.1, 4],
      ["good", "done", 0.2, 4],
      ["bad", "stopped", 0.9, 1],
      ["broken", "failed", NaN, 0],
      ["nothing", "stopped", NaN, 1],
    ]);
    assertEquals(found[0].stored, "/elsewhere/model");
    assertEquals(found[0].spec, spec);
    assert(found[3].error!.includes("no memory"));
    assertEquals(events.length, 15);
    const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
    assertEquals([names.length, names[1]], [2, "trials"]); // all trials share one copy of the rows
    const jobs = [1, 5].map((at) => JSON.parse(Deno.readTextFileSync(`${dir}/trials/${at}/job/job.json`)));
    assertEquals(
      jobs.map(({ batch, data: { folder } }) => [batch, folder]),
      [32, 16].map((batch) => [
        ...[batch, `../../${names[0]}`],
      ]),
    );
    const most = await searchOnRay({ nothing: trials.nothing }, {
      ...options,
      watch: { task: { click: 2 }, metric: "auc" },
    });
    assertEquals(most[0].value, 1);
  });
});

Deno.test("searchOnRay() says what is wrong with trials and what is watched", async () => {
  const fake = cluster(() => done(1));
  const base = { cluster: fake.cluster, storage: "out/nowhere", data, validation: data, epochs: 2 };
  const watch = { task: "click" };
  const table: readonly [unknown, object, string][] = [
    [{}, { watch }, "there are no trials"],
    [{ a: { spec: 1 } }, { watch }, "Cannot"],
    [{ a: { spec, epochs: 1 } }, { watch }, 'option "epochs" is unknown'],
    [{ a: { spec, batch: 0 } }, { watch }, "batch"],
    [{ a: { spec }, b: { spec: { ...spec, tasks: {} } } }, { watch }, 'in the trial "b"'],
    [{ a: { spec } }, { watch: { task: "clik" } }, 'no task "clik": did you mean "click"?'],
    [{ a: { spec } }, { watch: { task: "click", metric: "acu" } }, 'did you mean "auc"?'],
    [{ a: { spec } }, { watch: { task: "click" }, validation: undefined }, "validation is missing"],
    [{ a: { spec } }, { watch, rungs: { factor: 1 } }, "rungs.factor must be a whole number of at least 2"],
    [{ a: { spec } }, { watch, atOnce: 0 }, "atOnce must be"],
  ];
  for (const [trials, more, text] of table) {
    await assertRejects(() => searchOnRay(trials as never, { ...base, ...more } as never), Error, text);
  }
  const nothing = new SpecError("define model", []);
  const throwing = {
    spec,
    get batch(): never {
      throw nothing;
    },
  };
  const error = await assertRejects(
    () => searchOnRay({ a: throwing }, { ...base, watch, every: 5 } as never),
    TypeError,
  );
  assertEquals([error.message, error.cause], ['Cannot define model\n  in the trial "a"', nothing]);
  assertEquals(nothing.message, "Cannot define model");
  assertEquals(fake.heard, []);
});

Deno.test("searchOnRay() stops all its jobs when its signal aborts", async () => {
  await withTemp(async (dir) => {
    const fake = cluster(() => ({ looks: [{ status: "RUNNING", log: "" }] }));
    const stop = new AbortController();
    const options = { cluster: fake.cluster, storage: dir, data, validation: data, epochs: 2, every: 5, atOnce: 2 };
    const trials = { a: { spec }, b: { spec }, c: { spec } };
    const found = searchOnRay(trials, { ...options, watch: { task: "click" }, signal: stop.signal });
    while (fake.submitted.size < 3) await new Promise((resolve) => setTimeout(resolve, 5)); // the check, and two trials
    await new Promise((resolve) => setTimeout(resolve, 50));
    stop.abort(new Error("enough"));
    await assertRejects(() => found, Error, "enough");
    assertEquals(fake.stopped.size, 2);
  });
});
