import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { handler, type LogEntry, openModels } from "../lib/serve.ts";
import { deadlines } from "../lib/serve/deadlines.ts";
import {
  bag,
  binary,
  type Calibration,
  categorical,
  category,
  compile,
  define,
  dense,
  embed,
  encode,
  featuresOf,
  fit,
  mmoe,
  type Model,
  numeric,
  pipe,
  readCsv,
  reference,
  rows,
  save,
  sequence,
} from "../mod.ts";
import { count, history, lastItems, rate, saveHistory } from "../lib/history.ts";
import { withTemp } from "./temp.ts";

const table = {
  age: [20, 30, 40, 50],
  job: ["smith", "clerk", "cook", "clerk"],
  tags: [["a", "b"], ["b"], [], ["c", "a"]],
  watched: [["v1"], ["v1", "v2"], [], ["v3"]],
  spend: [1, 2, null, 4],
};
const kinds = {
  age: numeric(),
  job: category(),
  tags: bag(),
  watched: sequence({ most: 3 }),
  spend: numeric({ missing: "mean", indicator: true }),
};

async function shop(): Promise<Model> {
  const tasks = { click: binary(), kind: categorical(3) };
  const spec = define(mmoe({ input: fit(kinds, table), expert: pipe(embed(2), dense(4)), experts: 2, tasks }));
  return await compile(spec, { engine: reference(), seed: 5 });
}

/** Posts a body, and returns the status and what was answered. */
async function posted(
  answer: (request: Request) => Promise<Response>,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown>; response: Response }> {
  const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const request = new Request(`http://h${path}`, { method: "POST", body: text as BodyInit, headers });
  const response = await answer(request);
  const binary = response.headers.get("content-type") === "application/octet-stream";
  return { status: response.status, body: binary ? {} : await response.clone().json(), response };
}

const rowObjects = table.age.map((_, row) =>
  Object.fromEntries(Object.entries(table).map(([name, column]) => [name, column[row]]))
);

Deno.test("handler() answers rows and columns of TensorFlow Serving as predict() does", async () => {
  const model = await shop();
  const wanted = await model.predict(encode(featuresOf(model.spec), table));
  const answer = handler({ shop: model });
  const byRow = await posted(answer, "/v1/models/shop:predict", { instances: rowObjects });
  assertEquals(byRow.status, 200);
  const predictions = byRow.body.predictions as { click: number; kind: number[] }[];
  assertEquals(predictions.map(({ click }) => click), [...wanted.click]);
  assertEquals(predictions.flatMap(({ kind }) => kind), [...wanted.kind]);
  const byColumn = await posted(answer, "/v1/models/shop/versions/1:predict", { inputs: table });
  const outputs = byColumn.body.outputs as Record<string, number[]>;
  assertEquals(outputs.click, [...wanted.click]);
  assertEquals((outputs.kind as unknown as number[][]).flat(), [...wanted.kind]);
  model.dispose();
});

/** The tensors of the table in the Open Inference Protocol: lists have one width, with null where nothing is. */
function tensors(): Record<string, unknown>[] {
  const padded = (lists: string[][], width: number) =>
    lists.map((list) => [...list, ...Array(width - list.length).fill(null)]);
  return [
    { name: "age", shape: [4], datatype: "FP32", data: table.age },
    { name: "job", shape: [4], datatype: "BYTES", data: table.job },
    { name: "tags", shape: [4, 2], datatype: "BYTES", data: padded(table.tags, 2) },
    { name: "watched", shape: [4, 2], datatype: "BYTES", data: padded(table.watched, 2).flat() },
    { name: "spend", shape: [4], datatype: "FP64", data: table.spend },
  ];
}

Deno.test("handler() answers the Open Inference Protocol as predict() and inspect() do", async () => {
  const model = await shop();
  const encoded = encode(featuresOf(model.spec), table);
  const [wanted, { gates }] = [await model.predict(encoded), await model.inspect(encoded)];
  const answer = handler({ shop: model });
  const { body } = await posted(answer, "/v2/models/shop/infer", { id: "7", inputs: tensors() });
  assertEquals([body.model_name, body.model_version, body.id], ["shop", "1", "7"]);
  assertEquals(body.outputs, [
    { name: "click", datatype: "FP32", shape: [4], data: [...wanted.click] },
    { name: "kind", datatype: "FP32", shape: [4, 3], data: [...wanted.kind] },
  ]);
  const columns = tensors().map((one) =>
    one.name === "tags" || one.name === "watched" ? one : { ...one, shape: [4, 1] }
  );
  const alike = await posted(answer, "/v2/models/shop/infer", { id: "7", inputs: columns });
  assertEquals(alike.body, body);
  const some = await posted(answer, "/v2/models/shop/infer", {
    inputs: tensors(),
    outputs: [{ name: "gates/0/kind" }, { name: "click" }],
  });
  assertEquals(some.body.outputs, [
    { name: "gates/0/kind", datatype: "FP32", shape: [4, 2], data: [...gates["0/kind"]] },
    { name: "click", datatype: "FP32", shape: [4], data: [...wanted.click] },
  ]);
  model.dispose();
});

/** Returns the bytes of texts, each after its length. */
function texts(words: readonly string[]): Uint8Array {
  return Uint8Array.from(words.flatMap((word) => {
    const bytes = new TextEncoder().encode(word);
    return [...new Uint8Array(Uint32Array.of(bytes.length).buffer), ...bytes];
  }));
}

