import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  binary,
  categorical,
  compile,
  define,
  dense,
  load,
  type LoadOptions,
  mmoe,
  type Model,
  parseSpec,
  reference,
  relu,
  save,
  saveGraphModel,
  type Spec,
  SpecError,
  tanh,
  train,
} from "../mod.ts";
import { saveOnnx } from "../lib/onnx.ts";
import { specBytes } from "../lib/model/save.ts";
import { numberAt, numbered } from "./numbered.ts";
import { initialise } from "../lib/graph.ts";
import { decodeSafetensors, encodeSafetensors } from "../lib/formats/safetensors.ts";
import { checkParameters } from "../lib/model/parameters.ts";
import { parametersOf } from "../lib/trace/parameters.ts";
import { architectures, base, expert, sample } from "./models.ts";
import { withTemp } from "./temp.ts";

const engine = reference();
const files = ["spec.json", "params.safetensors"];

Deno.test("load() gives the model that save() was given", async () => {
  await withTemp(async (dir) => {
    for (const [name, spec] of Object.entries<Spec>({ ...architectures, odd: odd() })) {
      const model = await compile(spec, { engine, seed: 12345 });
      await save(model, `${dir}/model`);
      const loaded = await load(`${dir}/model`, { engine });
      assertEquals(loaded.spec, spec, name);
      assertEquals(loaded.seed, 12345);
      assertEquals(await loaded.parameters(), await model.parameters(), name);
      assertEquals(await loaded.inspect(sample(5)), await model.inspect(sample(5)), name);
      assertEquals([...Deno.readDirSync(`${dir}/model`)].map((entry) => entry.name).sort(), [...files].sort());
      loaded.dispose();
      model.dispose();
    }
    assertEquals([...Deno.readDirSync(dir)].map((entry) => entry.name), ["model"]);
  });
});

Deno.test("load() checks the tasks that it is given, and the types know them", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.mmoe, { engine });
    await save(model, `${dir}/model`);
    const loaded = await load(`${dir}/model`, { engine, tasks: ["marital", "income"] });
    const typed: Model<"income" | "marital"> = loaded;
    const { income, marital } = await typed.predict(sample(2));
    assertEquals({ income, marital }, await model.predict(sample(2)));
    const any: Model = await load(`${dir}/model`, { engine });
    assertEquals(any.spec, loaded.spec);
    // @ts-expect-error: no task has this name
    assertEquals((await loaded.predict(sample(2))).maritl, undefined);
    const cases: [tasks: unknown, found: string][] = [
      [["income", "maritl"], 'Cannot load model: it has no task "maritl": did you mean "marital"?'],
      [["income"], 'Cannot load model: its task "marital" is not named: wanted all of its tasks'],
      [[], 'Cannot load model: its task "income" is not named'],
      [["income", "marital", undefined], "Cannot load model: it has no task nothing"],
      ["income", 'Cannot load model: tasks must be a list, found "income"'],
    ];
    for (const [tasks, found] of cases) {
      await assertRejects(() => load(`${dir}/model`, { engine, tasks } as LoadOptions), TypeError, found);
    }
    const misspelt = { engine, taks: ["income"] } as LoadOptions;
    await assertRejects(() => load(`${dir}/model`, misspelt), TypeError, 'load model: option "taks" is unknown');
  });
});

Deno.test("load() gives a model that trains on as the saved one", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.mmoe, { engine, seed: -4 });
    for await (const _ of train(model, sample(10), { epochs: 2, batch: 4 }));
    await save(model, `${dir}/model`);
    const loaded = await load(`${dir}/model`, { engine });
    model.assign(await model.parameters()); // float32, as in the file
    const [one, two] = [model, loaded].map((some) => Array.fromAsync(train(some, sample(10), { batch: 4 })));
    assertEquals((await two).map(({ loss }) => loss), (await one).map(({ loss }) => loss));
    assertEquals(await loaded.parameters(), await model.parameters());
    assertEquals((await load(`${dir}/model`, { engine, seed: 9 })).seed, 9);
  });
});

