import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { progressBar, progressLine, type ProgressState, type Terminal } from "../lib/report/progress_bar.ts";
import { widthOf } from "../lib/report/text_table.ts";

const state: ProgressState = {
  step: 500,
  steps: 2000,
  epoch: 1,
  epochs: 4,
  loss: { income: 0.421345, marital: 0.12 },
  rate: 12345.6,
};
const BAR = "━━╌╌╌╌╌╌╌╌";
const RATE = "12,346 rows/s";

Deno.test("progressLine() leaves out what matters least where the line is narrow", () => {
  const cases: [number | undefined, string][] = [
    [undefined, `mmoe  step 500/2,000  epoch 1/4  income 0.4213  marital 0.1200  ${RATE}  30 s left`],
    [200, `mmoe  ${BAR}  step 500/2,000  epoch 1/4  income 0.4213  marital 0.1200  ${RATE}  30 s left`],
    [95, `mmoe  ${BAR}  step 500/2,000  epoch 1/4  income 0.4213  marital 0.1200  30 s left`],
    [80, "mmoe  step 500/2,000  epoch 1/4  income 0.4213  marital 0.1200  30 s left"],
    [70, "mmoe  step 500/2,000  income 0.4213  marital 0.1200  30 s left"],
    [60, "mmoe  step 500/2,000  income 0.4213  30 s left"],
    [40, "mmoe  step 500/2,000  30 s left"],
    [30, "mmoe  step 500/2,000"],
    [10, "mmoe"],
    [3, "mm…"],
    [0, ""],
  ];
  for (const [width, wanted] of cases) assertEquals(progressLine("mmoe", state, 10, width), wanted, `${width}`);
});

Deno.test("progressLine() is never wider than the line", () => {
  for (let width = 0; width < 130; width++) {
    for (const label of ["m", "a model with a long name", "𝄞".repeat(50), "two\nlines\r\x1b[2K"]) {
      const line = progressLine(label, state, 10, width);
      assert(widthOf(line) <= width, `${width}: ${line}`);
      assert(!/\p{Cc}/u.test(line));
    }
  }
});

Deno.test("progressLine() says what is known", () => {
  const cases: [ProgressState, number, string][] = [
    [{ step: 0 }, 0, "m  step 0"],
    [{ step: 0, steps: 10 }, 0, "m  step 0/10"],
    [{ step: 12345, epoch: 3 }, 9, "m  step 12,345  epoch 3"],
    [{ step: 3, unit: "run" }, 9, "m  run 3"],
    [{ step: 3, steps: 9, unit: "run" }, 9, "m  run 3/9  18 s left"],
    [{ step: 10, steps: 10 }, 9, "m  step 10/10  0 s left"],
    [{ step: 11, steps: 10 }, 9, "m  step 11/10  0 s left"],
    [{ step: 1, steps: 11 }, 12.5, "m  step 1/11  2 min 05 s left"],
    [{ step: 1, steps: 2 }, 59.6, "m  step 1/2  1 min 00 s left"],
    [{ step: 1, steps: 11 }, 372, "m  step 1/11  1 h 02 min left"],
    [{ step: 1, loss: { a: NaN, b: 1e-9, c: 123456 } }, 1, "m  step 1  a NaN  b 1.000e-9  c 1.235e+5"],
  ];
  for (const [progress, seconds, wanted] of cases) assertEquals(progressLine("m", progress, seconds), wanted);
});

Deno.test("progressLine() draws a bar that grows with the steps and is always 10 wide", () => {
  let before = -1;
  for (let step = 0; step <= 120; step++) {
    const line = progressLine("m", { step, steps: 100 }, 1, 100);
    const [bar] = line.match(/[━╌]+/)!;
    const done = bar.lastIndexOf("━") + 1;
    assertEquals([bar.length, done], [10, Math.floor(Math.min(step, 100) / 10)]);
    assert(done >= before);
    before = done;
  }
});

Deno.test("progressBar() writes a single line for a quick run", () => {
  for (const interactive of [true, false]) {
    const { terminal, run } = fake({ interactive });
    assertEquals(run(1.9, 0.01), "mmoe  done in 1.9 s  step 190  income 0.5000\n");
    const none = progressBar("mmoe", terminal);
    none.end("stopped");
  }
});

Deno.test("progressBar() writes few plain lines where nothing can be drawn over", () => {
  const { run, writes } = fake({ interactive: false });
  const text = run(600, 0.05);
  assert(!text.includes("\x1b") && !text.includes("\r"));
  const lines = text.trimEnd().split("\n");
  assertEquals(lines.length, writes.length);
  assertMatch(lines[0], /^mmoe {2}step 4\d {2}income 0.5000$/);
  assert(lines.length > 20 && lines.length < 60, `${lines.length} lines`);
  assertMatch(lines.at(-1)!, /^mmoe {2}done in 10 min 00 s {2}step 12,000/);
});

Deno.test("progressBar() draws one line over and over on a terminal, ten times a second at most", () => {
  const { run, writes } = fake({ interactive: true });
  const text = run(10, 0.01);
  assert(writes.length > 60 && writes.length <= 82, `${writes.length} writes`);
  assert(writes.every((write) => write.startsWith("\r\x1b[2K") && widthOf(write) <= 5 + 80));
  assertEquals(text.split("\n").length, 2);
  assert(text.endsWith("\r\x1b[2Kmmoe  done in 10.0 s  step 1,000  income 0.5000\n"));
});

Deno.test("progressBar() uses colours only where they are wanted", () => {
  const colored = (color: boolean) => {
    const { terminal, writes, wait } = fake({ interactive: true, color });
    const reporter = progressBar("mmoe", terminal);
    wait(3);
    reporter.update({ step: 1, steps: 2 });
    return writes.join("");
  };
  assertStringIncludes(colored(true), "\x1b[36m━━━━━\x1b[39m╌");
  assertEquals(colored(false), "\r\x1b[2Kmmoe  ━━━━━╌╌╌╌╌  step 1/2  3 s left");
});

Deno.test("progressBar() takes the time that is left from the steps it saw, not from those before or a wait", () => {
  const { terminal, writes, wait } = fake({ interactive: false });
  const reporter = progressBar("mmoe", terminal);
  wait(100); // until a cluster has begun
  reporter.update({ step: 501, steps: 1000 }); // of a run that goes on
  wait(20);
  reporter.update({ step: 601, steps: 1000 });
  assertEquals(writes.at(-1), "mmoe  step 601/1,000  1 min 20 s left\n");
});

Deno.test("progressBar() ends with another word, and without any step", () => {
  const { terminal, writes } = fake({ interactive: false });
  progressBar("mmoe", terminal).end("stopped");
  assertEquals(writes, ["mmoe  stopped in 0.0 s\n"]);
});

/** A terminal with a clock that is moved by hand, and what was written on it. */
function fake(options: Partial<Terminal>) {
  const writes: string[] = [];
  let time = 5000;
  const terminal: Terminal = {
    interactive: false,
    color: false,
    width: () => 80,
    write: (text) => writes.push(text),
    now: () => time,
    ...options,
  };
  const wait = (seconds: number) => time += seconds * 1000;
  const run = (seconds: number, pause: number) => {
    const reporter = progressBar("mmoe", terminal);
    const steps = Math.round(seconds / pause);
    for (let step = 1; step <= steps; step++) {
      wait(pause);
      reporter.update({ step, loss: { income: 0.5 } });
    }
    reporter.end();
    return writes.join("");
  };
  return { terminal, writes, wait, run };
}