Deno.test("handler() reads and writes binary tensors", async () => {
  const words = { city: category(), age: numeric({ standardise: false }) };
  const raw = { city: ["ulm", "köln", "7"], age: [1.5, -2, 300] };
  const spec = define({ input: fit(words, raw), tasks: { click: binary(dense(3)), like: binary() } });
  const model = await compile(spec, { engine: reference(), seed: 2 });
  const wanted = await model.predict(encode(featuresOf(model.spec), raw));
  const answer = handler({ m: model });
  const numbers: Record<string, Uint8Array> = {
    FP32: new Uint8Array(Float32Array.from(raw.age).buffer),
    FP64: new Uint8Array(Float64Array.from(raw.age).buffer),
  };
  for (const [datatype, bytes] of Object.entries(numbers)) {
    const parts = [texts(raw.city), bytes];
    const head = new TextEncoder().encode(JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [
        { name: "city", shape: [3], datatype: "BYTES", parameters: { binary_data_size: parts[0].length } },
        { name: "age", shape: [3], datatype, parameters: { binary_data_size: parts[1].length } },
      ],
      outputs: [{ name: "click" }, { name: "like", parameters: { binary_data: false } }],
    }));
    const body = Uint8Array.from([head, ...parts].flatMap((part) => [...part]));
    const { response } = await posted(answer, "/v2/models/m/infer", body, {
      "inference-header-content-length": `${head.length}`,
      "content-type": "application/octet-stream",
    });
    assertEquals(response.status, 200);
    const answered = new Uint8Array(await response.arrayBuffer());
    const length = Number(response.headers.get("inference-header-content-length"));
    const { outputs } = JSON.parse(new TextDecoder().decode(answered.subarray(0, length)));
    assertEquals(outputs[0], { name: "click", datatype: "FP32", shape: [3], parameters: { binary_data_size: 12 } });
    assertEquals(outputs[1].data, [...wanted.like]);
    assertEquals(new Float32Array(answered.slice(length).buffer), wanted.click);
  }
  model.dispose();
});

Deno.test("handler() takes whole numbers of any width for texts, all digits of them", async () => {
  const users = { user: ["9007199254740993", "12", "-5"] };
  const model = await compile(define({ input: fit({ user: category() }, users), tasks: { y: binary() } }), {
    engine: reference(),
    seed: 2,
  });
  const wanted = [...(await model.predict(encode(featuresOf(model.spec), users))).y];
  const bytes = new Uint8Array(BigInt64Array.of(9007199254740993n, 12n, -5n).buffer);
  const head = new TextEncoder().encode(
    JSON.stringify({ inputs: [{ name: "user", shape: [3], datatype: "INT64", parameters: { binary_data_size: 24 } }] }),
  );
  const { body } = await posted(handler({ m: model }), "/v2/models/m/infer", Uint8Array.from([...head, ...bytes]), {
    "inference-header-content-length": `${head.length}`,
  });
  assertEquals((body.outputs as { data: number[] }[])[0].data, wanted);
  model.dispose();
});

Deno.test("one value beside many holds for every row: a user and the items", async () => {
  const model = await shop();
  const answer = handler({ shop: model });
  const one = { age: [33], job: ["smith"], tags: [["a"]], spend: [null] };
  const wanted = await posted(answer, "/v1/models/shop:predict", {
    instances: table.watched.map((watched) => ({ age: 33, job: "smith", tags: ["a"], watched })),
  });
  const rowsOf = wanted.body.predictions as { click: number }[];
  for (const user of [one, { age: 33, job: "smith", tags: [["a"]], spend: null }]) {
    const { body } = await posted(answer, "/v1/models/shop:predict", { inputs: { ...user, watched: table.watched } });
    assertEquals((body.outputs as Record<string, number[]>).click, rowsOf.map(({ click }) => click));
  }
  model.dispose();
});

