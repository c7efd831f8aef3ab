import { assertEquals, assertThrows } from "@std/assert";
import {
  adatt,
  bank,
  binary,
  category,
  cgc,
  crossStitch,
  define,
  dense,
  embed,
  esmm,
  fit,
  hashed,
  home,
  l2Constrained,
  level,
  mix,
  mlp,
  mmoe,
  multiLevelMmoe,
  numeric,
  omoe,
  ple,
  sharedBottom,
  singleTask,
  snr,
  tensorFactorisation,
  youtube,
} from "../mod.ts";
import { parametersOf } from "../lib/graph.ts";

const words = (count: number) => Array.from({ length: count }, (_, at) => `w${at}`);
const inputOf = (count: number) =>
  fit({ user: category(), tab: category(), age: numeric() }, {
    user: words(count),
    tab: words(count).map((_, at) => `t${at % 3}`),
    age: words(count).map((_, at) => at % 7),
  });
const small = inputOf(1000);
const large = inputOf(1001);
const tasks = { click: binary(mlp([4])), like: binary(mlp([4])) };
const base = { expert: mlp([6]), tasks };
const below = level({ ids: bank(1, embed(8)) }, { shared: mix("ids") });

Deno.test("presets read vectors of size 8 where a feature has more than 1,000 words", () => {
  const table = mmoe({ ...base, input: large, embed: "none" });
  assertEquals(
    define(mmoe({ ...base, input: large })),
    define({ ...table, levels: [below, ...table.levels ?? []] }),
  );
  assertEquals(define(mmoe({ ...base, input: small })), define(mmoe({ ...base, input: small, embed: "none" })));
  const buckets = fit({ user: hashed(1001) }, { user: ["ann"] });
  assertEquals(parametersOf(define(mmoe({ ...base, input: buckets })))[0].shape, [1001, 8]);
});

Deno.test("presets read vectors of a given size, or by a given net", () => {
  const [sized, net] = [16, embed({ user: 4, tab: 2 })].map((embed) => {
    return parametersOf(define(sharedBottom({ ...base, input: small, embed })));
  });
  assertEquals(sized.slice(0, 2).map(({ path, shape }) => [path, shape]), [
    ["levels/0/experts/ids/0/0/user", [1001, 16]],
    ["levels/0/experts/ids/0/0/tab", [4, 16]],
  ]);
  assertEquals(net.slice(0, 2).map(({ shape }) => shape), [[1001, 4], [4, 2]]);
});

Deno.test("every preset reads vectors alone, its gates and experts too", () => {
  const input = large;
  const tables = [
    singleTask({ ...base, input }),
    l2Constrained({ ...base, input }),
    sharedBottom({ ...base, input }),
    omoe({ ...base, input }),
    mmoe({ ...base, input }),
    multiLevelMmoe({ ...base, input }),
    cgc({ ...base, input }),
    ple({ ...base, input }),
    crossStitch({ ...base, input }),
    adatt({ ...base, input }),
    snr({ ...base, input }),
    home({ ...base, input, expert: dense(6), groups: { all: ["click", "like"] } }),
    tensorFactorisation({ input, units: 3, tasks }),
    youtube({ ...base, input, position: ["tab"] }),
    esmm({ input, expert: mlp([6]), tower: mlp([4]) }),
  ];
  for (const table of tables) {
    const spec = define<string>(table);
    const readers = [...Object.values(spec.levels[0].experts), ...Object.values(spec.levels[0].gates)];
    assertEquals(Object.keys(spec.levels[0].experts), ["ids"]);
    const wide = parametersOf(spec).filter(({ path, shape }) => shape[0] > 100 && !path.endsWith("/user"));
    assertEquals(wide, []);
    assertEquals(readers.length, 2);
  }
});

Deno.test("youtube() looks at the features that its experts read", () => {
  const spec = define(youtube({ ...base, input: large, position: ["user"] }));
  assertEquals(Object.keys(spec.levels[0].experts), ["shared"]);
});

Deno.test("presets refuse what cannot be vectors", () => {
  const wrong = { ...base, input: small, embed: "16" as never };
  assertThrows(() => mmoe(wrong), TypeError, "Cannot define MMoE model: embed must be a size, a net");
  assertThrows(() => define(mmoe({ ...base, input: small, embed: 0 })), RangeError, "k must be a whole number");
  assertThrows(() => define(mmoe({ ...base, input: 3, embed: 8 })), Error, "features");
});
