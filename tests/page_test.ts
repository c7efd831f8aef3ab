import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { entriesOf, SpecError } from "../mod.ts";
import { boundedModelOf } from "../examples/page/bounded.ts";
import { guessed, lookAt, lookOf, separatorOf } from "../examples/page/columns.ts";
import { basesOf } from "../examples/page/judged.ts";
import { graphOf } from "../examples/page/graph.ts";
import { modelOf } from "../examples/page/language.ts";
import { readerOf } from "../examples/page/reader.ts";
import { sampleOf } from "../examples/page/sample.ts";
import { policy, siteOf } from "../examples/page/site.ts";
import { modelNames, tables } from "../examples/page/tables.ts";
import type { TableAnswer, TableOrder } from "../examples/page/table_worker.ts";
import { tokensOf } from "../examples/page/tokens.ts";

Deno.test("the page's tables are models of about one size", () => {
  const sizes = modelNames.map((name) =>
    entriesOf(modelOf(tables[name])).reduce((sum, { parameters }) => sum + parameters, 0)
  );
  assertEquals(sizes, [13_255, 14_018, 14_818]);
});

Deno.test("modelOf() reads what a table may hold", () => {
  const tasks = "{ a: binary() }";
  const cases: readonly string[] = [
    `{ input: 2, tasks: ${tasks} }`,
    `define({ input: 2, tasks: ${tasks} });`,
    `const tasks = ${tasks}; { input: 2, tasks }`,
    `const n = 2\nconst tasks = { "a": binary(), };\n{ input: n, tasks }`,
    `// a comment\n{ input: 2, /* another */ tasks: ${tasks} }`,
    `{ input: 2e0, tasks: { 'a': binary() } }`,
  ];
  for (const code of cases) {
    const { input, tasks } = modelOf(code);
    assertEquals([input, Object.keys(tasks)], [{ width: 2 }, ["a"]], code);
  }
  for (const gate of ["softmax", "topK(2)", "dselectK(2)", "temperature(2)", "gateDropout(0.1, softmax)"]) {
    const code = `mmoe({ input: 2, expert: mlp([4]), experts: 4, gate: ${gate}, tasks: ${tasks} })`;
    assertEquals(modelOf(code).levels[0].experts.shared.count, 4, gate);
  }
});

Deno.test("modelOf() says where a table cannot be read, and what would be right", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", "line 1, column 1: found the end, wanted a table, such as mmoe({ ... })"],
    ["const a = 1;", "line 1, column 13: found the end, wanted a table"],
    ["{ input: 2, tasks: {} } 7", 'line 1, column 25: found "7", wanted the end'],
    ["{ input 2 }", 'line 1, column 9: found "2", wanted ":"'],
    ["{ inputs }", 'line 1, column 3: no value is named "inputs"'],
    ["{ input: }", 'line 1, column 10: found "}", wanted a value'],
    ["mmoe({\n  input: 2;\n})", 'line 2, column 11: found ";", wanted "," or "}"'],
    ["mmoe({ gate: sofmax })", 'line 1, column 14: no value is named "sofmax": did you mean "softmax"?'],
    ["mmo({})", 'line 1, column 1: no function is named "mmo": did you mean "mmoe"?'],
    ["const f = relu; f(1)", 'line 1, column 17: "f" cannot be called here'],
    ["() => 1", 'line 1, column 1: found "(", wanted a value'],
    ["this.constructor", 'line 1, column 1: no value is named "this"'],
    ["mmoe({}).constructor", 'line 1, column 9: found ".", wanted the end'],
    ["constructor({})", 'line 1, column 1: no function is named "constructor"'],
    ["true({})", '"true" cannot be called'],
    ['"open', "line 1, column 1: found "],
    ["[".repeat(200), "line 1, column 101: found "],
  ];
  for (const [code, message] of cases) {
    const error = assertThrows(() => modelOf(code), SyntaxError, undefined, code);
    assertMatch(error.message, /^Cannot read table\n {2}at line /, code);
    assertStringIncludes(error.message, message, code);
  }
  const endless = '"\\'.repeat(500_000);
  assertThrows(() => modelOf(endless), SyntaxError, "it has 1,000,000 signs, wanted at most 20,000");
});

