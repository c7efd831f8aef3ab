import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { unzip } from "../lib/datasets/zip.ts";
import { jobsOf } from "../lib/ray/client.ts";
import { packageOf, zip } from "../lib/ray/package.ts";
import { type Cluster, RayError } from "../lib/ray/request.ts";
import { attach, type AttachOptions, type RayRun } from "../lib/ray/run.ts";
import { type FakeJob, type FakeRay, fakeRay } from "./ray_fake.ts";

const step = (step: number, more = {}) =>
  `${JSON.stringify({ epoch: 1, step, steps: 3, loss: { click: 1 / step, like: null }, rows: 8 * step, ...more })}\n`;
const ended = `${JSON.stringify({ model: "shared/run/model", steps: 3, rows: 24 })}\n`;
const done: FakeJob = { looks: [{ status: "SUCCEEDED", log: step(1) + step(2) + step(3) + ended }] };

/** Submits a job to a fake cluster and listens to it. */
async function listened(fake: FakeRay, more: Partial<AttachOptions> = {}): Promise<RayRun> {
  const jobs = jobsOf(fake.cluster, "train on Ray");
  await jobs.submit({ id: "gh-1", entrypoint: "python x.py", folder: "gcs://a.zip", packages: [], metadata: {} });
  return await attach("gh-1", { cluster: fake.cluster, every: 5, ...more });
}

const stepsOf = async (run: RayRun) => (await Array.fromAsync(run)).map(({ step }) => step);