Deno.test("what is wrong is named by JSON pointer, feature and row, with the nearest name", async () => {
  const model = await shop();
  const answer = handler({ shop: model }, { maxBody: 2000 });
  const v1 = "/v1/models/shop:predict";
  const v2 = "/v2/models/shop/infer";
  const row = { age: 20, job: "cook" };
  const infer = (change: (tensors: Record<string, unknown>[]) => unknown) => {
    const some = tensors();
    change(some);
    return { inputs: some };
  };
  const cases: [string, unknown, number, ...string[]][] = [
    [v1, "{", 400, "it is not JSON"],
    [v1, "[]", 400, "at /: wanted an object"],
    [v1, {}, 400, 'wanted "instances" or "inputs", found neither'],
    [v1, { instances: {} }, 400, "at /instances: wanted a list of rows"],
    [v1, { instances: [row, 5] }, 400, "at /instances/1: wanted an object"],
    [v1, { instances: [row, { ...row, agee: 5 }] }, 400, "at /instances/1/agee", 'did you mean "age"?'],
    [
      v1,
      { instances: [row, { ...row, age: "old" }] },
      400,
      'at /instances/1/age: input "age", row 1: found "old", wanted a number',
    ],
    [v1, { instances: [row, { job: "cook" }] }, 400, 'at /instances/1/age: feature "age", row 1: found null'],
    [
      v1,
      { instances: [{ ...row, tags: ["a", 0.5] }] },
      400,
      "at /instances/0/tags/1",
      "found 0.5, wanted a text, a whole number or null",
    ],
    [v1, { instances: [{ ...row, job: ["cook"] }] }, 400, "at /instances/0/job", "found a list, wanted a text"],
    [
      v1,
      { inputs: { age: [1, 2], job: ["a", "b", "c"], tags: [], watched: [], spend: [] } },
      400,
      'input "age" has 2 rows, wanted 3',
    ],
    [v1, { inputs: { age: [1, 2] } }, 400, 'at /inputs: the input "job" is missing'],
    [v1, { signature_name: "other", instances: [row] }, 400, "at /signature_name"],
    [v2, infer((some) => some.pop()), 400, 'at /inputs: the input "spend" is missing'],
    [v2, infer((some) => some[0].name = "aged"), 400, "at /inputs/0", 'did you mean "age"?'],
    [v2, infer((some) => some[0].data = [1, 2, 3, "x"]), 400, "at /inputs/0/data/3", 'input "age", row 3: found "x"'],
    [v2, infer((some) => some[0].shape = [5]), 400, "at /inputs/0/data: ", "found 4 elements, wanted 5"],
    [v2, infer((some) => some[0].shape = [1, 2, 2]), 400, "at /inputs/0/shape"],
    [v2, infer((some) => some[0].datatype = "FLOAT"), 400, "at /inputs/0/datatype"],
    [v2, infer((some) => some[1].name = "age"), 400, "at /inputs/1/name", "is given twice"],
    [v2, infer((some) => delete some[1].data), 400, "at /inputs/1", "found neither"],
    [v2, infer((some) => some[1].parameters = { binary_data_size: 9 }), 400, "at /inputs/1", "found both"],
    [v2, { inputs: tensors(), outputs: [{ name: "clik" }] }, 400, 'no output "clik": did you mean "click"?'],
    [v2, { inputs: tensors(), outputs: [{ name: "gates/0/clik" }] }, 400, 'did you mean "gates/0/click"?'],
    ["/v2/models/shopp/infer", { inputs: [] }, 404, 'no model "shopp": did you mean "shop"?'],
    ["/v2/models/shop/versions/2/infer", { inputs: [] }, 404, 'has version "1", not "2"'],
    ["/v3", {}, 404, 'nothing at "/v3"'],
    ["/v2/models/shop", {}, 405, "takes GET, found POST"],
    [v1, { instances: Array(500).fill(row) }, 413, "wanted at most 2000"],
  ];
  for (const [path, body, status, ...parts] of cases) {
    const found = await posted(answer, path, body);
    const { error } = found.body as { error: string };
    assertEquals(found.status, status, `${JSON.stringify(body)}: ${error}`);
    for (const part of parts) assert(error.includes(part), `${error}\nlacks ${part}`);
    assert(!/\bat .*\.ts:\d/.test(error), error);
  }
  const csv = await posted(answer, v1, "age\n5\n", { "content-type": "text/csv" });
  assertEquals(csv.status, 415);
  model.dispose();
});

Deno.test("requests that come together are predicted together, each with its own rows and its own fault", async () => {
  const raw = { x: [0.5, 1, 2, 3] };
  const model = await compile(define({ input: fit({ x: numeric() }, raw), tasks: { y: binary(dense(4)) } }), {
    engine: reference(),
    seed: 3,
  });
  const wanted = (await model.predict(encode(featuresOf(model.spec), raw))).y;
  const batches: number[] = [];
  const answer = handler({
    m: Object.assign(
      model,
      ((predict) => ({
        predict: async (rows: Parameters<Model["predict"]>[0]) => {
          batches.push(rows.count);
          return await predict(rows);
        },
      }))(model.predict),
    ),
  }, { maxBatch: 3 });
  const ask = (x: unknown) => posted(answer, "/v1/models/m:predict", { instances: [{ x }] });
  const found = await Promise.all(
    [0, 1, "no", 2, 3, 1e38].map((at) => ask(typeof at === "number" ? raw.x[at] ?? at : at)),
  );
  assertEquals(found.map(({ status }) => status), [200, 200, 400, 200, 200, 200]);
  [0, 1, 3, 4].forEach((at, row) => assertEquals(found[at].body.predictions, [wanted[row]]));
  assert(batches.length < 5 && Math.max(...batches) <= 3, `${batches}`);
  model.dispose();
});

Deno.test("a full queue is answered 503 with Retry-After, a deadline that passes 504", async () => {
  const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference() });
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  const predict = model.predict;
  Object.assign(model, {
    predict: async (rows: Parameters<Model["predict"]>[0]) => {
      await gate;
      return await predict(rows);
    },
  });
  const answer = handler({ m: model }, { maxQueue: 2, maxBatch: 1, deadline: 60 });
  const ask = () => posted(answer, "/v1/models/m:predict", { instances: [[1]] });
  const first = ask();
  await new Promise((resolve) => setTimeout(resolve, 20)); // it runs, and waits no longer
  const others = [ask(), ask(), ask()];
  const full = await others[2];
  assertEquals([full.status, full.response.headers.get("retry-after")], [503, "1"]);
  setTimeout(go, 80);
  assertEquals((await first).status, 200);
  for (const other of others.slice(0, 2)) assertEquals((await other).status, 504);
  model.dispose();
});

Deno.test("HEAD is answered as GET is, without a body", async () => {
  const answer = handler({ shop: await shop() });
  for (const path of ["/v2/health/ready", "/v2/models/shop", "/v2/models/shoq", "/metrics", "/nothing"]) {
    const [head, get] = await Promise.all(
      ["HEAD", "GET"].map((method) => answer(new Request(`http://h${path}`, { method }))),
    );
    const { byteLength } = await get.arrayBuffer();
    assertEquals([head.status, head.body, byteLength > 0], [get.status, null, true], path);
    const said = { ...Object.fromEntries(get.headers), "content-length": `${byteLength}` };
    assertEquals(Object.fromEntries(head.headers), said, path);
  }
});

