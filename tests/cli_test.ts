import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { commandLine, common, ending } from "../examples/cli.ts";
import { UsageError } from "../examples/options.ts";
import { resumeCommand } from "../examples/resumable.ts";
import { makeFolder } from "../examples/make_folder.ts";
import { placePicture, writePicture } from "../examples/picture.ts";
import { readToken } from "../examples/token.ts";
import { withTemp } from "./temp.ts";

const command = commandLine("demo", "Shows options.", {
  steps: { kind: "number", help: "training steps", default: 500, from: 1, to: 10_000, whole: true },
  learningRate: { kind: "number", help: "of Adam", from: 0 },
  any: { kind: "number", help: "a number", default: -1.5 },
  below: { kind: "number", help: "a small number", to: 1 },
  model: { kind: "choice", help: "what is trained", of: ["omoe", "mmoe"], default: "mmoe" },
  tasks: { kind: "choices", help: "what is learnt", of: ["income", "marital"], default: ["income"] },
  out: { kind: "path", help: "where files go" },
  engine: { kind: "choice", help: "what computes", of: ["cpu", "gpu"], default: "gpu" },
}, "--steps 200 --json");

Deno.test("commandLine() reads typed values", () => {
  const { steps, learningRate, model, tasks, out, engine, seed, json } = command.read([]);
  const typed: [number, number | undefined, "omoe" | "mmoe", readonly ("income" | "marital")[], string | undefined] = [
    steps,
    learningRate,
    model,
    tasks,
    out,
  ];
  const rest: ["cpu" | "gpu", number, boolean] = [engine, seed, json];
  assertEquals(typed, [500, undefined, "mmoe", ["income"], undefined]);
  assertEquals(rest, ["gpu", common.seed.default, false]);
  // @ts-expect-error: no option of that name
  command.read([]).stepz;
});

Deno.test("commandLine() reads every way to write an option", () => {
  const defaults = command.read([]);
  const cases: [string[], Record<string, unknown>][] = [
    [["--steps", "7"], { steps: 7 }],
    [["--steps=7"], { steps: 7 }],
    [["--steps", "7", "--steps", "8"], { steps: 8 }],
    [["--steps", "1e3"], { steps: 1000 }],
    [["--learning-rate", "1e-3"], { learningRate: 0.001 }],
    [["--learning-rate=0"], { learningRate: 0 }],
    [["--any", "-2.5"], { any: -2.5 }],
    [["--any=-2.5"], { any: -2.5 }],
    [["--model", "omoe"], { model: "omoe" }],
    [["--tasks", "marital,income,marital"], { tasks: ["marital", "income"] }],
    [["--out", "a b/ü"], { out: "a b/ü" }],
    [["--json"], { json: true }],
    [["--help"], { help: true }],
    [["-h"], { help: true }],
    [["--debug", "--json", "--out=x=y"], { debug: true, json: true, out: "x=y" }],
    [["--"], {}],
  ];
  for (const [args, wanted] of cases) assertEquals(command.read(args), { ...defaults, ...wanted }, args.join(" "));
});

Deno.test("commandLine() says what is wrong with an option, and what would be right", () => {
  const cases: [string[], string][] = [
    [["--sted", "1"], "no option is named --sted: did you mean --seed?"],
    [["--stepz", "1"], "no option is named --stepz: did you mean --steps?"],
    [["-steps"], "no option is named -s"],
    [["--learningRate", "1"], "no option is named --learningRate: did you mean --learning-rate?"],
    [["--quite-another"], "no option is named --quite-another"],
    [["--no-json"], "no option is named --no-json"],
    [["--__proto__", "1"], "no option is named --__proto__"],
    [["500"], 'nothing is to be done with "500"'],
    [["--", "--json"], 'nothing is to be done with "--json"'],
    [["--steps"], "--steps needs a value"],
    [["--steps", "--json"], "--steps needs a value"],
    [["--steps="], "--steps needs a value"],
    [["--json=1"], '--json takes no value, found "1"'],
    [["--steps", "0"], '--steps is "0", wanted a whole number from 1 to 10000'],
    [["--steps", "-5"], '--steps is "-5", wanted a whole number from 1 to 10000'],
    [["--steps", "10001"], '--steps is "10001", wanted a whole number from 1 to 10000'],
    [["--steps", "1.5"], '--steps is "1.5", wanted a whole number'],
    [["--steps", "ten"], '--steps is "ten", wanted a whole number'],
    [["--steps", " "], '--steps is " ", wanted a whole number'],
    [["--any", "NaN"], '--any is "NaN", wanted a number'],
    [["--any", "Infinity"], '--any is "Infinity", wanted a number'],
    [["--any", "1,5"], '--any is "1,5", wanted a number'],
    [["--learning-rate=-1"], '--learning-rate is "-1", wanted a number of at least 0'],
    [["--below", "2"], '--below is "2", wanted a number of at most 1'],
    [["--seed", "0.5"], '--seed is "0.5", wanted a whole number of at least 0'],
    [["--model", "mmmoe"], '--model is "mmmoe": did you mean "mmoe"?'],
    [["--model", "linear"], '--model is "linear": wanted omoe or mmoe'],
    [["--model", "MMOE"], '--model is "MMOE": did you mean "mmoe"?'],
    [["--tasks", "income,"], '--tasks is "": wanted income or marital'],
    [["--tasks", "income,maritl"], '--tasks is "maritl": did you mean "marital"?'],
    [["--engine", "wasm"], '--engine is "wasm": wanted cpu or gpu'],
  ];
  for (const [args, wanted] of cases) {
    const { message } = assertThrows(() => command.read(args), UsageError, wanted);
    assert(message.startsWith("Cannot run demo: ") && !message.includes("\n"), message);
  }
});

