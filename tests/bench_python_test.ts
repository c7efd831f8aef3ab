import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { prepared } from "./bench/cases.ts";
import { inventedCensus, sizes } from "./bench/census.ts";
import { converse, type Worker } from "./bench/converse.ts";
import { dimsOf, peersOf, python, together, variantsOf } from "./bench/python.ts";

Deno.test("converse() resolves every request to its own reply, in order, after the first line", async () => {
  const { ask, close } = converse(worker([{ versions: {} }], ({ at }) => ({ at })), "a worker");
  assertEquals(await ask(), { versions: {} });
  const asked = Array.from({ length: 20 }, (_, at) => ask({ at, text: "é\n".repeat(at) }));
  assertEquals(await Promise.all(asked), asked.map((_, at) => ({ at })));
  await close();
});

Deno.test("converse() rejects what the worker could not do, and goes on", async () => {
  const { ask, close } = converse(worker([], ({ at }) => at === 1 ? { error: "ValueError: one" } : { at }), "a worker");
  assertEquals(await ask({ at: 0 }), { at: 0 });
  await assertRejects(() => ask({ at: 1 }), Error, "Cannot ask a worker\n  at its process: ValueError: one");
  assertEquals(await ask({ at: 2 }), { at: 2 });
  await close();
});

Deno.test("converse() rejects all requests to a worker that ended, with its last words", async () => {
  const words = Array.from({ length: 30 }, (_, at) => `word ${at}\n`).join("");
  const { ask, close } = converse(worker([], () => undefined, words), "a worker");
  for (const at of [0, 1]) {
    const { message } = await assertRejects(() => ask({ at }), Error, "ended with code 3");
    assertStringIncludes(message, "word 29");
    assert(!message.includes("word 1\n"));
  }
  await close();
});

Deno.test("converse() rejects a reply that is not JSON", async () => {
  const { ask, close } = converse(worker([], () => "no JSON"), "a worker");
  await assertRejects(() => ask({ at: 0 }), Error, 'found "no JSON", wanted JSON');
  await close();
});

Deno.test("peersOf() says what is missing and how what was timed was run", async () => {
  const said: string[] = [];
  const missing = { "torch compile": "no compiler" };
  const first = { versions: { torch: "2" }, variants: ["torch eager"], missing };
  const timed = { times: [1, 2], form: "loop", threads: 2 };
  const peers = await peersOf(converse(worker([first], () => timed), "a worker"), (line) => said.push(line));
  assertEquals(said, ["torch compile is left out: no compiler"]);
  assertEquals([peers.versions, peers.variants], [first.versions, first.variants]);
  const of = { name: "W", input: 3, experts: 2, units: [4], tower: 2, tasks: 2, batch: 8 };
  assertEquals(await peers.time(of, "torch eager", "predict_ms", 2), [1, 2]);
  assertEquals([...peers.settings], [["W, torch eager, predict_ms", "loop, threads: 2"]]);
  await peers.close();
});

Deno.test("dimsOf() is as wide as the encoded input", () => {
  const of = { about: "", experts: 8, units: [64, 32], tasks: 2, tower: 16, batch: 4 };
  const shape = { experts: 8, units: [64, 32], tasks: 2, tower: 16, batch: 4 };
  assertEquals(dimsOf(prepared({ ...of, name: "some", input: 100 })), { ...shape, name: "some", input: 100 });
  assertEquals(
    dimsOf(prepared({ ...of, name: "W4", input: "census" }, inventedCensus(16))),
    { ...shape, name: "W4", input: 517, sizes },
  );
  const ids = { numbers: 2, vocabularies: [3, 9], k: 4, vectors: "all" } as const;
  const known = { vocabularies: [3, 9], k: 4 };
  assertEquals(dimsOf(prepared({ ...of, name: "ids", input: ids })), { ...shape, ...known, name: "ids", input: 10 });
  const lists = { ...ids, bag: { most: 5, vocabulary: 7 }, sequence: { most: 6 } };
  const more = { ...known, input: 18, bag: 5, tags: 7, sequence: 6 };
  assertEquals(dimsOf(prepared({ ...of, name: "lists", input: lists })), { ...shape, ...more, name: "lists" });
});

Deno.test("variantsOf() is of how the vectors of ids are trained", () => {
  const ids = { numbers: 0, vocabularies: [9], k: 4 };
  const [plain, all, touched] = [100, { ...ids, vectors: "all" }, { ...ids, vectors: "touched" }] as const;
  assertEquals(variantsOf({ input: plain }), ["torch eager", "torch fused", "torch compile"]);
  assertEquals(variantsOf({ input: all }).slice(3), ["torch-rechub", "torch-rechub, plain"]);
  assertEquals(variantsOf({ input: touched }).at(-1), "torch FBGEMM Adagrad");
});

Deno.test("together() asks each environment for its own variants, and has the versions and settings of both", async () => {
  const peersWith = (name: string, time: number) => {
    const first = { versions: { [name]: "1" }, variants: [name], missing: {} };
    const timed = { times: [time], form: name, threads: 1 };
    return peersOf(converse(worker([first], () => timed), name), () => {});
  };
  const peers = together(await peersWith("a", 1), await peersWith("b", 2));
  const of = { name: "W", input: 3, experts: 2, units: [4], tower: 2, tasks: 2, batch: 8 };
  const times = await Promise.all(["a", "b"].map((variant) => peers.time(of, variant, "predict_ms", 1)));
  assertEquals([times, peers.versions, peers.variants], [[[1], [2]], { a: "1", b: "1" }, ["a", "b"]]);
  assertEquals([...peers.settings.keys()], ["W, a, predict_ms", "W, b, predict_ms"]);
  await peers.close();
});

Deno.test({
  name: "python() is undefined where nothing may be run, and says what to do",
  ignore: Deno.permissions.querySync({ name: "run" }).state === "granted",
  async fn() {
    const said: string[] = [];
    assertEquals(await python((line) => said.push(line)), undefined);
    assertEquals(said.length, 1);
    assertStringIncludes(said[0], "Peers in Python are left out: ");
  },
});

/** A worker that writes some lines, answers requests, and ends with code 3 where there is no answer. */
function worker(
  first: readonly unknown[],
  answer: (request: { at: number }) => unknown,
  words = "",
): Worker {
  const [input, output] = [new TransformStream<Uint8Array>(), new TransformStream<Uint8Array>()];
  const line = (value: unknown) =>
    new TextEncoder().encode(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
  const live = async (): Promise<Deno.CommandStatus> => {
    const writer = output.writable.getWriter();
    for (const value of first) await writer.write(line(value));
    let code = 0;
    for await (const request of input.readable.pipeThrough(new TextDecoderStream()).pipeThrough(split())) {
      const value = answer(JSON.parse(request));
      if (value === undefined) {
        code = 3;
        break;
      }
      const bytes = line(value);
      await writer.write(bytes.subarray(0, 3)); // replies come in pieces
      await writer.write(bytes.subarray(3));
    }
    await writer.close();
    return { success: code === 0, code, signal: null };
  };
  return {
    stdin: input.writable,
    stdout: output.readable,
    stderr: ReadableStream.from([new TextEncoder().encode(words)]),
    status: live(),
    kill: () => {},
  } as Worker;
}

/** A stream of text as one of lines. */
function split(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(text, controller): void {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) controller.enqueue(line);
    },
  });
}