Deno.test("deadlines() gives up what is late, each at its own moment, whatever came before it", async () => {
  const { before } = deadlines();
  const awake = setTimeout(() => {}, 60_000); // no program goes on for deadlines alone
  const began = performance.now();
  const never = new Promise<string>(() => {});
  const late = async (milliseconds: number) => {
    assertEquals(await before(began + milliseconds, never), undefined);
    return performance.now() - began;
  };
  const [long, short] = await Promise.all([late(120), late(30)]);
  assert(short >= 29 && long >= 119 && short < long, `${short}, ${long}`);
  clearTimeout(awake);
  assertEquals(await before(performance.now() + 1e9, Promise.resolve("in time")), "in time");
  await assertRejects(() => before(performance.now() + 1e9, Promise.reject(new Error("cut"))), Error, "cut");
});

Deno.test("health, metadata, metrics, log, token and CORS", async () => {
  const model = await shop();
  const entries: LogEntry[] = [];
  const answer = handler({ shop: model }, {
    token: "secret",
    cors: "https://shop.example",
    log: (one) => entries.push(one),
  });
  const got = (path: string, headers = {}) => answer(new Request(`http://h${path}`, { headers }));
  assertEquals((await got("/v2/health/live")).status, 200);
  assertEquals(await (await got("/v2/health/ready")).json(), { ready: true });
  const refused = await got("/v2/models/shop", { authorization: "Bearer secre" });
  assertEquals([refused.status, refused.headers.get("www-authenticate")], [401, "Bearer"]);
  const bearer = { authorization: "Bearer secret" };
  const metadata = await (await got("/v2/models/shop", bearer)).json();
  assertEquals(metadata.inputs[2], { name: "tags", datatype: "BYTES", shape: [-1, -1] });
  assertEquals(metadata.outputs.map(({ name }: { name: string }) => name), [
    "click",
    "kind",
    "gates/0/click",
    "gates/0/kind",
  ]);
  assertEquals((await (await got("/v2", bearer)).json()).extensions, ["binary_tensor_data"]);
  const status = await (await got("/v1/models/shop", bearer)).json();
  assertEquals(status.model_version_status[0].state, "AVAILABLE");
  const { response } = await posted(answer, "/v1/models/shop:predict", { instances: rowObjects }, bearer);
  assertEquals(response.headers.get("access-control-allow-origin"), "https://shop.example");
  const exposed = response.headers.get("access-control-expose-headers")!.split(", ");
  assertEquals(exposed, ["inference-header-content-length", "retry-after"]);
  const last = entries.at(-1)!;
  assertEquals([last.model, last.version, last.rows, last.status], ["shop", "1", 4, 200]);
  const metrics = await (await got("/metrics", bearer)).text();
  for (
    const line of [
      'gatehouse_requests_total{model="shop",version="1",status="200"} 3',
      'gatehouse_batch_rows_bucket{model="shop",version="1",le="2"} 0',
      'gatehouse_batch_rows_bucket{model="shop",version="1",le="4"} 1',
      'gatehouse_batch_rows_sum{model="shop",version="1"} 4',
      'gatehouse_prediction_count{model="shop",version="1",task="click"} 4',
      "# TYPE gatehouse_queue_seconds histogram",
    ]
  ) assert(metrics.includes(line), `${metrics}\nlacks ${line}`);
  answer.drain();
  assertEquals((await got("/v2/health/ready")).status, 503);
  assertEquals((await got("/v2/health/live")).status, 200);
  const closed = await handler({ shop: model })(new Request("http://h/v2", { method: "OPTIONS" }));
  assertEquals([closed.status, closed.headers.get("access-control-expose-headers")], [405, null]);
  const preflight = await answer(new Request("http://h/v2", { method: "OPTIONS" }));
  assertEquals(preflight.status, 204);
  assert(preflight.headers.get("access-control-allow-headers")!.split(", ").includes("content-encoding"));
  model.dispose();
});