Deno.test("commandLine() writes help from the table", () => {
  assertEquals(
    command.help,
    `Shows options.

Usage: deno task demo [options]

Options:
  --steps <number>          training steps (1 to 10000; default 500)
  --learning-rate <number>  of Adam (at least 0)
  --any <number>            a number (default -1.5)
  --below <number>          a small number (at most 1)
  --model <name>            what is trained (omoe or mmoe; default mmoe)
  --tasks <names>           what is learnt (any of income,marital; default income)
  --out <path>              where files go
  --engine <name>           what computes (cpu or gpu; default gpu)
  --seed <number>           seed of data, initial values and the order of rows (at least 0; default 7)
  --json                    results as one JSON object a line on standard output
  --debug                   with the stack trace of an error
  --help                    this text

Example:
  deno task demo --steps 200 --json
`,
  );
  assert(!commandLine("demo", "Shows options.", {}).help.includes("Example"));
  const { help } = commandLine("demo", "Shows options.", { job: { kind: "path", word: "id", help: "a job" } });
  assertStringIncludes(help, "  --job <id>       a job\n");
});

Deno.test("commandLine() reads a bare word wherever it stands, and says which are known", () => {
  const { read, help } = commandLine("demo", "Shows options.", {
    what: { kind: "choice", help: "what is made", of: ["figure2", "table1", "all"], bare: true },
    runs: { kind: "number", help: "runs of a cell", default: 3, from: 1 },
  }, "table1 --runs 5");
  const what: "figure2" | "table1" | "all" | undefined = read([]).what;
  assertEquals(what, undefined);
  for (const args of [["table1", "--runs", "5"], ["--runs", "5", "table1"], ["--runs=5", "--", "table1"]]) {
    const { what, runs } = read(args);
    assertEquals([what, runs], ["table1", 5], args.join(" "));
  }
  const cases: [string[], string][] = [
    [["tabel1"], 'what is "tabel1": did you mean "table1"?'],
    [["nothing"], 'what is "nothing": wanted figure2, table1 or all'],
    [["table1", "all"], 'nothing is to be done with "all"'],
    [["--what", "table1"], "no option is named --what"],
    [["--", "--json"], "what needs a value"],
  ];
  for (const [args, wanted] of cases) assertThrows(() => read(args), UsageError, `Cannot run demo: ${wanted}`);
  assertStringIncludes(help, "Usage: deno task demo <what> [options]\n");
  assertStringIncludes(help, "  <what>           what is made (figure2, table1 or all)\n");
});

Deno.test("ending() gives every way to end its exit code and its words", () => {
  const abort = AbortSignal.abort().reason;
  const cases: [unknown, { interrupted?: boolean; debug?: boolean }, number, string][] = [
    [undefined, {}, 0, ""],
    [new RangeError("Cannot define model\n  at levels[0]: no"), {}, 1, "Cannot define model\n  at levels[0]: no\n"],
    [new Deno.errors.NotFound("No such file: x"), {}, 1, "No such file: x\n"],
    [new Deno.errors.BrokenPipe("Broken pipe"), {}, 0, ""],
    [new UsageError("Cannot run demo: no"), {}, 2, "Cannot run demo: no (see --help)\n"],
    [new UsageError("Cannot run demo: no"), { debug: true }, 2, "Cannot run demo: no (see --help)\n"],
    [undefined, { interrupted: true }, 130, ""],
    [abort, { interrupted: true }, 130, ""],
    [new Error("Cannot save model: disk full"), { interrupted: true }, 1, "Cannot save model: disk full\n"],
    ["odd", {}, 1, "Cannot finish demo: odd\n--debug shows where this happened\n"],
    [new Error("boom"), {}, 1, "Cannot finish demo: boom\n--debug shows where this happened\n"],
  ];
  for (const [failure, how, code, text] of cases) {
    const found = ending(failure, { name: "demo", interrupted: false, debug: false, ...how });
    assertEquals(found, { code, text }, String(failure));
  }
});

