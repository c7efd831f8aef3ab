import { assertEquals } from "@std/assert";
import {
  bank,
  binary,
  check,
  compile,
  define,
  dense,
  level,
  mix,
  pipe,
  reference,
  softmax,
  type SpecError,
} from "../mod.ts";
import { initialise, parametersOf } from "../lib/graph.ts";
import { base, predictions, sample, tasks } from "./models.ts";

const data = sample(7);

Deno.test("bank() tied to another has its parameters over a stream of its own", async () => {
  const table = (ties?: string) =>
    define({
      input: 5,
      streams: { income: [0, 1], marital: [3, 2] },
      levels: [
        level({ income: bank(2, base.expert), marital: bank(2, base.expert, { ties }) }, {
          income: mix("income", softmax),
          marital: mix("marital", softmax),
        }),
      ],
      tasks,
    });
  const [tied, apart] = [table("income"), table()];
  const parameters = initialise(tied, 3);
  assertEquals(parametersOf(tied).some(({ path }) => path.includes("experts/marital")), false);
  const copied = Object.fromEntries(
    parametersOf(apart).map(({ path }) => [path, parameters[path.replace("experts/marital", "experts/income")]]),
  );
  const wanted = await predictions(apart, data, { parameters: copied });
  for (const fuse of [true, false]) {
    const model = await compile(tied, { engine: reference(), parameters, fuse });
    assertEquals(await model.predict(data), wanted);
    model.dispose();
  }
});

Deno.test("define() adds logits, keeps the parts of the input that are read, and says what is wrong with them", () => {
  const wide = define({
    input: 5,
    streams: { a: [4, 0, 1], b: [2] },
    tasks: { y: binary(pipe(), { adds: { a: dense(1) } }) },
  });
  assertEquals(wide.streams, { a: [4, 0, 1] });
  assertEquals(parametersOf(wide).map(({ path }) => path).filter((path) => path.includes("adds")), [
    "tasks/y/adds/a/0/kernel",
    "tasks/y/adds/a/0/bias",
  ]);
  assertEquals(check(JSON.parse(JSON.stringify(wide))), wide);
  const issues = (changes: Record<string, unknown>): string[] => {
    try {
      define({ input: 5, tasks: { y: binary() }, ...changes } as never);
      return [];
    } catch (error) {
      return (error as SpecError).issues.map(({ path, message }) => `${path}: ${message}`);
    }
  };
  const banks = (other: unknown) => ({ levels: [level({ a: bank(1, dense(3)), b: other as never }, { y: mix("b") })] });
  const cases: readonly [Record<string, unknown>, string][] = [
    [{ streams: { a: [5] } }, "streams.a: the input has columns 0 to 4, found 5"],
    [{ streams: { a: [] } }, "streams.a: the part holds nothing of the input: wanted at least one of it"],
    [{ streams: { a: [1, 1] } }, "streams.a: 1 stands twice"],
    [{ streams: { a: ["age"] } }, 'streams.a: the input has columns 0 to 4, found "age"'],
    [{ streams: { a: [0, "age"] } }, 'streams.a[1]: wanted a number, found "age"'],
    [{ streams: { a: "age" } }, 'streams.a: wanted a list, found "age"'],
    [{ streams: { input: [0] } }, 'streams.input: "input" is the stream that the model reads: wanted another name'],
    [
      { input: { age: { kind: "numeric", transform: "none", mean: 0, scale: 1 } }, streams: { a: ["aeg"] } },
      'streams.a: no feature is named "aeg": did you mean "age"?',
    ],
    [
      { tasks: { y: binary(pipe(), { adds: { b: dense(1) } }) } },
      'tasks.y.adds.b.reads: nothing below writes stream "b"',
    ],
    [
      { tasks: { y: binary(pipe(), { adds: { input: dense(2) } }) } },
      "tasks.y.adds.input: 1 logits are added to, found 2: wanted as many",
    ],
    [
      {
        levels: [
          level({ a: bank(1, dense(3), { reads: "b" }) }, { b: mix("a") }),
          level({ b: bank(1, dense(3)) }, { y: mix("b") }),
        ],
      },
      'levels[0].experts.a.reads: nothing below writes stream "b", but levels[0] does: wanted a level below',
    ],
    [
      {
        levels: [
          level({ a: bank(2, dense(3)) }, { a: mix("a", softmax, { reads: "b" }) }),
          level({ b: bank(1, dense(3)) }, { b: mix("b"), y: mix("b") }),
        ],
      },
      'levels[0].gates.a.reads: nothing below writes stream "b", but levels[1] does: wanted a level below',
    ],
    [
      { levels: [level({ a: bank(2, dense(3)) }, { y: mix("a", softmax, { reads: "c" }) })] },
      'levels[0].gates.y.reads: nothing below writes stream "c"',
    ],
    [
      {
        levels: [level({ clik: bank(1, dense(3)), all: bank(1, dense(3)) }, { shared: mix("all") })],
        tasks: { click: binary() },
      },
      'levels[0].experts.clik: no gate mixes expert bank "clik": did you mean "click"?',
    ],
    [
      {
        levels: [level({ clik: bank(1, dense(3)), all: bank(1, dense(3)) }, { clik: mix("clik"), shared: mix("all") })],
        tasks: { click: binary() },
      },
      'levels[0].gates.clik: nothing reads stream "clik": did you mean "click"?',
    ],
    [banks(bank(1, dense(3), { near: { c: 1 } })), 'levels[0].experts.b.near.c: no expert bank is named "c"'],
    [banks(bank(1, dense(4), { near: { a: 1 } })), "levels[0].experts.b.near.a: the experts need other parameters"],
    [banks(bank(1, dense(3), { near: { a: -1 } })), "levels[0].experts.b.near.a: the weight of a distance must be"],
    [banks(bank(1, dense(3), { ties: "c" })), 'levels[0].experts.b.ties: no expert bank is named "c"'],
    [
      banks(bank(1, dense(3), { ties: "b" })),
      "levels[0].experts.b.ties: it is the bank itself: wanted another",
    ],
    [
      banks(bank(2, dense(3), { ties: "a" })),
      'levels[0].experts.b.ties: expert bank "a" has 1 experts, found 2: wanted as many',
    ],
    [
      banks(bank(1, dense(4), { ties: "a" })),
      'levels[0].experts.b.ties: the experts need other parameters than those of "a": wanted the same',
    ],
  ];
  for (const [changes, wanted] of cases) {
    assertEquals(
      issues(changes).some((issue) => issue.startsWith(wanted)),
      true,
      `${issues(changes)}, wanted ${wanted}`,
    );
  }
});