Deno.test("openModels() serves a model with what is known of the past, as its history adds it to rows", async () => {
  const file = new Blob(["time,user,video,click\n1,ann,7,1\n2,bob,7,0\n3,ann,8,0\n3,ann,9,1\n4,ann,7,1\n5,eve,9,0\n"]);
  const columns = { time: "number", user: "text", video: "number", click: "number" } as const;
  const past = history({
    shown: count({ by: "video" }),
    clicks: rate({ by: ["user", "video"], of: "click", weight: 1 }),
    clicked: lastItems({ by: "user", item: "video", where: "click", most: 2 }),
  }, { time: "time" });
  const { table, state } = past.over(await readCsv(file, { columns }));
  const features = fit({
    user: category(),
    shown: numeric(),
    clicks: numeric({ missing: "mean" }),
    clicked: sequence({ most: 2 }),
  }, table);
  const spec = define({ input: features, tasks: { click: binary(pipe(embed(2), dense(4))) } });
  const model = await compile(spec, { engine: reference(), seed: 4 });
  const next = await readCsv(new Blob(["time,user,video\n9,ann,7\n9,zoe,8\n9,bob,1\n"]), {
    columns: { time: "number", user: "text", video: "number" },
  });
  const wanted = (await model.predict(encode(features, past.at(state, next)))).click;
  await withTemp(async (dir) => {
    await save(model, `${dir}/shop/model`);
    await saveHistory(state, `${dir}/shop/history`);
    const models = await openModels(`${dir}/shop`, { engine: reference(), every: 0 });
    const answer = handler(models);
    const { inputs } = await (await answer(new Request("http://h/v2/models/shop"))).json();
    assertEquals(inputs.map(({ name }: { name: string }) => name), ["user", "video", "time"]);
    const instances = [{ time: 9, user: "ann", video: 7 }, { time: 9, user: "zoe", video: 8 }, {
      time: 9,
      user: "bob",
      video: 1,
    }];
    const { body } = await posted(answer, "/v1/models/shop:predict", { instances });
    assertEquals(body.predictions, [...wanted]);
    const early = await posted(answer, "/v1/models/shop:predict", { instances: [{ ...instances[0], time: 4 }] });
    assertEquals(early.status, 400);
    const wrong = async (times: readonly (number | null)[]) => {
      const instances = times.map((time) => ({ time, user: "ann", video: 7 }));
      return (await posted(answer, "/v1/models/shop:predict", { instances })).body.error;
    };
    assertEquals(
      await wrong([9, 2.5, 1]),
      'Cannot read the request\n  at /instances/1/time: input "time", row 1: ' +
        "found 2.5, wanted a time that is not before 5, up to which rows are known",
    );
    assertEquals(
      await wrong([9, null]),
      'Cannot read the request\n  at /instances/1/time: input "time", row 1: found null, wanted a time',
    );
    const inputs1 = { time: 1, user: ["ann", "bob"], video: [7, 8] };
    const column = await posted(answer, "/v1/models/shop:predict", { inputs: inputs1 });
    assert((column.body.error as string).includes('at /inputs/time: input "time", row 0: found 1,'));
    const own = await posted(answer, "/v1/models/shop:predict", { instances: [{ ...instances[0], shown: 4 }] });
    assertEquals(own.status, 400);
    await models.close();
  });
  model.dispose();
});

Deno.test("openModels() goes over to a new version, and stays with the old one where it is broken", async () => {
  await withTemp(async (dir) => {
    const saved = async (version: number, seed: number) => {
      const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference(), seed });
      await save(model, `${dir}/m/${version}`);
      const { y } = await model.predict(rows([[1]]));
      model.dispose();
      return y[0];
    };
    const first = await saved(1, 1);
    const changes: string[] = [];
    const models = await openModels(dir, {
      engine: reference(),
      every: 0,
      report: ({ version, error }) => changes.push(`${version} ${error === undefined ? "answers" : "is broken"}`),
    });
    assertThrows(() => handler(models, { maxBatch: 5 }), TypeError, "maxBatch is an option of openModels()");
    const answer = handler(models);
    const ask = async () => {
      const { body } = await posted(answer, "/v1/models/m:predict", { instances: [[1]] });
      return (body.predictions as number[])[0];
    };
    assertEquals(await ask(), first);
    await Deno.mkdir(`${dir}/m/2`);
    await Deno.writeTextFile(`${dir}/m/2/spec.json`, "{");
    await models.refresh();
    await models.refresh();
    assertEquals(await ask(), first);
    const third = await saved(3, 3);
    const asked = Array.from({ length: 20 }, ask);
    await models.refresh();
    for (const one of await Promise.all(asked)) assert(one === first || one === third);
    assertAlmostEquals(await ask(), third);
    assertEquals(changes, ["1 answers", "2 is broken", "3 answers"]);
    await models.close();
  });
  await withTemp(async (dir) => {
    await assertRejects(() => openModels(dir), Error, "found no model");
    await assertRejects(() => openModels(`${dir}/none`), Error, "found nothing, wanted a folder");
  });
});

Deno.test("openModels() goes back to the newest version that is left, and no request fails", async () => {
  await withTemp(async (dir) => {
    const wanted: number[] = [];
    for (const version of [1, 2, 3]) {
      const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference(), seed: version });
      await save(model, `${dir}/m/${version}`);
      wanted[version] = (await model.predict(rows([[1]]))).y[0];
      model.dispose();
    }
    const changes: string[] = [];
    const report = ({ version, error }: { version: string; error?: string }) => {
      changes.push(error === undefined ? version : `${version} is broken`);
    };
    const models = await openModels(dir, { engine: reference(), every: 0, report });
    const answer = handler(models);
    const ask = async () => {
      const { status, body } = await posted(answer, "/v1/models/m:predict", { instances: [[1]] });
      assertEquals(status, 200);
      return (body.predictions as number[])[0];
    };
    assertEquals(await ask(), wanted[3]);
    await Deno.writeTextFile(`${dir}/m/2/spec.json`, "{"); // the next is broken, the one before answers
    await Deno.remove(`${dir}/m/3`, { recursive: true });
    const asked = Array.from({ length: 20 }, ask);
    await models.refresh();
    for (const one of await Promise.all(asked)) assert(one === wanted[3] || one === wanted[1]);
    assertEquals(await ask(), wanted[1]);
    assertEquals((await posted(answer, "/v1/models/m/versions/3:predict", { instances: [[1]] })).status, 404);
    await Deno.remove(`${dir}/m`, { recursive: true }); // none is left: the last goes on
    await models.refresh();
    assertEquals(await ask(), wanted[1]);
    assertEquals(changes, ["3", "2 is broken", "1"]);
    await models.close();
  });
});

