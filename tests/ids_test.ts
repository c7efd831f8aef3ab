import { assert, assertEquals } from "@std/assert";
import * as gatehouse from "../mod.ts";
import {
  adam,
  bank,
  binary,
  category,
  compile,
  define,
  dense,
  describe,
  embed,
  encode,
  fit,
  level,
  mix,
  mlp,
  mmoe,
  multiLevelMmoe,
  numeric,
  pipe,
  ple,
  reference,
  relu,
  rows,
  type Table,
  train,
} from "../mod.ts";
import { parametersOf } from "../lib/graph.ts";

const table = {
  user: Array.from({ length: 64 }, (_, at) => `u${at % 40}`),
  video: Array.from({ length: 64 }, (_, at) => `v${(at * 7) % 50}`),
  age: Array.from({ length: 64 }, (_, at) => at),
};
const input = fit({ user: category(), video: category(), age: numeric() }, table);
const tasks = { click: binary(mlp([4])), like: binary(mlp([4])) };
const base = { input, expert: pipe(dense(6), relu), tasks };

/** A table over vectors of ids: whatever reads the input reads the stream `shared` of the vectors. */
const overIds = <T extends string>({ levels = [], ...rest }: Table<T>): Table<T> => {
  return { ...rest, levels: [level({ ids: bank(1, embed(3)) }, { shared: mix("ids") }), ...levels] };
};

const presets: Readonly<Record<string, Table<string>>> = {
  adatt: gatehouse.adatt(base),
  cgc: gatehouse.cgc(base),
  crossStitch: gatehouse.crossStitch(base),
  esmm: gatehouse.esmm({ input, expert: base.expert, tower: dense(2) }),
  home: gatehouse.home({ ...base, groups: { both: ["click"], one: ["like"] } }),
  l2Constrained: gatehouse.l2Constrained(base),
  mmoe: mmoe(base),
  multiLevelMmoe: multiLevelMmoe({ ...base, experts: 3, reads: "shared" }),
  "multiLevelMmoe of 3 levels": multiLevelMmoe({ ...base, experts: 2, levels: 3, reads: "shared" }),
  omoe: gatehouse.omoe(base),
  ple: ple(base),
  sharedBottom: gatehouse.sharedBottom(base),
  singleTask: gatehouse.singleTask(base),
  snr: gatehouse.snr(base),
  tensorFactorisation: gatehouse.tensorFactorisation({ input, tasks, units: 4 }),
};

for (const [name, preset] of Object.entries(presets)) {
  Deno.test(`no expert, gate or tower of ${name} reads ids themselves above a level of their vectors`, () => {
    const { levels, tasks } = define(overIds(preset));
    const readers = [
      ...levels.slice(1).flatMap(({ experts, gates }) => [
        ...Object.values(experts),
        ...Object.values(gates).filter(({ gate }) => gate?.nodes.some(({ op }) => op === "input")), // others read nothing
      ]),
      ...Object.values(tasks).filter(({ of }) => of === undefined),
    ];
    assert(readers.every(({ reads }) => reads !== "input"), JSON.stringify(readers.map(({ reads }) => reads)));
    assertEquals(parametersOf(define(overIds(preset))).filter(({ path }) => path.endsWith("/user")).length, 1);
  });
}

Deno.test("a whole MMoE and a whole PLE over ids train in a few lines", async () => {
  const labels = { click: table.age.map((age) => age % 3 === 0), like: table.age.map((age) => age > 30) };
  const data = rows(encode(input, table), { labels });
  for (const preset of [mmoe({ ...base, experts: 4 }), ple({ ...base, shared: 2 })]) {
    const model = await compile(define(overIds(preset)), { engine: reference() });
    const losses: number[] = [];
    for await (const { loss } of train(model, data, { epochs: 40, batch: 32, optimiser: adam(0.02) })) {
      losses.push(loss.click + loss.like);
    }
    assert(losses[losses.length - 1] < losses[0] / 2, String(losses));
    model.dispose();
  }
});

Deno.test("streams side by side keep their features where all of them have some, and describe looks through them", () => {
  const streams = { users: ["user"], others: ["video", "age"] };
  const joined = (net: gatehouse.Net) =>
    define({
      input,
      streams,
      levels: [
        level({ plain: bank(1, dense(2)) }, { other: mix("plain") }, { both: ["others", "users"] }),
        level({ ids: bank(1, net, { reads: "both" }) }, { shared: mix("ids") }, { click: ["other"] }),
      ],
      tasks,
    });
  const paths = parametersOf(joined(embed(2))).map(({ path }) => path).filter((path) => path.startsWith("levels/1"));
  assertEquals(paths, ["levels/1/experts/ids/0/0/video", "levels/1/experts/ids/0/0/user"]);
  assert(!describe(joined(embed(2))).includes("one-hot columns made"));
  const text = describe(joined((x) => dense(2)(relu(x))));
  assert(text.endsWith("one-hot columns made, not looked up: levels/1/experts/ids (relu of 94)"), text);
});

Deno.test("a stream of a gate's name is the gate's for all who read it after", () => {
  const text = describe(define({
    input,
    streams: { shared: ["user", "video"] },
    levels: [level({ ids: bank(1, embed(2)) }, { shared: mix("ids") })],
    tasks: { click: binary((x) => dense(1)(relu(x))) },
  }));
  assert(!text.includes("one-hot columns made"), text);
});