Deno.test("resumeCommand() is a line that a shell takes", () => {
  assertEquals(
    resumeCommand("demo", ["--model", "mmoe,omoe", "--checkpoint=out/runs", "--by", "class of worker"]),
    "deno task demo --model mmoe,omoe --checkpoint=out/runs --by 'class of worker' --resume",
  );
  const args = ["--resume", "--checkpoint", "it's"];
  assertEquals(resumeCommand("demo", args), `deno task demo --resume --checkpoint 'it'\\''s'`);
});

Deno.test("ending() takes what JavaScript itself throws for unexpected, and shows its stack only with --debug", () => {
  const nothing = JSON.parse("null");
  const thrown: (() => unknown)[] = [
    () => nothing.length,
    () => nothing.length = 1,
    () => {
      const { length } = nothing;
      return length;
    },
    () => Object.keys(nothing),
    () => (Object.freeze([1, 2]) as number[]).reverse(),
    () => Object.defineProperty(Object.freeze({}), "a", {}),
    () => nothing(),
    () => BigInt(1) as unknown as number + JSON.parse("1"),
    () => new Array(-1),
    () => JSON.parse("{"),
  ];
  for (const run of thrown) {
    const error = assertThrows(run, Error);
    const { code, text } = ending(error, { name: "demo", interrupted: false, debug: false });
    assertEquals([code, text.split("\n").length], [1, 3], text);
    assertStringIncludes(text, `Cannot finish demo: ${error.message}`);
    const { text: traced } = ending(error, { name: "demo", interrupted: false, debug: true });
    assertStringIncludes(traced, "cli_test.ts:");
  }
});

Deno.test("makeFolder() and readToken() say in words of their own what is at a path", async () => {
  await withTemp(async (dir) => {
    await Deno.writeTextFile(`${dir}/file`, "\n");
    await Deno.writeTextFile(`${dir}/token`, " secret\n");
    await Deno.writeTextFile(`${dir}/tokens`, "secret\nother\n");
    await makeFolder(`${dir}/new/folder`, "save models");
    await makeFolder(`${dir}/new/folder`, "save models");
    assertEquals(await readToken(`${dir}/token`, "serve models"), "secret");
    const cases: readonly (readonly [() => Promise<unknown>, string])[] = [
      [
        () => makeFolder(`${dir}/file`, "save models"),
        `Cannot save models\n  at ${dir}/file: found a file, wanted a folder`,
      ],
      [
        () => makeFolder(`${dir}/file/x`, "save models"),
        `Cannot save models\n  at ${dir}/file/x: ${dir}/file is not a folder`,
      ],
      [
        () => readToken(`${dir}/none`, "serve"),
        `Cannot serve\n  at --token "${dir}/none": found nothing there, wanted the path`,
      ],
      [() => readToken(dir, "serve"), `Cannot serve\n  at --token "${dir}": found a folder, wanted the path of a file`],
      [
        () => readToken(`${dir}/file`, "serve"),
        "found an empty file, wanted the path of a file that holds the token alone",
      ],
      [
        () => readToken(`${dir}/tokens`, "serve"),
        "found spaces, lines or signs that no token has, wanted the path of a file that holds the token alone",
      ],
    ];
    for (const [act, wanted] of cases) await assertRejects(act, Error, wanted);
  });
});

Deno.test("placePicture() makes the folder of a picture, or says what is in its way", async () => {
  await withTemp(async (dir) => {
    await placePicture(`${dir}/new/picture.svg`);
    await writePicture(`${dir}/new/picture.svg`, "<svg/>");
    await placePicture(`${dir}/new/picture.svg`); // it may be written again
    assertEquals(await Deno.readTextFile(`${dir}/new/picture.svg`), "<svg/>");
    const wrong: readonly [path: string, message: string][] = [
      ["new", `Cannot write picture\n  at ${dir}/new: found a folder, wanted a file`],
      [
        "new/picture.svg/x.svg",
        `Cannot write picture\n  at ${dir}/new/picture.svg/x.svg: ${dir}/new/picture.svg is not a folder`,
      ],
    ];
    for (const [path, message] of wrong) {
      assertEquals((await assertRejects(() => placePicture(`${dir}/${path}`), Error)).message, message);
    }
  });
});