Deno.test("counts of a version go with it, those of its model stay, and each name is described once", async () => {
  await withTemp(async (dir) => {
    const saved = async (version: number) => {
      const model = await compile(define({ input: 1, tasks: { y: binary(), z: categorical(3) } }), {
        engine: reference(),
        seed: version,
      });
      await save(model, `${dir}/m/${version}`);
      model.dispose();
    };
    await saved(1);
    const models = await openModels(dir, { engine: reference(), every: 0 });
    const answer = handler(models);
    const text = async () => await (await answer(new Request("http://h/metrics"))).text();
    const sizes: number[] = [];
    for (let version = 2; version < 8; version++) {
      assertEquals((await posted(answer, "/v1/models/m:predict", { instances: [[1], [2]] })).status, 200);
      sizes.push((await text()).split("\n").length);
      await saved(version);
      await models.refresh();
    }
    assertEquals(new Set(sizes.slice(1)).size, 1, `${sizes}`);
    await posted(answer, "/v1/models/m:predict", { instances: [[1], [2]] });
    const found = await text();
    for (
      const line of [
        'gatehouse_request_seconds_count{model="m"} 7',
        'gatehouse_requests_total{model="m",version="7",status="200"} 1',
        'gatehouse_prediction_count{model="m",version="7",task="z",class="2"} 2',
      ]
    ) assert(found.includes(`${line}\n`), `${found}\nlacks ${line}`);
    assert(!found.includes('version="6"'), found);
    const described = [...found.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    assertEquals(described.length, new Set(described).size);
    await models.close();
  });
});

Deno.test("a model is served calibrated where a calibration was saved with it, and raw where that is asked for", async () => {
  const features = fit({ x: numeric({ standardise: false }) }, { x: [0, 1] });
  const spec = define({ input: features, tasks: { click: binary(), like: binary() } });
  const model = await compile(spec, { engine: reference(), seed: 4 });
  const calibration: Calibration = { tasks: { click: { kind: "platt", slope: 2, intercept: -1 } } };
  const data = encode(features, { x: [-1, 0.5, 3] });
  const [raw, wanted] = [await model.predict(data), await model.predict(data, { calibrated: calibration })];
  assert(Math.abs(raw.click[0] - wanted.click[0]) > 0.01);
  await withTemp(async (dir) => {
    await save(model, `${dir}/m`, { calibration });
    const models = await openModels(`${dir}/m`, { engine: reference(), every: 0 });
    const answer = handler(models);
    const inputs = [{ name: "x", shape: [3], datatype: "FP32", data: [-1, 0.5, 3] }];
    const infer = async (outputs?: readonly { name: string }[]) => {
      const { body } = await posted(answer, "/v2/models/m/infer", { inputs, outputs });
      return Object.fromEntries(
        (body.outputs as { name: string; data: number[] }[]).map((one) => [one.name, one.data]),
      );
    };
    assertEquals(await infer(), { click: [...wanted.click], like: [...raw.like] });
    assertEquals(await infer([{ name: "raw/click" }, { name: "click" }]), {
      "raw/click": [...raw.click],
      click: [...wanted.click],
    });
    const { outputs } = await (await answer(new Request("http://h/v2/models/m"))).json();
    assertEquals(outputs, [
      { name: "click", datatype: "FP32", shape: [-1], parameters: { calibrated: true } },
      { name: "like", datatype: "FP32", shape: [-1] },
      { name: "raw/click", datatype: "FP32", shape: [-1] },
    ]);
    const one = await posted(answer, "/v1/models/m:predict", {
      signature_name: "raw/click",
      inputs: { x: [-1, 0.5, 3] },
    });
    assertEquals(one.body.outputs, [...raw.click]);
    const metrics = await (await answer(new Request("http://h/metrics"))).text();
    const sum = Number(/^gatehouse_prediction_sum\{model="m",version="1",task="click"\} (.*)$/m.exec(metrics)![1]);
    assertAlmostEquals(sum, 3 * [...wanted.click].reduce((sum, p) => sum + p), 1e-6); // what callers got
    await models.close();
  });
  model.dispose();
});

Deno.test("signatures of TensorFlow Serving choose outputs, and its metadata lists them", async () => {
  const model = await shop();
  const wanted = await model.predict(encode(featuresOf(model.spec), table));
  const answer = handler({ shop: model });
  const ask = async (more: Record<string, unknown>) => {
    const { status, body } = await posted(answer, "/v1/models/shop:predict", { inputs: table, ...more });
    return status === 200 ? body.outputs : body.error;
  };
  assertEquals(await ask({ signature_name: "click" }), [...wanted.click]);
  assertEquals(await ask({ output_filter: ["click"] }), [...wanted.click]);
  const both = await ask({ output_filter: ["gates/0/click", "click"] });
  assertEquals(Object.keys(both as Record<string, unknown>), ["gates/0/click", "click"]);
  assertEquals(await ask({ output_filter: [] }), await ask({ signature_name: "serving_default" }));
  for (
    const [more, part] of [
      [{ signature_name: "clik" }, 'at /signature_name: found "clik", wanted "serving_default" or an output: did you'],
      [{ signature_name: 5 }, "found 5"],
      [{ output_filter: "click" }, "at /output_filter: wanted a list of outputs"],
      [
        { output_filter: ["click", "knid"] },
        'at /output_filter/1: found "knid", wanted an output: did you mean "kind"?',
      ],
      [{ signature_name: "click", output_filter: ["kind"] }, 'at /output_filter/0: found "kind": wanted "click"'],
      [{ signature_name: "nothing at all" }, 'found "nothing at all": wanted "serving_default", "click"'],
    ] as const
  ) {
    const error = await ask(more);
    assert(`${error}`.includes(part), `${error}\nlacks ${part}`);
  }
  const found = await (await answer(new Request("http://h/v1/models/shop/versions/1/metadata"))).json();
  assertEquals(found.model_spec, { name: "shop", signature_name: "", version: "1" });
  const signatures = found.metadata.signature_def.signature_def;
  assertEquals(Object.keys(signatures).sort(), ["click", "gates/0/click", "gates/0/kind", "kind", "serving_default"]);
  assertEquals(Object.keys(signatures.serving_default.outputs), ["click", "kind"]);
  assertEquals(signatures.serving_default.inputs.job, {
    name: "job",
    dtype: "DT_STRING",
    tensor_shape: { dim: [{ size: "-1", name: "" }], unknown_rank: false },
  });
  assertEquals(signatures.kind.outputs.kind.tensor_shape.dim.map(({ size }: { size: string }) => size), ["-1", "3"]);
  model.dispose();
});

Deno.test("what hostile requests cost is bounded by their bytes", async () => {
  const model = await shop();
  const answer = handler({ shop: model });
  const [v1, v2] = ["/v1/models/shop:predict", "/v2/models/shop/infer"];
  // Quotes that never end, and a text beyond what a regular expression's stack holds: in time that grows with the bytes.
  for (const text of ['"' + '\\"'.repeat(200_000), `{"a": "${"x".repeat(15_000_000)}", b}`]) {
    const { status, body } = await posted(answer, v1, text);
    assertEquals(status, 400);
    assert(`${body.error}`.includes("it is not JSON"), `${body.error}`);
  }
  const python = '{"instances": [{"age": 3, "job": "NaN \\" -Infinity", "spend": NaN, "tags": [], "watched": []}]}';
  assertEquals((await posted(answer, v1, python)).status, 200);
  // Names and shapes that an error would repeat whole.
  const [name, shape] = ["x".repeat(1_000_000), Array(1_000_000).fill(1)];
  for (const body of [{ instances: [{ [name]: 1 }] }, { inputs: { [name]: 1 } }]) {
    const { status, body: { error } } = await posted(answer, v1, body);
    assertEquals([status, `${error}`.length < 1000], [400, true]);
  }
  const long = await posted(answer, v2, { inputs: [{ name: "age", datatype: "FP32", shape, data: [] }] });
  assertEquals([long.status, `${long.body.error}`.length < 1000], [400, true]);
  // Rows without elements, of which each would be a list.
  for (const rows of [1e9, 2 ** 53 - 1]) {
    const inputs = tensors();
    Object.assign(inputs[2], { shape: [rows, 0], data: [] });
    const { status, body } = await posted(answer, v2, { inputs });
    assertEquals(status, 400);
    assert(
      `${body.error}`.includes(`at /inputs/2/shape: input "tags": found ${rows} rows in a request of`),
      `${body.error}`,
    );
  }
  model.dispose();
});

Deno.test("a small body that unpacks to much is refused without the memory that all of it would take", async () => {
  const model = await shop();
  const zeros = new Uint8Array(2 ** 20);
  let left = 512;
  const many = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (to) => left-- > 0 ? to.enqueue(zeros) : to.close(),
  });
  const packed = await new Response(many.pipeThrough(new CompressionStream("gzip"))).bytes();
  const before = Deno.memoryUsage().rss;
  const answer = handler({ shop: model });
  const { status } = await posted(answer, "/v1/models/shop:predict", packed, { "content-encoding": "gzip" });
  const mebibytes = (Deno.memoryUsage().rss - before) / 2 ** 20;
  assertEquals(status, 413);
  assert(mebibytes < 200, `${mebibytes} MiB for ${packed.length} bytes`);
  model.dispose();
});