Deno.test("save() gives equal bytes for equal models, and replaces an older one", async () => {
  await withTemp(async (dir) => {
    const [one, two] = await Promise.all([1, 2].map((seed) => compile(architectures.mmoe, { engine, seed })));
    const bytes = (name: string) => files.map((file) => Deno.readFileSync(`${dir}/${name}/${file}`));
    await save(one, `${dir}/one`);
    await save(two, `${dir}/two`);
    await save(two, `${dir}/one`);
    assertEquals(bytes("one"), bytes("two"));
    const { tensors, metadata } = decodeSafetensors(bytes("one")[1]);
    assertEquals(tensors, await two.parameters());
    const text = new TextEncoder().encode(JSON.stringify(architectures.mmoe));
    const spec = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex();
    assertEquals(metadata, { format: "gatehouse", seed: "2", spec });
    assertEquals(JSON.parse(new TextDecoder().decode(bytes("one")[0])), architectures.mmoe);
    await assertRejects(() => save(one, dir), Deno.errors.AlreadyExists, "Cannot save model");
    await assertRejects(() => save(Promise.resolve(one) as never, `${dir}/three`), TypeError, "found a promise");
  });
});

Deno.test("load() reports what is missing, or is not a model", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    await assertRejects(() => load(`${dir}/none`), Deno.errors.NotFound, "Cannot load model");
    for (const file of files) {
      await save(model, `${dir}/model`);
      Deno.removeSync(`${dir}/model/${file}`);
      const wanted = `no ${file} found, wanted spec.json and params.safetensors`;
      await assertRejects(() => load(`${dir}/model`, { engine }), Deno.errors.NotFound, wanted);
      Deno.mkdirSync(`${dir}/model/${file}`);
      await assertRejects(() => load(`${dir}/model`, { engine }), Deno.errors.NotFound, `${file} is not a file`);
      Deno.removeSync(`${dir}/model`, { recursive: true });
    }
    Deno.writeTextFileSync(`${dir}/file`, "");
    await assertRejects(() => load(`${dir}/file`), Deno.errors.NotADirectory, "wanted a folder");
  });
});

Deno.test("load() gives the model from a file URL, from where it is served, and from its files by name", async () => {
  const { fetch } = globalThis;
  await withTemp(async (dir) => {
    const model = await compile(architectures.mmoe, { engine });
    await save(model, `${dir}/a model`);
    const bytes = Object.fromEntries(files.map((file) => [file, Deno.readFileSync(`${dir}/a model/${file}`)]));
    const wanted = await model.parameters();
    const text = new TextDecoder().decode(bytes["spec.json"]);
    const map = (content: (bytes: Uint8Array<ArrayBuffer>) => Blob | Response | ArrayBuffer) =>
      Object.fromEntries(Object.entries(bytes).map(([name, data]) => [name, content(data)]));
    const asked: string[] = [];
    globalThis.fetch = (address) => {
      asked.push(String(address));
      return Promise.resolve(new Response(bytes[new URL(String(address)).pathname.split("/").at(-1)!]));
    };
    const sources: Record<string, () => Parameters<typeof load>[0]> = {
      "a file URL": () => new URL(`file://${Deno.cwd()}/${dir}/a%20model`),
      "the text of one": () => `file://${Deno.cwd()}/${dir}/a%20model/`,
      "a URL": () => new URL("https://me:pass@example.org/a%20model?key=1"),
      "the text of a URL": () => "https://example.org/a%20model/",
      "bytes": () => bytes,
      "a text and bytes": () => ({ ...bytes, "spec.json": text }),
      "buffers": () => map((data) => data.buffer),
      "Blobs": () => map((data) => new Blob([data])),
      "Responses": () => map((data) => new Response(data)),
      "Files, and one more": () => ({ ...map((data) => new File([data], "a")), "more.txt": "" }),
    };
    for (const [what, source] of Object.entries(sources)) {
      assertEquals(await (await load(source(), { engine })).parameters(), wanted, what);
    }
    assertEquals(asked, [
      "https://me:pass@example.org/a%20model/spec.json?key=1",
      "https://me:pass@example.org/a%20model/params.safetensors?key=1",
      "https://example.org/a%20model/spec.json",
      "https://example.org/a%20model/params.safetensors",
    ]);
  }).finally(() => globalThis.fetch = fetch);
});

