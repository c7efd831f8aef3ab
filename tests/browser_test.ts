import { assertEquals } from "@std/assert";
import type { Report } from "./browser/report.ts";
import { failures, failureTable, faults, type Known, placeName, summary } from "./browser/verdict.ts";

const place = { engine: "webgpu", place: "worker" };
const report: Report = {
  device: "a device",
  isolated: true,
  cases: [{ name: "exp", off: 0.1 }, { name: "log", off: null }, { name: "neg", off: 1e-7 }],
  models: [{ name: "mmoe", off: null, error: "out of memory" }, { name: "omoe", off: 1e-6 }],
  times: {},
  seconds: 2.4,
};
const known: readonly Known[] = [
  { engine: "webgpu", name: "exp", reason: "its exp has 16 bits" },
  { engine: "webgl", name: "neg", reason: "of another engine" },
];

Deno.test("faults() of an engine in a browser are failures that are not known, and known ones that pass", () => {
  assertEquals(failures(place, report).map(({ name }) => name), ["exp", "log", "mmoe"]);
  assertEquals(faults(place, report, known), [
    "webgpu in a worker fails in log: a number is missing",
    "webgpu in a worker fails in mmoe: out of memory",
  ]);
  const all = ["exp", "log", "mmoe"].map((name) => ({ engine: "webgpu", name, reason: "" }));
  assertEquals(faults(place, report, all), []);
  const mended = { ...report, cases: [{ name: "exp", off: 0 }], models: [] };
  assertEquals(faults(place, mended, known), [
    "webgpu in a worker passes exp, which is listed as known to fail: remove it from the list",
  ]);
  assertEquals(faults(place, { ...mended, cases: [] }, known), []); // what did not run is not judged
  assertEquals(faults(place, { ...mended, cases: [], note: "its exp is 1" }, known), [
    "webgpu in a worker is not what was asked for: its exp is 1",
  ]);
  const open = { engine: "wasm", place: "open page" };
  assertEquals(faults(open, { ...mended, note: "Running wasm() on one thread: the page is not isolated" }, known), []);
  assertEquals(faults(open, mended, known), ["wasm in an open page does not note that it runs on one thread"]);
});

Deno.test("the tables of engines in a browser have a row for each engine and for each failure", () => {
  assertEquals(placeName({ engine: "wasm", place: "open page", threads: 2 }), "wasm, 2 threads in an open page");
  assertEquals(
    summary([[place, report]]),
    `engine  place   isolated  cases   off       models  off by    seconds  device
──────  ──────  ────────  ──────  ────────  ──────  ────────  ───────  ────────
webgpu  worker  yes       1 of 3  Infinity  1 of 2  Infinity        2  a device`,
  );
  assertEquals(
    failureTable([[place, report]], known),
    `engine  place   case  difference           known
──────  ──────  ────  ───────────────────  ───────────────────
webgpu  worker  exp   1.0e-1               its exp has 16 bits
webgpu  worker  log   a number is missing
webgpu  worker  mmoe  out of memory`,
  );
  assertEquals(failureTable([], known), "");
});