Deno.test("a body that does not come before the deadline is answered 408, and the model is free", async () => {
  const model = await shop();
  const answer = handler({ shop: model }, { deadline: 50 });
  let isCancelled = false;
  const body = new ReadableStream({
    start: (to) => to.enqueue(new TextEncoder().encode('{"instances":')),
    cancel: () => void (isCancelled = true),
  });
  const request = new Request("http://h/v1/models/shop:predict", { method: "POST", body });
  const response = await answer(request);
  assertEquals([response.status, isCancelled], [408, true]);
  assertEquals(response.headers.get("connection"), "close");
  assert((await response.json()).error.includes("did not come before its deadline"));
  model.dispose();
});

Deno.test("a large body is read no further once its deadline has passed, or more came than may", async () => {
  const model = await shop();
  for (const [options, every, wanted] of [[{ deadline: 50 }, 5, 408], [{ maxBody: 400_000 }, 0, 413]] as const) {
    let [pieces, isCancelled] = [0, false];
    const body = new ReadableStream({
      pull: async (to) => {
        await new Promise((resolve) => setTimeout(resolve, every));
        to.enqueue(new Uint8Array(1000));
        pieces++;
      },
      cancel: () => void (isCancelled = true),
    });
    const headers = { "content-length": "300000" }; // which is not so: the stream has no end
    const answer = handler({ shop: model }, options);
    const response = await answer(new Request("http://h/v1/models/shop:predict", { method: "POST", body, headers }));
    assertEquals([response.status, isCancelled], [wanted, true]);
    const read = pieces;
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert(pieces <= read + 1, `${pieces - read} more pieces were read`);
  }
  model.dispose();
});