Deno.test("load() ends with the reason of its signal, before it begins and while an address is read", async () => {
  const { fetch } = globalThis;
  const model = await compile(architectures.linear, { engine });
  const spec = JSON.stringify(model.spec);
  const stop = new AbortController();
  const asked: string[] = [];
  globalThis.fetch = (url, init) => {
    assertEquals(init?.signal, stop.signal);
    if (stop.signal.aborted) return Promise.reject(stop.signal.reason);
    asked.push(String(url));
    if (asked.length === 2) stop.abort(new Error("enough"));
    return Promise.resolve(new Response(asked.length === 1 ? spec : new ReadableStream()));
  };
  const loading = () => load("https://example.org/model", { engine, signal: stop.signal });
  try {
    await assertRejects(loading, Error, "enough");
    assertEquals(asked.length, 2);
    await assertRejects(loading, Error, "enough");
    assertEquals(asked.length, 2);
    const wrong = { signal: 5 } as unknown as { signal: AbortSignal };
    await assertRejects(() => load("./model", wrong), TypeError, "signal must be an AbortSignal, found 5");
  } finally {
    globalThis.fetch = fetch;
  }
});

Deno.test("load() names the URL or the file that it cannot read", async () => {
  const { fetch } = globalThis;
  const model = await compile(architectures.linear, { engine });
  const spec = JSON.stringify(model.spec);
  const weights = encodeSafetensors(await model.parameters());
  const served = (...answers: readonly Response[]) => {
    const left = [...answers];
    globalThis.fetch = () => Promise.resolve(left.shift()!);
    return load("https://example.org/model?key=1", { engine });
  };
  const used = new Response(spec);
  await used.text();
  const at = "https://example.org/model";
  const none = { status: 404, statusText: "Not Found" };
  const cases: readonly (readonly [() => Promise<unknown>, string])[] = [
    [
      () => served(new Response("", none)),
      `Cannot load model\n  at ${at}/spec.json: found status 404 Not Found, wanted 200`,
    ],
    [() => served(new Response("<html>")), `Cannot read model\n  at ${at}/spec.json: `],
    [() => served(new Response(spec), new Response("", none)), `at ${at}/params.safetensors: found status 404`],
    [
      () => served(new Response(spec), new Response("<html></html>")),
      `Cannot read ${at}/params.safetensors\n  at byte 0: `,
    ],
    [
      () => served(new Response(spec), new Response(new Uint8Array(3e6))),
      `Cannot read ${at}/params.safetensors\n  at byte 8: `,
    ],
    [
      () => served(new Response(spec), new Response(new Blob([weights, new Uint8Array(3e6)]).stream())),
      `params.safetensors\n  at byte ${weights.length}: bytes at the end belong to no tensor`,
    ],
    [
      () => served(new Response(spec), new Response(weights.subarray(0, -1))),
      `params.safetensors\n  at byte ${weights.length - 1}: the file ends here, but "tasks/`,
    ],
    [() => load({ "spec.json": spec }), "at params.safetensors: no such file was given, wanted spec.json and params"],
    [() => load({ "spec.json": 5 } as never), "at spec.json: found 5, wanted a text, bytes, a Blob or a Response"],
    [() => load({ "spec.json": used, "params.safetensors": weights }), "at spec.json: its body was read already"],
    [() => load({ "spec.json": "{", "params.safetensors": weights }), "Cannot read model\n  at spec.json: "],
    [
      () => load(new URL("ftp://a/b")),
      "wanted the path or the URL of a folder, or its files by name, found a URL of ftp:",
    ],
    [() => load([] as never), "wanted the path or the URL of a folder, or its files by name, found a list"],
  ];
  try {
    for (const [does, says] of cases) assertStringIncludes((await assertRejects(does, Error)).message, says);
  } finally {
    globalThis.fetch = fetch;
  }
});

