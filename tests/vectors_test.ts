import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  adagrad,
  adam,
  bank,
  binary,
  category,
  check,
  compile,
  cpu,
  define,
  dense,
  embed,
  encode,
  type Engine,
  fit,
  hashed,
  inits,
  level,
  mix,
  momentum,
  type Optimiser,
  pcgrad,
  pipe,
  readVectors,
  reference,
  regression,
  rows,
  sequence,
  softmax,
  SpecError,
  train,
  wasm,
} from "../mod.ts";
import { layoutOf, parametersOf } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";

const table = { job: ["clerk", "smith", "baker", "of the bank"], city: ["bern", "bern", "rome", "oslo"] };
const input = fit({ job: category(), city: category({ unknowns: 2 }) }, table);
const blob = (text: string) => new Blob([text]);
const text = "smith 1 2\nking 8 9 10 what is not read\nof the bank 5 6 \r\nclerk 3 -4e-1";

Deno.test("readVectors() reads words of the feature from a text, with a first line of counts or without, plain or gzip", async () => {
  const wanted = [0, 0, 0, 0, 3, Math.fround(-0.4), 5, 6, 1, 2]; // unknown, "baker", "clerk", "of the bank", "smith"
  const gzip = new Response(blob(`4 2\n${text}\n`).stream().pipeThrough(new CompressionStream("gzip")));
  for (const source of [blob(text), blob(`4 2\n${text}\n`), new TextEncoder().encode(text), gzip]) {
    const { table, found, absent } = await readVectors(source, input.job);
    assertEquals([table.shape, [...table.data], found, absent], [[5, 2], wanted, 3, ["baker"]]);
  }
  const slow = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const byte of new TextEncoder().encode(text)) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  assertEquals([...(await readVectors(slow, input.job)).table.data], wanted);
});

Deno.test("readVectors() draws what the file lacks if asked, and keeps a row for each code of unknown words", async () => {
  const file = () => blob("rome 1 2 3\n");
  const zeros = await readVectors(file(), input.city);
  assertEquals([zeros.table.shape, [...zeros.table.data.subarray(12)]], [[5, 3], [1, 2, 3]]);
  assertEquals(zeros.absent, ["bern", "oslo"]);
  const [one, same, other] = await Promise.all(
    [1, 1, 2].map((seed) => readVectors(file(), input.city, { absent: inits.uniform(0.5), seed })),
  );
  assertEquals(one, same);
  assert(one.table.data[0] !== other.table.data[0] && one.table.data.slice(0, 12).every((number) => number !== 0));
  assertEquals([...one.table.data.subarray(12)], [1, 2, 3]);
});

Deno.test("readVectors() reads words that hold numbers after a space, and files that begin with a byte order mark", async () => {
  const { roads } = fit({ roads: category() }, { roads: ["route 66", "route", "66"] });
  for (const text of ["3 2\nroute 66 1 2\nroute 3 4\n66 5 6\n", "66 5 6\nroute 66 1 2\nroute 3 4\n"]) {
    for (const mark of ["", "\ufeff"]) {
      const { table, absent } = await readVectors(blob(mark + text), roads);
      assertEquals([[...table.data], absent], [[0, 0, 5, 6, 3, 4, 1, 2], []]);
    }
  }
  await assertRejects(() => readVectors(blob("1 2\nroute 99 1 2\n"), roads), SyntaxError, 'found 3 values of "route"');
});

Deno.test("readVectors() names file and line of what it cannot read", async () => {
  const reasons: Readonly<Record<string, string>> = {
    "smith 1 2\nclerk 1\n": 'Cannot read v.txt\n  at line 2: found 1 values of "clerk", wanted 2',
    "3 2\nclerk 1 2 3\n": 'Cannot read v.txt\n  at line 2: found 3 values of "clerk", wanted 2',
    "clerk 1 2\nsmith 1 2\nclerk 1 2\n": 'Cannot read v.txt\n  at line 3: the word "clerk" comes twice',
    "clerk 1 nan\n": 'Cannot read v.txt\n  at line 1: value 2 of "clerk" is "nan", wanted a finite number',
    "clerk 1 1e39\n": 'Cannot read v.txt\n  at line 1: value 2 of "clerk" is "1e39", wanted a finite number',
    "clerk  2\n": 'Cannot read v.txt\n  at line 1: value 1 of "clerk" is "", wanted a finite number',
    "clerk\n": 'Cannot read v.txt\n  at line 1: found no vector, wanted "word v1 v2 ..." or "count size"',
    "king 1 2\n": "Cannot read v.txt: no line has a word of the feature",
    "": "Cannot read v.txt: no line has a word of the feature",
  };
  for (const [text, reason] of Object.entries(reasons)) {
    const error = await assertRejects(() => readVectors(blob(text), input.job, { name: "v.txt" }), SyntaxError);
    assert(error.message.startsWith(reason), error.message);
  }
  const { some } = fit({ some: hashed(3) }, { some: ["a"] });
  await assertRejects(() => readVectors(blob(text), some), TypeError, "found a hashed feature");
  await assertRejects(() => readVectors(blob(text), category() as never), TypeError, "wanted a fitted feature");
  await assertRejects(
    () => readVectors(blob(text), input.job, { absent: "zeros" as never }),
    TypeError,
    'absent must be one of inits, such as inits.uniform(0.05), found "zeros"',
  );
  await assertRejects(() => readVectors(blob(text), input.job, { sha256: "12" }), Error, "found sha256");
});

