import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  bank,
  binary,
  category,
  check,
  compile,
  define,
  dense,
  embed,
  encode,
  entriesOf,
  fit,
  level,
  mermaid,
  mix,
  type Net,
  numeric,
  reference,
  regression,
  softmax,
  SpecError,
} from "../mod.ts";
import { concat, slice } from "../lib/ops.ts";
import { initialise, parametersOf } from "../lib/graph.ts";

Deno.test("level() writes streams that are others side by side, as data", async () => {
  const input = fit({ user: category(), age: numeric(), item: category() }, {
    user: ["ann", "bob", "cid"],
    age: [20, 30, 40],
    item: ["p", "q", "q"],
  });
  const tasks = { click: binary(), like: regression(dense(2)) };
  const joined = define({
    input,
    streams: { ids: ["user", "item"], age: ["age"] },
    levels: [
      level({ ids: bank(1, embed(3), { reads: "ids" }), both: bank(2, dense(2)), unread: bank(1, dense(9)) }, {
        mixed: mix("both", softmax),
      }, { shared: ["ids", "age", "both"], idle: ["unread"] }),
      level({}, {}, { click: ["shared", "mixed"] }),
    ],
    tasks,
  });
  assertEquals(joined.levels.map(({ experts, gates, beside }) => [Object.keys(experts), Object.keys(gates), beside]), [
    [["ids", "both"], ["mixed"], { shared: ["ids", "age", "both"] }],
    [[], [], { click: ["shared", "mixed"] }],
  ]);
  assertEquals([joined.tasks.click.reads, joined.tasks.like.reads], ["click", "shared"]);
  assertEquals(check(JSON.parse(JSON.stringify(joined))), joined);
  const lines = entriesOf(joined).filter(({ path }) => path.includes("beside"));
  assertEquals(lines.map(({ path, function: text, output }) => [path, text, output]), [
    ["levels/0/beside/shared", "ids, age, both side by side", "[batch, 11]"],
    ["levels/1/beside/click", "shared, mixed side by side", "[batch, 13]"],
  ]);
  assertStringIncludes(mermaid(joined), '[["shared"]]');
  assertEquals(parametersOf(joined).find(({ path }) => path === "tasks/click/head/0/kernel")!.shape, [13, 1]);

  // The same by one net, which has the same parameters under other names.
  const net: Net = (x) => concat([embed(3, { features: ["user", "item"] })(x), slice(x, 0, 1)]);
  const one = define({ input, levels: [level({ all: bank(1, net) }, { shared: mix("all") })], tasks });
  const two = define({
    input,
    streams: { ids: ["user", "item"], age: ["age"] },
    levels: [level({ ids: bank(1, embed(3), { reads: "ids" }) }, {}, { shared: ["ids", "age"] })],
    tasks,
  });
  const begun = initialise(two, 3);
  const renamed = Object.fromEntries(
    Object.entries(begun).map(([path, tensor]) => [path.replace("experts/ids", "experts/all"), tensor]),
  );
  const data = encode(input, { user: ["bob", null], age: [25, 35], item: ["p", "z"] });
  const found = [];
  for (const [spec, parameters] of [[one, renamed], [two, begun]] as const) {
    const model = await compile(spec, { engine: reference(), parameters });
    found.push(await model.predict(data));
    model.dispose();
  }
  assertEquals(found[0], found[1]);
});

Deno.test("define() names what is wrong with streams side by side", () => {
  const { message } = assertThrows(
    () =>
      define({
        input: 4,
        levels: [
          level({ shared: bank(1, dense(2)) }, { y: mix("shared") }, {
            y: ["shared"],
            none: [],
            input: ["shared"],
            z: ["shared", "shared", "sharde", "later"],
          }),
          level({}, {}, { later: ["y"] }),
        ],
        tasks: { y: regression(), z: regression() },
      }),
    SpecError,
  );
  const what = "no bank of the level and no stream below is named";
  for (
    const issue of [
      'at levels[0].beside.y: a gate of the level writes "y" too',
      "at levels[0].beside.none: nothing stands side by side: wanted at least one bank or stream",
      'at levels[0].beside.input: "input" is the stream that the model reads: wanted another name',
      'at levels[0].beside.z[1]: "shared" stands twice',
      `at levels[0].beside.z[2]: ${what} "sharde": did you mean "shared"?`,
      `at levels[0].beside.z[3]: ${what} "later", but levels[1] writes a stream named so: wanted them side by side in a level above it`,
    ]
  ) assertStringIncludes(message, issue);
  const table = { input: 4, levels: [{ experts: {}, gates: {}, beside: { y: "shared" } }], tasks: { y: regression() } };
  assertThrows(() => define(table as never), SpecError, "at levels[0].beside.y: ");
});