Deno.test("modelOf() has the errors of define() as they are", () => {
  assertThrows(
    () => modelOf(tables.MMoE.replace("softmax;", "topK(20);")),
    SpecError,
    "at levels[0].gates.first: Cannot apply topK: k must be at most the number of experts, 8, found 20",
  );
  assertThrows(() => modelOf("{ gatehouse: 2 }"), SpecError, "Cannot ");
  assertThrows(() => modelOf("7"), TypeError);
  assertThrows(() => modelOf('{ "__proto__": { input: 2 }, tasks: {} }'), SpecError);
});

/** The table of a model whose expert is doubled some times. */
function doubled(times: number): string {
  const more = Array.from({ length: times }, (_, at) => `const e${at + 1} = pipe(e${at}, e${at});`);
  const expert = ["const e0 = pipe(dense(100), relu);", ...more, `const expert = e${times};`].join("\n");
  return tables.MMoE.replace("const expert = pipe(dense(16), relu);", expert);
}

Deno.test("boundedModelOf() refuses models that a page draws or trains too slowly", () => {
  const tooLarge = [doubled(11), tables.MMoE.replace("dense(16)", "dense(10000)")];
  const errors = tooLarge.map((code) => assertThrows(() => boundedModelOf(code), RangeError).message);
  assertEquals(errors, [
    "Cannot train model: it has 239,426 signs as JSON, wanted at most 50,000 in this page",
    "Cannot train model: it has 8,241,634 parameters, wanted at most 5,000,000 in this page",
  ]);
  assertEquals(boundedModelOf(doubled(3)).parameters, 84_034);
});

Deno.test("modelOf() refuses what constants make too large, without making it", () => {
  const parts = /at line \d+, column \d+: a model of more than 50,000 parts is described, wanted a smaller one$/;
  const lists = Array.from({ length: 40 }, (_, at) => `const l${at + 1} = [l${at}, l${at}];`).join("\n");
  assertMatch(assertThrows(() => modelOf(doubled(40)), SyntaxError).message, parts);
  assertMatch(assertThrows(() => modelOf(`const l0 = [1];\n${lists}\nl40`), SyntaxError).message, parts);
  assertMatch(assertThrows(() => modelOf(`const l0 = [1];\n${lists}\npipe(l40)`), SyntaxError).message, parts);
});

/** A worker that answers what it is asked, but for "slow", by which it never ends. */
const echo = `onmessage = ({ data }) => {
  postMessage("begun");
  if (data === "slow") while (true);
  postMessage({ wrong: data });
};`;

Deno.test("readerOf() ends what takes too long and what is out of date, and then reads the next table", async () => {
  const address = URL.createObjectURL(new Blob([echo], { type: "text/javascript" }));
  const workers: Worker[] = [];
  const read = readerOf(() => {
    workers.push(new Worker(address, { type: "module" }));
    return workers[workers.length - 1];
  }, 500);
  const answer = async (code: string) => {
    const reading = await read(code);
    return reading !== undefined && "wrong" in reading && reading.wrong;
  };
  try {
    assertEquals([await answer("one"), await answer("two"), workers.length], ["one", "two", 1]);
    const before = answer("slow");
    assertEquals([await answer("three"), await before, workers.length], ["three", false, 2]);
    const late = "Cannot read table: it takes longer than 0.5 seconds, wanted a smaller one; the model before goes on";
    assertEquals(await answer("slow"), late);
    assertEquals([await answer("four"), workers.length], ["four", 3]);
  } finally {
    workers.forEach((worker) => worker.terminate());
    URL.revokeObjectURL(address);
  }
});

Deno.test("a table is read in the page's worker", async () => {
  const read = readerOf(() => new Worker(import.meta.resolve("../examples/page/code_worker.ts"), { type: "module" }));
  const found = [await read(tables.MMoE), await read("mmo({})"), await read(doubled(40))];
  const said = found.map((reading) =>
    reading !== undefined && ("wrong" in reading ? reading.wrong : reading.parameters)
  );
  assertEquals(said[0], 14_818);
  assertStringIncludes(String(said[1]), "line 1, column 1: no function");
  assertStringIncludes(String(said[2]), "more than 50,000 parts");
});

Deno.test("tokensOf() loses nothing", () => {
  for (const code of [...Object.values(tables), "a\"b\n'c", "/* open", "1.5e-3.2", "ü😀{}=>`${x}`"]) {
    assertEquals(tokensOf(code).map(({ text }) => text).join(""), code);
  }
});