Deno.test("compile() begins with the parameters that are given, and with initial values for all others", async () => {
  const spec = define({ input, tasks: { y: regression(embed(2)) } });
  const job = "tasks/y/tower/0/job";
  const { table } = await readVectors(blob(text), input.job);
  const [plain, begun] = [
    await compile(spec, { engine: reference(), seed: 3 }),
    await compile(spec, { engine: reference(), seed: 3, begin: { [job]: table } }),
  ];
  assertEquals(await begun.parameters(), { ...await plain.parameters(), [job]: table });
  const wrong = (begin: Parameters<typeof compile>[1] & object) =>
    assertRejects(() => compile(spec, { engine: reference(), ...begin }), TypeError);
  const shape = await wrong({ begin: { [job]: { shape: [2, 5], data: table.data } } });
  assertEquals(shape.message, `Cannot assign parameters\n  misshapen: ${job} is [2, 5], wanted [5, 2]`);
  const strange = await wrong({ begin: { "tasks/y/tower/0/jobs": table } });
  const near = `at begin: it has no parameter "tasks/y/tower/0/jobs": did you mean "${job}"?`;
  assertEquals(strange.message, `Cannot compile model\n  ${near}`);
  const both = await wrong({ begin: {}, parameters: await plain.parameters() });
  assert(both.message.startsWith("Cannot compile model: begin is given beside parameters"), both.message);
  await wrong({ begin: [] as never });
  [plain, begun].forEach((model) => model.dispose());
});

const data = rows(encode(input, table), { labels: { y: [1, 2, 3, 4], z: [0, 1, 0, 1] } });
const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };
const optimisers: Readonly<Record<string, Optimiser>> = {
  adam: adam(0.1, { weightDecay: 0.5 }),
  momentum: momentum(0.1, 0.9, { weightDecay: 0.5, clipNorm: 1 }),
  adagrad: adagrad(0.1, { weightDecay: 0.5 }),
};

for (const [name, start] of Object.entries(engines)) {
  Deno.test(`vectors that are frozen stay bit for bit on ${name}, by any optimiser and with weight decay`, async () => {
    const engine = await start();
    const net = pipe(embed(3, { frozen: ["city"] }), dense(2));
    const spec = define({
      input,
      levels: [
        level({ ids: bank(2, embed(4, { frozen: true })), free: bank(2, net) }, {
          shared: mix("ids", softmax),
          z: mix("free", softmax),
        }),
      ],
      tasks: { y: regression(dense(2)), z: binary() },
    });
    const still = parametersOf(spec).filter(({ frozen }) => frozen).map(({ path }) => path);
    assertEquals(still.length, 6);
    for (const [method, optimiser] of Object.entries(optimisers)) {
      const model = await compile(spec, { engine, seed: 8 });
      const before = await model.parameters();
      const weighting = method === "adam" ? pcgrad() : undefined;
      for await (const _ of train(model, data, { epochs: 3, batch: 2, optimiser, weighting })) { /* goes on */ }
      const after = await model.parameters();
      for (const path of Object.keys(before)) {
        const same = before[path].data.every((number, at) => number === after[path].data[at]);
        if (still.includes(path)) assert(same, `${path} moved`);
        else if (path.endsWith("kernel") || path.endsWith("job")) assert(!same, `${path} stayed`);
      }
      model.dispose();
    }
  });
}

Deno.test("frozen vectors are marked in the spec, lie behind what decays, and are named by features with codes", () => {
  const spec = define({ input, tasks: { y: regression(embed(2, { frozen: ["job"] })) } });
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  const layout = layoutOf(parametersOf(spec));
  const [job, city] = ["job", "city"].map((name) => layout.extents.find(({ path }) => path.endsWith(name))!);
  assert(job.frozen && job.start >= layout.matrices && !city.frozen && city.start < layout.matrices);
  const frozen = (names: unknown) => embed(2, { frozen: names as never });
  const error = assertThrows(() => define({ input, tasks: { y: regression(frozen(["jobs"])) } }), SpecError);
  assert(error.message.includes('frozen has "jobs", but no feature with codes is named so: did you mean "job"?'));
  assertThrows(() => frozen("job"), TypeError, 'Cannot apply embed: frozen must be a list of names, found "job"');
});

Deno.test("frozen refuses the name of a feature that has the vectors of another, and takes the other's", () => {
  const input = fit({ job: category(), past: sequence({ like: "job" }) }, { job: ["a", "b"], past: [["a"], []] });
  const of = (frozen: string[], features?: string[]) =>
    define({ input, tasks: { y: regression(embed(2, { frozen, features })) } });
  const error = assertThrows(() => of(["past"]), SpecError);
  assert(error.message.includes('frozen has "past", which has the vectors of "job": wanted "job"'), error.message);
  for (const spec of [of(["job"]), of(["job"], ["past"])]) {
    assertEquals(parametersOf(spec).filter(({ frozen }) => frozen).map(({ feature }) => feature), ["job"]);
  }
});