Deno.test("a row that encode refuses is named among many by its own pointer, in the order of features", async () => {
  const model = await shop();
  const answer = handler({ shop: model });
  const inputs = { age: Array(20_000).fill(1), job: "cook", tags: [["a"]], watched: [["v1"]], spend: 3 };
  const body = JSON.stringify({ inputs }).replace("1,1]", "1,1e999]");
  const { status, body: { error } } = await posted(answer, "/v1/models/shop:predict", body);
  assertEquals(status, 400);
  assert(`${error}`.includes('at /inputs/age/19999: feature "age", row 19999: '), `${error}`);
  model.dispose();
});

Deno.test("a caller reads what is wrong with a value, and no advice to the author of the features", async () => {
  const kinds = { age: numeric(), at: numeric({ width: 2 }), tags: bag() };
  const table = { age: [20, 30], at: [[1, 2], [2, 3]], tags: [["a"], ["b"]] };
  const spec = define({ input: fit(kinds, table), tasks: { y: binary(pipe(embed(2), dense(2))) } });
  const model = await compile(spec, { engine: reference(), seed: 2 });
  const answer = handler({ m: model });
  for (
    const [name, value, wanted] of [
      ["age", null, "found null, wanted a finite number: the model takes no missing ones"],
      ["at", [], "found no numbers: the model takes no missing ones"],
      ["tags", "a", 'found "a", wanted a list'],
    ] as const
  ) {
    const inputs = { ...table, [name]: [table[name][0], value] };
    const { status, body: { error } } = await posted(answer, "/v1/models/m:predict", { inputs });
    const at = `at /inputs/${name}/1: feature "${name}", row 1: `;
    assertEquals([status, error], [400, `Cannot read the request\n  ${at}${wanted}`]);
  }
  model.dispose();
});

Deno.test("BOOL is true and false to a text input, as bytes and as JSON", async () => {
  const spec = define({ input: fit({ is: category() }, { is: ["true", "false"] }), tasks: { y: binary(dense(3)) } });
  const model = await compile(spec, { engine: reference(), seed: 2 });
  const wanted = [...(await model.predict(encode(featuresOf(spec), { is: ["false", "true"] }))).y];
  const answer = handler({ m: model });
  const tensor = { name: "is", shape: [2], datatype: "BOOL" };
  const plain = await posted(answer, "/v2/models/m/infer", { inputs: [{ ...tensor, data: [false, true] }] });
  const head = JSON.stringify({ inputs: [{ ...tensor, parameters: { binary_data_size: 2 } }] });
  const bytes = Uint8Array.from([...new TextEncoder().encode(head), 0, 1]);
  const headers = { "inference-header-content-length": `${head.length}` };
  const binaries = await posted(answer, "/v2/models/m/infer", bytes, headers);
  for (const { body } of [plain, binaries]) assertEquals((body.outputs as { data: number[] }[])[0].data, wanted);
  model.dispose();
});

Deno.test("openModels() answers with the newest version that is not broken, and tries again one whose copy goes on", async () => {
  await withTemp(async (dir) => {
    const saved = async (path: string, seed: number) => {
      const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference(), seed });
      await save(model, path);
      model.dispose();
    };
    await saved(`${dir}/models/m/1`, 1);
    await saved(`${dir}/whole`, 2);
    await saved(`${dir}/models/other/7`, 3);
    await Deno.mkdir(`${dir}/models/m/2`);
    await Deno.copyFile(`${dir}/whole/spec.json`, `${dir}/models/m/2/spec.json`); // its parameters have still to come
    const models = await openModels(`${dir}/models`, { engine: reference(), every: 0 });
    assertEquals(models.versions(), { m: "1", other: "7" });
    for await (const { name } of Deno.readDir(`${dir}/whole`)) {
      await Deno.copyFile(`${dir}/whole/${name}`, `${dir}/models/m/2/${name}`);
    }
    await models.refresh();
    assertEquals(models.versions(), { m: "2", other: "7" });
    await models.close();
  });
});

Deno.test("a request whose host is no name is answered 400", async () => {
  const model = await shop();
  const request = Object.defineProperty(new Request("http://h/v2"), "url", { value: "http://a b[]/v2" }); // as Deno has it
  const response = await handler({ shop: model })(request);
  assertEquals([response.status, await response.json()], [400, {
    error: "Cannot answer: its host and path are no address",
  }]);
  model.dispose();
});

Deno.test("a request waits for others at most half of its own time, whatever maxDelay is", async () => {
  const model = await compile(define({ input: 1, tasks: { y: binary() } }), { engine: reference() });
  const answer = handler({ m: model }, { maxDelay: 60_000 });
  const inputs = [{ name: "input", shape: [1, 1], datatype: "FP32", data: [1] }];
  const ask = (microseconds: number) =>
    posted(answer, "/v2/models/m/infer", { inputs, parameters: { timeout: microseconds } });
  const first = ask(20_000_000);
  await new Promise((resolve) => setTimeout(resolve, 20)); // it waits
  const began = performance.now();
  assertEquals((await ask(2_000_000)).status, 200);
  assertEquals((await first).status, 200);
  assert(performance.now() - began < 5000);
  assertEquals((await ask(1_000_000)).status, 200);
  model.dispose();
});