Deno.test("load() reads no damaged file", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    const write = (file: string, bytes: Uint8Array | string) =>
      typeof bytes === "string"
        ? Deno.writeTextFileSync(`${dir}/model/${file}`, bytes)
        : Deno.writeFileSync(`${dir}/model/${file}`, bytes);
    const text = JSON.stringify(architectures.linear);
    const bytes = encodeSafetensors(await model.parameters());
    const bare = JSON.parse(text);
    const cases: [file: string, content: Uint8Array | string, error: new () => Error, found: string][] = [
      ["spec.json", "", SyntaxError, `Cannot read model\n  at ${dir}/model/spec.json: `],
      ["spec.json", text.slice(0, -1), SyntaxError, "spec.json"],
      ["spec.json", `${text}x`, SyntaxError, "spec.json"],
      ["spec.json", `<html>${text}`, SyntaxError, "spec.json"],
      ["spec.json", Uint8Array.of(0xff, 0xfe, 0x7b), SyntaxError, "spec.json: the text is not UTF-8"],
      ["spec.json", "[".repeat(100_000), SyntaxError, "spec.json"],
      ["spec.json", "[".repeat(50_000) + "]".repeat(50_000), SpecError as never, "wanted an object, found a list"],
      ["spec.json", "null", SpecError as never, "Cannot read model\n  at the top: wanted an object, found null"],
      ["spec.json", '{"gatehouse":3}', SpecError as never, "format 3 is unknown: this version reads formats 1 to 2"],
      ["spec.json", JSON.stringify({ ...bare, tasks: {} }), SpecError as never, "at tasks: a model needs at least one"],
      ["spec.json", JSON.stringify({ ...bare, input: { width: 6 } }), SpecError as never, "must be x [batch, 6]"],
      ["params.safetensors", "", SyntaxError, "params.safetensors"],
      ["params.safetensors", text, RangeError, "params.safetensors"],
      ["params.safetensors", bytes.subarray(0, bytes.length - 1), RangeError, "params.safetensors"],
      ["params.safetensors", Uint8Array.of(...bytes, 0), RangeError, "params.safetensors"],
      ["params.safetensors", bytes.map((byte, at) => at === 9 ? 0 : byte), SyntaxError, "params.safetensors"],
      ["params.safetensors", bytes.map((byte, at) => at >= bytes.length - 4 ? 0xff : byte), RangeError, "found NaN"],
      ["params.safetensors", new Uint8Array(2 ** 21), RangeError, "holds 2097152 bytes, wanted at most"],
    ];
    for (const [file, content, error, found] of cases) {
      await Deno.remove(`${dir}/model`, { recursive: true }).catch(() => {});
      await save(model, `${dir}/model`);
      write(file, content);
      const name = `${file}: ${String(content).slice(0, 40)}`;
      const thrown = await assertRejects(() => load(`${dir}/model`, { engine }), Error, found, name);
      assertInstanceOf(thrown, error, `${name}: ${thrown}`);
      assert(thrown.message.startsWith("Cannot "), thrown.message);
    }
  });
});

Deno.test("load() reports all parameters that do not fit at once", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    await save(model, `${dir}/model`);
    const { "tasks/income/head/0/kernel": kernel, ...rest } = await model.parameters();
    const parameters = {
      ...rest,
      "tasks/incom/head/0/kernel": kernel,
      "tasks/marital/head/0/bias": { shape: [2], data: new Float32Array(2) },
      "levels/0/experts/shared/0/0/kernel": { shape: [], data: new Float32Array(1) },
    };
    Deno.writeFileSync(`${dir}/model/params.safetensors`, encodeSafetensors(parameters));
    const error = await assertRejects(() => load(`${dir}/model`, { engine }), TypeError);
    assertEquals(error.message.split("\n").sort(), [
      "  misshapen: tasks/marital/head/0/bias is [2], wanted [1]",
      "  missing: tasks/income/head/0/kernel [5, 1]",
      "  unexpected: levels/0/experts/shared/0/0/kernel []",
      "  unexpected: tasks/incom/head/0/kernel [5, 1]: did you mean tasks/income/head/0/kernel?",
      "Cannot assign parameters",
    ]);
  });
});