Deno.test("graphOf() draws every expert, gate and task, and a line for every weight", () => {
  const draw = graphOf("MMoE", modelOf(tables.MMoE));
  const even = draw({});
  const decided = draw({ "0/first": [0.93, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01] });
  for (const { body, description, height } of [even, decided]) {
    assertEquals(body.match(/graph-expert/g)!.length, 8);
    assertEquals(body.match(/graph-gate/g)!.length, 2);
    assertEquals(body.match(/graph-mix/g)!.length, 16);
    assertEquals(description, "experts: 8 in bank shared; gates: first, second. Tasks: first, second.");
    assert(height > 300 && height < 500, String(height));
    assert(!body.includes("NaN"));
  }
  assertStringIncludes(decided.body, 'stroke-width="5.6"');
  for (const code of ["ple({", "crossStitch({", "adatt({", "cgc({"]) {
    const model = modelOf(`${code} input: 4, expert: dense(4), tasks: { a: binary(), b: binary() } })`);
    assert(!graphOf(code, model)({}).body.includes("NaN"), code);
  }
});

Deno.test("lookAt() guesses the uses of a file's columns", async () => {
  const uses = async (text: string) => {
    const { columns } = await lookAt(new Blob([text]));
    return columns.map(({ name, use, two }) => [name, use, ...two ?? []].join(" "));
  };
  assertEquals(await uses(sampleOf(500, 7)), [
    ...["age number", "device category", "city category", "hour number", "visits number"],
    ...["clicked label of two no yes", "bought label of two no yes", "spent label of numbers"],
  ]);
  assertEquals(await uses("a;b\n1;x\n2;y\n3;z"), ["a label of numbers", "b category"]);
  const ids = Array.from({ length: 50 }, (_, i) => `${i},name ${i},${i % 3},${i % 2}`).join("\n");
  assertEquals(await uses(`user_id,title,n,y\n${ids}`), [
    ...["user_id left out", "title left out", "n number", "y label of two 0 1"],
  ]);
  const moments = Array.from({ length: 50 }, (_, i) => `${1650812741436 + i * i},${2e6 + i},${i + 2e8 + 0.5},${i % 2}`);
  assertEquals(await uses(`time_ms,price,area,y\n${moments.join("\n")}`), [
    ...["time_ms left out", "price number", "area number", "y label of two 0 1"],
  ]);
  const flowers = Array.from({ length: 60 }, (_, i) => `${i / 7},${i % 5},${["setosa", "virginica", "other"][i % 3]}`);
  assertEquals(await uses(`width,petals,variety\n${flowers.join("\n")}`), [
    ...["width number", "petals number", "variety label of classes"],
  ]);
  assertEquals(await uses(`a,class,b\n${flowers.map((line) => line.split(",").reverse().join(",")).join("\n")}`), [
    ...["a category", "class number", "b label of numbers"],
  ]);
  const zipped = new Blob(["a\tb\n1\tno\n2\tyes\n"]).stream().pipeThrough(new CompressionStream("gzip"));
  const look = await lookAt(await new Response(zipped).blob());
  assertEquals([look.separator, look.rows, look.columns.map(({ name }) => name)], ["\t", 2, ["a", "b"]]);
});

Deno.test("lookAt() says why a file is no table, and shows the beginnings of long values", async () => {
  const cases: readonly (readonly [string | Uint8Array<ArrayBuffer>, string])[] = [
    ["", "wanted a line of names and at least one row below it"],
    ["a,b\n", "wanted a line of names and at least one row below it"],
    ["x".repeat(3_000_000), "its first line has no end, wanted a line of names"],
    [`${",".repeat(5000)}\n1`, "found 5,001 columns, wanted at most 1,000"],
    ['a,b\n1,"2', 'extraneous or missing "'],
    [Uint8Array.of(0x1f, 0x8b, 8, 0), ""],
    [new Uint8Array([0xff, 0xfe, 97, 0, 10, 0, 49, 0]), "the text is UTF-16: wanted UTF-8"],
    ["PK\x03\x04zip", "the file is a zip archive or a spreadsheet"],
    ['a,b\n1,x"y\n', "Syntax error on line 2"],
  ];
  for (const [text, message] of cases) {
    const error = await assertRejects(() => lookAt(new Blob([text])), Error);
    assertMatch(error.message, /^Cannot read the file: ./);
    assertStringIncludes(error.message, message);
  }
  const { columns } = await lookAt(new Blob([`__proto__\n${"x".repeat(1e6)}\ny`]));
  assertEquals(columns.map(({ name, examples }) => [name, ...examples]), [["__proto__", `${"x".repeat(39)}…`, "y"]]);
});