Deno.test("zip() writes what unzip() reads, and the same bytes for the same files", async () => {
  const files = { "job.json": "{}", "graphs/größe.onnx": new Uint8Array(100_000).fill(7), empty: "" };
  const archive = zip(files);
  assertEquals(archive, zip(Object.fromEntries(Object.entries(files).reverse())));
  for (const [path, content] of Object.entries(files)) {
    const found = new Uint8Array(await new Response(unzip(archive, (name) => name === path)).arrayBuffer());
    assertEquals(found, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }
});

Deno.test("no error has the token, though the server sends it back, nor what commands a terminal", async () => {
  const token = "ae4c0ffe";
  type Fetch = NonNullable<Cluster["fetch"]>;
  const back = (status: number): Fetch => (_, { headers }) =>
    Promise.resolve(new Response(`\x1b[2J${JSON.stringify(headers)}`, { status }));
  const failing: Fetch = (_, { headers }) => Promise.reject(new Error(`\x1b[2J${JSON.stringify(headers)}`));
  for (const fetch of [back(200), back(400), back(500), failing]) {
    const jobs = jobsOf({ address: "http://head:8265", token, patience: 0, fetch }, "train on Ray");
    const { message } = await assertRejects(
      () => jobs.version(),
      Error,
      "Cannot train on Ray\n  at http://head:8265/api",
    );
    assert(message.includes("Bearer (the token)") && !message.includes(token) && !message.includes("\x1b"), message);
  }
  const failed = { status: "FAILED", log: `${JSON.stringify({ error: { message: "\x1b[2Jbad" } })}\n` } as const;
  const run = await listened(fakeRay({ looks: [failed] }));
  await assertRejects(() => run.result(), Error, "  at job gh-1:  [2Jbad");
});

Deno.test("packageOf() names a package by its contents", () => {
  const [one, same, other] = ["a", "a", "b"].map((text) => packageOf({ "x.txt": text }).name);
  assert(/^_ray_pkg_[\da-f]{32}\.zip$/.test(one));
  assertEquals([same === one, other === one], [true, false]);
});

Deno.test("jobsOf() uploads a package once, and submits by the path with a slash at its end", async () => {
  const fake = fakeRay(done, { token: "secret" });
  const jobs = jobsOf(fake.cluster, "train on Ray");
  assertEquals(await jobs.version(), "2.60.0");
  const files = packageOf({ "x.txt": "a" });
  for (let time = 0; time < 2; time++) assertEquals(await jobs.upload(files), `gcs://${files.name}`);
  await jobs.submit({ id: "gh-1", entrypoint: "e", folder: "gcs://x.zip", packages: ["a==1"], metadata: { k: "v" } });
  const said = fake.heard.map(({ method, path }) => `${method} ${path.replace(files.name, "P")}`);
  const packages = "/api/packages/gcs/P";
  assertEquals(said, [
    "GET /api/version",
    `GET ${packages}`,
    `PUT ${packages}`,
    `GET ${packages}`,
    "POST /api/jobs/",
  ]);
  assertEquals(fake.heard.every(({ token }) => token === "secret"), true);
  assertEquals(fake.packages.get(files.name), files.bytes);
  assertEquals(fake.submitted.get("gh-1"), {
    submission_id: "gh-1",
    entrypoint: "e",
    runtime_env: { working_dir: "gcs://x.zip", pip: ["a==1"] },
    metadata: { k: "v" },
  });
});

Deno.test("jobsOf() keeps the path of an address, as proxies have one", async () => {
  const fake = fakeRay(done);
  const urls: string[] = [];
  const fetch = (url: URL, init: RequestInit) => {
    urls.push(url.href);
    return fake.cluster.fetch!(new URL(url.href.replace("/ray/", "/")), init);
  };
  await jobsOf({ address: "https://proxy/ray", fetch }, "train on Ray").version();
  assertEquals(urls, ["https://proxy/ray/api/version"]);
});

Deno.test("jobsOf() refuses addresses and tokens that cannot be right, before anything is sent", () => {
  const wrong: readonly [unknown, string][] = [
    [{ address: "ray://head:10001" }, "Ray's client"],
    [{ address: "head:8265" }, "wanted the address of Ray's dashboard"],
    [{ address: "http://me:pass@head:8265" }, 'a token is given by "token"'],
    [{ address: "http://head:8265/?x=1" }, "more than a host and a path"],
    [{ address: 8265 }, "found 8265"],
    [{ address: "http://head:8265", token: "two words" }, "the token has spaces"],
    [{ address: "http://head:8265", token: 7 }, "token must be a text"],
    [{ address: "http://head:8265", patience: "long" }, "patience must be"],
    [{ address: "http://head:8265", tokn: "a" }, 'did you mean "token"'],
    ["http://head:8265", "cluster must be { address, token }"],
  ];
  for (const [cluster, text] of wrong) {
    const error = assertThrows(() => jobsOf(cluster as Cluster, "train on Ray"), TypeError, text);
    assert(!error.message.includes("pass"), error.message);
  }
});

Deno.test("jobsOf() says what is wrong with a cluster, and names its address", async () => {
  const down = (fake: FakeRay) => fake.trouble("GET", ...Array.from({ length: 20 }, () => "cut" as const));
  const says = (response: () => Response) => (fake: FakeRay) =>
    fake.trouble("GET", ...Array.from({ length: 20 }, response));
  const redirects = (location: string) => says(() => new Response(null, { status: 307, headers: { location } }));
  const kinds = { "down": "no answer", "no token": "token wanted", "another token": "token refused" } as const;
  const table: readonly [string, FakeRay, ((fake: FakeRay) => void) | undefined, Partial<Cluster>, string][] = [
    ["down", fakeRay(done), down, {}, "error sending request: reset by peer: wanted the address of Ray's dashboard"],
    [
      "no token",
      fakeRay(done, { token: "a" }),
      undefined,
      { token: undefined },
      "wants a token (status 401): wanted the cluster's, as its RAY_AUTH_TOKEN has it, by token",
    ],
    ["another token", fakeRay(done, { token: "a" }), undefined, { token: "b" }, "the token is refused (status 403)"],
    ["old", fakeRay(done, { version: "2.9.3" }), undefined, {}, "the cluster runs Ray 2.9.3: wanted 2.52 or newer"],
    ["another server", fakeRay(done), says(() => new Response("<html>")), {}, "answers with <html>: wanted Ray's"],
    ["nothing there", fakeRay(done), says(() => new Response("", { status: 404 })), {}, "found nothing there"],
    [
      "failing",
      fakeRay(done),
      says(() => new Response("Traceback\n  x\nOSError: disk", { status: 500 })),
      {},
      "OSError",
    ],
    ["busy", fakeRay(done), says(() => new Response("", { status: 503 })), {}, "found status 503"],
    ["turning", fakeRay(done), redirects("/api/version"), {}, "redirects again and again"],
    ["elsewhere", fakeRay(done, { token: "a" }), redirects("https://login/"), {}, "where the token is not sent"],
    ["clear", fakeRay(done, { token: "a" }), redirects("ftp://head/"), {}, "redirects to ftp:"],
  ];
  for (const [name, fake, spoil, more, text] of table) {
    spoil?.(fake);
    const jobs = jobsOf({ ...fake.cluster, ...more, patience: 600 }, "train on Ray");
    const error = await assertRejects(() => jobs.version(), Error, text, name);
    assert(error.message.startsWith("Cannot train on Ray"), name);
    assert(name === "old" || error.message.includes("http://head:8265/api/version"), error.message);
    const kind = name in kinds ? kinds[name as keyof typeof kinds] : "wrong answer";
    assert(name === "old" || error instanceof RayError && error.kind === kind, `${name}: ${Deno.inspect(error)}`);
  }
});

Deno.test("jobsOf() gives an answer up that does not come, and asks again", async () => {
  const fake = fakeRay(done);
  fake.trouble("GET /api/version", "cut", new Response("", { status: 502 }));
  assertEquals(await jobsOf(fake.cluster, "train on Ray").version(), "2.60.0");
  assertEquals(fake.heard.length, 3);
  const stop = new AbortController();
  fake.trouble("GET /api/version", "silent");
  const waiting = jobsOf(fake.cluster, "train on Ray").version(stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
});

Deno.test("jobsOf() follows redirections with the method, the body and the token", async () => {
  const fake = fakeRay(done, { token: "a" });
  const moved = () => new Response(null, { status: 302, headers: { location: "https://head:8443/api/jobs/" } });
  fake.trouble("POST", moved());
  const jobs = jobsOf(fake.cluster, "train on Ray");
  await jobs.submit({ id: "gh-2", entrypoint: "e", folder: "gcs://x.zip", packages: [], metadata: {} });
  assertEquals(fake.heard.map(({ method, token }) => `${method} ${token}`), ["POST a", "POST a"]);
  assert(fake.submitted.has("gh-2"));
});

Deno.test("jobsOf() submits once, where the answer was lost", async () => {
  const fake = fakeRay(done);
  fake.trouble("POST /api/jobs/", "lost");
  const jobs = jobsOf(fake.cluster, "train on Ray");
  await jobs.submit({ id: "gh-3", entrypoint: "e", folder: "gcs://x.zip", packages: [], metadata: {} });
  assertEquals([...fake.submitted.keys()], ["gh-3"]);
  fake.trouble("POST /api/jobs/", new Response("Traceback\nValueError: no such env", { status: 400 }));
  const refused = () => jobs.submit({ id: "gh-4", entrypoint: "e", folder: "f", packages: [], metadata: {} });
  await assertRejects(refused, Error, "found status 400, ValueError: no such env");
});

Deno.test("attach() yields each record once of a log that grows in mid-line, and the model at its end", async () => {
  const all = `Installing\n${step(1)}\x1b[36m(worker pid=7)\x1b[0m {"epoch": 9}\n${step(2, { norm: 2 })}${
    step(3)
  }${ended}`;
  const cuts = [0, 5, 40, 80, 81, 150, 260, all.length - 3, all.length];
  const looks = cuts.map((end, at) => {
    return { status: at === 0 ? "PENDING" : at === cuts.length - 1 ? "SUCCEEDED" : "RUNNING", log: all.slice(0, end) };
  });
  const run = await listened(fakeRay({ looks }));
  const records = await Array.fromAsync(run);
  assertEquals(records.map(({ step }) => step), [1, 2, 3]);
  const { loss, rows, norm, steps, total, weights, auxiliary, dropped } = records[1];
  assertEquals({ loss, rows, norm, steps, weights, auxiliary, dropped }, {
    ...{ loss: { click: 0.5, like: NaN }, rows: 16, norm: 2, steps: 3 },
    ...{ weights: { click: 1, like: 1 }, auxiliary: {}, dropped: {} },
  });
  assert(Number.isNaN(total));
  const { model, stored, ...counts } = await run.result();
  assertEquals([model, stored, counts], [undefined, "shared/run/model", { steps: 3, rows: 24 }]);
});

Deno.test("attach() has validations, events and warnings", async () => {
  const validation = { loss: { click: 0.4 }, metrics: { click: { auc: 0.75, gauc: null } } };
  const log = [
    step(1, { validation, auxiliary: { "levels/0/gates/click/zLoss": 0.25 }, weights: { click: 1, like: 0 } }),
    `{"warning": "slow"}\n{"event": "worker lost", "worker": 1}\n{"what": 1}\n{"epoch": \n[1]\nnull\n`,
    step(3).replace('"loss":{', '"loss":["'),
    ended,
  ].join("");
  const events: unknown[] = [];
  const report = (event: unknown) => void events.push(event);
  const run = await listened(fakeRay({ looks: [{ status: "SUCCEEDED", log }] }), { report });
  const [first, ...others] = await Array.fromAsync(run);
  assertEquals(others, []);
  assertEquals(first.validation, { ...validation, auxiliary: {}, metrics: { click: { auc: 0.75, gauc: NaN } } });
  assertEquals(events, [{ event: "warning", message: "slow" }, { event: "worker lost", worker: 1 }]);
});

Deno.test("attach() gives the words of a job that failed, or the last lines of its log", async () => {
  const error = { message: "no package onnxruntime", where: "node 10.0.0.2", remedy: 'packages: ["onnxruntime"]' };
  const failed = (log: string, status = "FAILED") => fakeRay({ looks: [{ status, log, message: "exit code 1" }] });
  const table: readonly [FakeRay, string][] = [
    [failed(step(1) + JSON.stringify({ error })), `at job gh-1, node 10.0.0.2: ${error.message}: ${error.remedy}`],
    [failed("one\n\x1b[31mtwo\x1b[0m\nMemoryError"), "at job gh-1: exit code 1\n  | one\n  | two\n  | MemoryError"],
    [failed("", "STOPPED"), "at job gh-1: the job was stopped"],
    [failed("so\n", "SUCCEEDED"), "the job ended without a model\n  | so"],
  ];
  for (const [fake, text] of table) {
    const run = await listened(fake);
    await assertRejects(() => run.result(), Error, text);
    await assertRejects(() => run.result(), Error, text);
    await assertRejects(() => stepsOf(run), Error, text);
  }
});

Deno.test("attach() goes on where the log or the cluster is away for a while, and is clear where it stays away", async () => {
  const looks = [{ status: "RUNNING", log: step(1) }, { status: "RUNNING", log: step(1) + step(2) }, ...done.looks];
  const fake = fakeRay({ looks });
  const run = await listened(fake);
  fake.trouble("GET /api/jobs/gh-1/logs", new Response("x", { status: 404 }));
  fake.trouble("GET /api/jobs/gh-1", "cut", new Response("", { status: 503 }));
  assertEquals(await stepsOf(run), [1, 2, 3]);
  const away = fakeRay({ looks: [{ status: "RUNNING", log: "" }] });
  const lost = await listened({ ...away, cluster: { ...away.cluster, patience: 300 } });
  away.trouble("GET /api/jobs/gh-1", ...Array.from({ length: 50 }, () => "cut" as const));
  await assertRejects(() => lost.result(), Error, "reset by peer");
  const other = fakeRay({ looks: [{ status: "RUNNING", log: "" }] });
  const gone = await listened(other);
  other.submitted.clear();
  await assertRejects(() => gone.result(), Error, "the cluster knows no job gh-1");
  await assertRejects(() => attach("gh-1", { cluster: other.cluster }), Error, "the cluster knows no job gh-1");
});

Deno.test("attach() reads a log that begins anew from its beginning", async () => {
  const looks = [{ status: "RUNNING", log: step(1) + step(2) }, { status: "RUNNING", log: step(2) }, ...done.looks];
  assertEquals(await stepsOf(await listened(fakeRay({ looks }))), [1, 2, 2, 3]);
});

Deno.test("attach() leaves the job or stops it when its signal aborts, also while nobody reads", async () => {
  const looks = [{ status: "RUNNING", log: step(1) }];
  for (const onAbort of ["stop", "leave"] as const) {
    for (const reads of [true, false]) {
      const fake = fakeRay({ looks });
      const stop = new AbortController();
      const run = await listened(fake, { signal: stop.signal, onAbort });
      const records = reads ? stepsOf(run) : Promise.reject(new Error("enough"));
      records.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      stop.abort(new Error("enough"));
      await assertRejects(() => records, Error, "enough");
      await assertRejects(() => run.result(), Error, "enough");
      assertEquals([...fake.stopped], onAbort === "stop" ? ["gh-1"] : []);
    }
  }
});

Deno.test("a run that has failed or ended lets go of its signal", async () => {
  for (const job of [done, { looks: [{ status: "FAILED", log: "" }] }]) {
    const fake = fakeRay(job);
    const stop = new AbortController();
    const run = await listened(fake, { signal: stop.signal });
    await run.result().catch(() => {});
    stop.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(fake.stopped.size, 0);
  }
});

Deno.test("a run may be left and gone on with, and stopped", async () => {
  const run = await listened(fakeRay(done));
  for await (const { step } of run) if (step === 1) break;
  assertEquals(await stepsOf(run), [2, 3]);
  assertEquals((await run.result()).stored, "shared/run/model");
  const fake = fakeRay({ looks: [{ status: "RUNNING", log: step(1) }] });
  const other = await listened(fake);
  await other.stop();
  assertEquals([...fake.stopped], ["gh-1"]);
  await assertRejects(() => other.result(), Error, "the job was stopped");
});

Deno.test("a result has the model's folder as it is reached from here, and as the cluster names it", async () => {
  const folder = await Deno.makeTempDir({ dir: "out" });
  try {
    await Deno.mkdir(`${folder}/model`);
    await Deno.writeTextFile(`${folder}/model/spec.json`, "{}");
    const model = async (stored: string, storage?: AttachOptions["storage"]) => {
      const log = `${JSON.stringify({ model: stored })}\n`;
      const run = await listened(fakeRay({ looks: [{ status: "SUCCEEDED", log }] }), { storage });
      const found = await run.result();
      assertEquals(found.stored, stored);
      return found.model;
    };
    assertEquals(await model(`${folder}/model`), `${folder}/model`);
    assertEquals(await model("/mnt/run/model", { cluster: "/mnt/run/", here: folder }), `${folder}/model`);
    assertEquals(await model("/mnt/run/model"), undefined);
    assertEquals(await model("/mnt/runs/model", { cluster: "/mnt/run", here: folder }), undefined);
    assertEquals(await model("s3://bucket/run/model"), undefined);
    const signed = await model("/mnt/run/model", { cluster: "/mnt/run", here: "https://store/run?sign=abc" });
    assertEquals(String(signed), "https://store/run/model?sign=abc");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