Deno.test("load() lists by name what else a file holds, of whatever type, and what is of a type that is not read", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    await save(model, `${dir}/model`);
    const path = `${dir}/model/params.safetensors`;
    const bytes = Deno.readFileSync(path);
    const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = new TextDecoder().decode(bytes.subarray(8, start)).trimEnd();
    const end = bytes.length - start;
    const more = (text: string) => {
      const changed = new TextEncoder().encode(header.slice(0, -1) + text);
      const file = new Uint8Array(8 + changed.length + end + 9);
      new DataView(file.buffer).setBigUint64(0, BigInt(changed.length), true);
      file.set(changed, 8);
      file.set(bytes.subarray(start), 8 + changed.length);
      Deno.writeFileSync(path, file);
    };
    const step = `,"step":{"dtype":"I64","shape":[],"data_offsets":[${end},${end + 8}]}`;
    more(`${step},"mask":{"dtype":"BOOL","shape":[1],"data_offsets":[${end + 8},${end + 9}]}}`);
    const error = await assertRejects(() => load(`${dir}/model`, { engine }), TypeError);
    const lines = ["Cannot assign parameters", "  unexpected: step I64 []", "  unexpected: mask BOOL [1]"];
    assertEquals(error.message.split("\n"), lines);

    const { "tasks/income/head/0/bias": _, ...rest } = await model.parameters();
    const one = "tasks/income/head/0/bias";
    assertThrows(
      () => checkParameters(parametersOf(model.spec), rest, { [one]: { dtype: "I64", shape: [1] } }),
      TypeError,
      `Cannot assign parameters\n  misshapen: ${one} is I64 [1], wanted F32 [1]`,
    );
  });
});

Deno.test("load() runs nothing of what a file holds", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    await save(model, `${dir}/model`);
    const text = Deno.readTextFileSync(`${dir}/model/spec.json`);
    const hostile = text.replace('"gatehouse": 2,', '"gatehouse": 2, "__proto__": { "polluted": 1 },');
    assert(hostile !== text);
    Deno.writeTextFileSync(`${dir}/model/spec.json`, hostile);
    await assertRejects(() => load(`${dir}/model`, { engine }), SpecError, '"__proto__" is unknown');
    assertEquals(({} as Record<string, unknown>).polluted, undefined);
  });
});

Deno.test("parseSpec() names its file", () => {
  const spec = architectures.mmoe;
  assertEquals(parseSpec(JSON.stringify(spec)), spec);
  assertEquals(parseSpec(new TextEncoder().encode(JSON.stringify(spec))), spec);
  try {
    parseSpec("{", "some.json");
  } catch (error) {
    assertInstanceOf(error, SyntaxError);
    assertStringIncludes(error.message, "Cannot read model\n  at some.json: ");
  }
});

/** Names that files could trip over. */
function odd(): Spec {
  const names = [
    "constructor",
    "toString",
    "a b",
    "..",
    ".",
    "\\",
    '"',
    "é",
    "日本",
    "😀",
    "0",
    "1",
    "__metadata__",
    " ",
  ];
  const tasks = Object.fromEntries(names.map((name) => [name, categorical(2, dense(2))]));
  const spec = define(mmoe({ ...base, experts: 2, expert, tasks }));
  assertEquals(Object.keys(initialise(spec, 0)).length, 2 * 4 + names.length * 5);
  return spec;
}

Deno.test("load() refuses parameters that were saved with another spec, and save() files of other programs", async () => {
  await withTemp(async (dir) => {
    const [one, other] = await Promise.all(
      [relu, tanh].map((net) => compile(define({ input: 2, tasks: { click: binary(net) } }), { engine: reference() })),
    );
    await save(one, `${dir}/one`);
    await save(other, `${dir}/other`);
    await Deno.copyFile(`${dir}/other/params.safetensors`, `${dir}/one/params.safetensors`);
    const mixed = await assertRejects(() => load(`${dir}/one`, { engine: reference() }), TypeError);
    assertStringIncludes(mixed.message, "params.safetensors belongs to another spec.json, wanted two files that were");
    await save(one, `${dir}/one`);
    const loaded = await load(`${dir}/one`, { engine: reference() });
    assertEquals(loaded.spec, one.spec);

    await Deno.mkdir(`${dir}/stranger`);
    await Deno.writeTextFile(`${dir}/stranger/spec.json`, "{}");
    await assertRejects(() => save(one, `${dir}/stranger`), Deno.errors.AlreadyExists, "of another program");
    assertEquals(await Deno.readTextFile(`${dir}/stranger/spec.json`), "{}");
    await Deno.mkdir(`${dir}/layers`);
    await Deno.writeTextFile(`${dir}/layers/model.json`, '{"format":"layers-model"}');
    await assertRejects(() => saveGraphModel(one, `${dir}/layers`), Deno.errors.AlreadyExists, "of another program");
    [one, other, loaded].forEach((model) => model.dispose());
  });
});