Deno.test("lookAt() numbers the columns of a file whose first line is a row", async () => {
  const namesIn = async (text: string) => {
    const { columns, rows, isNameless } = await lookAt(new Blob([text]));
    return [columns.map(({ name }) => name).join(", "), rows, isNameless];
  };
  assertEquals(await namesIn("38,x,x,yes\n43,y,x,no\n"), ["column 1, column 2, column 3, column 4", 2, true]);
  assertEquals(await namesIn("1.5,2\n3,4\n"), ["column 1, column 2", 2, true]);
  assertEquals(await namesIn("country,1960,1961\nPeru,1,2\n"), ["country, 1960, 1961", 1, false]);
  assertEquals(await namesIn("a,a\n1,2\n"), ["a, a", 1, false]);
});

Deno.test("columns of two values are ordered, missing values are none, and no column is a label twice", () => {
  const two = (...values: string[]) => lookOf("a", values).two;
  assertEquals(two("1", "0"), ["0", "1"]);
  assertEquals(two("yes", "no", "", "NA"), ["no", "yes"]);
  assertEquals(two(">50K", "<=50K"), ["<=50K", ">50K"]);
  assertEquals(two("b", "a", "b"), ["a", "b"]);
  assertEquals(two("a", "b", "c"), undefined);
  assertEquals(lookOf("a", ["", "1", "1"]).use, "left out");
  assertEquals(separatorOf("a,b;c;d"), ";");
  assertEquals(['"a,b,c";d', '"a ""b,"" c,";d', '"a;b', "a,b"].map(separatorOf), [";", ";", ",", ","]);
  assertEquals(guessed([lookOf("n", ["1", "2", "3"])]).map(({ use }) => use), ["label of numbers"]);
  const nameless = [lookOf("a", ["1", "2", "3"]), lookOf(" ", ["0", "1", "1"])];
  assertEquals(guessed(nameless).map(({ use }) => use), ["label of numbers", "left out"]);
});

Deno.test("a column may be used for what its values allow", () => {
  const usesOf = (...values: string[]) => lookOf("a", values).uses.join(", ");
  assertEquals(usesOf("1", "0"), "number, category, label of two, label of numbers, left out");
  assertEquals(usesOf("no", "yes"), "category, label of two, left out");
  assertEquals(usesOf("3", "4", "5", "3", "4", "5"), "number, category, label of classes, label of numbers, left out");
  assertEquals(usesOf("x", "y", "z", "z", "z", "z"), "category, label of classes, left out");
  assertEquals(usesOf("x", "y", "z"), "category, left out");
  assertEquals(usesOf(...Array.from({ length: 1000 }, (_, i) => `n${i % 101}`)), "category, left out");
  assertEquals(usesOf("", ""), "category, left out");
});

Deno.test("siteOf() answers with the files alone, isolated and under a policy without eval", async () => {
  const site = siteOf(new Map([["index.html", new TextEncoder().encode("<p>")], ["a.wasm", new Uint8Array(3)]]));
  const ask = (path: string, method = "GET") => site(new Request(`http://127.0.0.1${path}`, { method }));
  const found: [number, string | null, number][] = [];
  for (const [path, method] of [["/"], ["/a.wasm"], ["/a.wasm", "HEAD"], ["/../deno.json"], ["/none"], ["/", "POST"]]) {
    const response = ask(path, method);
    assertEquals(response.headers.get("cross-origin-opener-policy"), "same-origin");
    assertEquals(response.headers.get("cross-origin-embedder-policy"), "require-corp");
    assertStringIncludes(response.headers.get("content-security-policy")!, policy);
    const type = response.status === 200 ? response.headers.get("content-type") : null;
    found.push([response.status, type, (await response.arrayBuffer()).byteLength * Number(response.ok)]);
  }
  assertEquals(found, [
    [200, "text/html; charset=utf-8", 3],
    ...[[200, "application/wasm", 3], [200, "application/wasm", 0]] as [number, string, number][],
    ...[[404, null, 0], [404, null, 0], [405, null, 0]] as [number, string | null, number][],
  ]);
  assert(!/unsafe-(eval|inline)'/.test(policy.replace("'wasm-unsafe-eval'", "")), policy);
});

/** Sends messages to the worker of tables, and returns its answers up to one that is asked for. */
async function answersOf(
  messages: readonly unknown[],
  isLast: (answer: TableAnswer) => boolean,
): Promise<TableAnswer[]> {
  const worker = new Worker(import.meta.resolve("../examples/page/table_worker.ts"), { type: "module" });
  const answers: TableAnswer[] = [];
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<TableAnswer>) => {
        answers.push(data);
        if (isLast(data)) resolve(answers);
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      messages.forEach((message) => worker.postMessage(message));
    });
  } finally {
    worker.terminate();
  }
}