Deno.test("save(), saveGraphModel() and saveOnnx() make the folders above, and where they fail the model can be saved elsewhere", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    await save(model, `${dir}/a/b/model`);
    await saveGraphModel(model, `${dir}/c/d/served`);
    await saveOnnx(model, `${dir}/e/f/served.onnx`);
    await Deno.writeTextFile(`${dir}/file`, "");
    for (const write of [save, saveGraphModel, saveOnnx]) {
      const error = await assertRejects(() => write(model, `${dir}/file/x`), Deno.errors.NotADirectory);
      assertStringIncludes(
        error.message,
        `  at ${dir}/file/x: ${dir}/file is not a folder\n  the model is unchanged: `,
      );
      assertStringIncludes(error.message, "another path");
    }
    await save(model, `${dir}/elsewhere`);
    for (const path of [`${dir}/a/b/model`, `${dir}/elsewhere`]) {
      assertEquals(await (await load(path, { engine })).parameters(), await model.parameters());
    }
  });
});

Deno.test("load() reads what save() writes, whatever others added to its metadata, and save() refuses what load() would", async () => {
  await withTemp(async (dir) => {
    const model = await compile(architectures.linear, { engine });
    await save(model, `${dir}/model`);
    const path = `${dir}/model/params.safetensors`;
    const { tensors, metadata } = decodeSafetensors(Deno.readFileSync(path));
    Deno.writeFileSync(path, encodeSafetensors(tensors, { ...metadata, note: "x".repeat(3e6) }));
    assertEquals(await (await load(`${dir}/model`, { engine })).parameters(), await model.parameters());
    const { length } = specBytes(model.spec, 2 ** 29);
    assertEquals(length, Deno.statSync(`${dir}/model/spec.json`).size);
    assertThrows(
      () => specBytes(model.spec, length - 1),
      RangeError,
      `Cannot save model: spec.json would hold ${length} bytes, wanted at most ${length - 1}`,
    );
  });
});

Deno.test("load() finds a whole model wherever a save was cut off, and the next save tidies up", async () => {
  await withTemp(async (dir) => {
    const [one, two] = [await numbered(1), await numbered(2)];
    await save(one, `${dir}/1`);
    await save(two, `${dir}/2`);
    const between = async (number: number) => {
      const { metadata } = decodeSafetensors(await Deno.readFile(`${dir}/${number}/params.safetensors`));
      return `params-${metadata.spec.slice(0, 16)}.safetensors`;
    };
    const parts: [number, string, string][] = [
      [2, "params.safetensors", await between(2)],
      [2, "spec.json", "spec.json"],
      [2, "params.safetensors", "params.safetensors"],
    ];
    for (const plain of [false, true]) {
      for (let done = 0; done <= parts.length; done++) {
        const path = `${dir}/${plain}${done}`;
        await save(one, path);
        // A file of parameters that does not name its spec, as other programs write it.
        if (plain) await Deno.writeFile(`${path}/params.safetensors`, await withoutSpec(`${path}/params.safetensors`));
        for (const [from, name, to] of parts.slice(0, done)) {
          await Deno.copyFile(`${dir}/${from}/${name}`, `${path}/${to}`);
        }
        assertEquals(await numberAt(path), done < 2 ? 1 : 2, `${done} of ${parts.length} files in place`);
        await save(two, path);
        assertEquals(await numberAt(path), 2);
        assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [...files].sort());
      }
    }
  });
});

Deno.test("load() finds a whole model while two others save models of different specs there", async () => {
  await withTemp(async (dir) => {
    const path = `${dir}/model`;
    await save(await numbered(1), path);
    const workers = [1, 2].map(() => new Worker(new URL("saver.ts", import.meta.url), { type: "module" }));
    const finished = workers.map((worker) =>
      new Promise<string[]>((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage({ path, times: 40 });
      })
    );
    let saving = true;
    const errors = Promise.all(finished).finally(() => saving = false);
    const found = new Set<number>();
    while (saving) found.add(await numberAt(path));
    assertEquals(await errors, [[], []]);
    assertEquals([...found].sort(), [1, 2]);
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [...files].sort());
    workers.forEach((worker) => worker.terminate());
  });
});

/** The bytes of a file of parameters whose metadata does not name their spec. */
async function withoutSpec(path: string): Promise<Uint8Array> {
  const { tensors, metadata: { spec: _, ...rest } } = decodeSafetensors(await Deno.readFile(path));
  return encodeSafetensors(tensors, rest);
}