/** An order to train on a file for one pass. */
function orderOf(text: string, columns: TableOrder["columns"]): TableOrder {
  const how = { experts: 2, passes: 1, seed: 7, engine: "cpu" } as const;
  return { id: 1, file: new Blob([text]), name: "visitors.csv", separator: ",", columns, ...how };
}

Deno.test("a training that is stopped while its file is read answers that it was", async () => {
  const order = orderOf(sampleOf(2000, 7), [
    { name: "age", use: "number" },
    { name: "bought", use: "label of two", two: ["no", "yes"] },
  ]);
  const answers = await answersOf([order, "stop"], () => true);
  assertEquals(answers, [{ id: 1, failed: "Stopped before the first step" }]);
});

Deno.test("labels of two, of classes and of numbers are trained and judged beside what is known without a model", async () => {
  const order = orderOf(sampleOf(1500, 7), [
    ...[{ name: "age", use: "number" }, { name: "visits", use: "number" }] as const,
    { name: "clicked", use: "label of two", two: ["no", "yes"] },
    ...[{ name: "city", use: "label of classes" }, { name: "spent", use: "label of numbers" }] as const,
  ]);
  const answers = await answersOf(
    [order],
    (answer) => "failed" in answer || "moment" in answer && answer.moment.isLast,
  );
  const last = answers[answers.length - 1];
  assert("moment" in last, JSON.stringify(last));
  const judged = last.moment.judged!;
  assertEquals(judged.map(({ task, kind }) => `${task}: ${kind}`), [
    ...["clicked: binary", "city: categorical", "spent: regression"],
  ]);
  for (const { model, base } of judged) assert(model > 0 && base > 0, `${model}, ${base}`);
  const [clicked, city] = judged;
  assertEquals(clicked.base, 0.5);
  assert(["Basel", "Cologne", "Lyon", "Porto", "Turin"].includes(city.most!), city.most);
  assert(city.mean > 0.2 && city.mean < 0.3, `${city.mean}`);
});

Deno.test("a label of too many classes is refused by name", async () => {
  const text = Array.from({ length: 300 }, (_, i) => `${i},name ${i % 150}\n`).join("");
  const order = orderOf(`n,who\n${text}`, [{ name: "n", use: "number" }, { name: "who", use: "label of classes" }]);
  assertEquals(await answersOf([order], () => true), [{
    id: 1,
    failed: 'Cannot train: column "who" has 150 classes, wanted 2 to 100; use it as a feature, or leave it out',
  }]);
});

Deno.test("basesOf() is what the most frequent class, and the mean, come to on held-out rows", () => {
  const { tasks } = modelOf("{ input: 1, tasks: { y: binary(), n: regression() } }");
  const head = { ...tasks.y.head, kind: "categorical" } as typeof tasks.y.head;
  const spec = { ...modelOf(tables.MMoE), tasks: { ...tasks, c: { ...tasks.y, head } } };
  const trained = {
    y: Float64Array.of(1, 0, 0, NaN),
    n: Float64Array.of(1, 2, 3, NaN),
    c: Float64Array.of(1, 1, 0, 2),
  };
  const held = { y: Float64Array.of(1, 0), n: Float64Array.of(4, 0), c: Float64Array.of(1, 0) };
  const words = (task: string) => task === "c" ? ["a", "b", "c"] : [];
  assertEquals(basesOf(spec, { labels: trained }, { labels: held }, words), {
    y: { kind: "binary", mean: 1 / 3, base: 0.5 },
    n: { kind: "regression", mean: 2, base: 2 },
    c: { kind: "categorical", mean: 0.5, base: 0.5, most: "b" },
  });
});
