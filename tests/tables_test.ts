import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ageOf,
  category,
  type Columns,
  concatTables,
  fit,
  hourOf,
  sortBy,
  splitBy,
  take,
  timeOf,
  weekdayOf,
  withColumns,
} from "../mod.ts";
import { random } from "../lib/datasets.ts";

const number = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
const text = (...all: string[]) => {
  const words = [...new Set(all)].filter((word) => word !== "");
  return { kind: "text", codes: Int32Array.from(all, (word) => words.indexOf(word)), words } as const;
};
const of = (columns: Columns["columns"], count = 1): Columns => ({ count, columns });

/** The words of a column of text, null where one is missing. */
const wordsOf = ({ codes, words }: { codes: Int32Array; words: readonly string[] }) =>
  Array.from(codes, (code) => code < 0 ? null : words[code]);

Deno.test("hourOf() and weekdayOf() are what a date of the runtime says in that zone", () => {
  const { uniform } = random("hours");
  const times = Array.from({ length: 500 }, () => Math.floor((uniform() - 0.3) * 4e12));
  const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  for (const [zone, minutes] of [["+00:00", 0], ["+08:00", 480], ["-03:30", -210], ["+05:45", 345]] as const) {
    const table = of({ time: number(...times, NaN) }, 501);
    const local = times.map((time) => new Date(time + 60_000 * minutes));
    assertEquals(wordsOf(hourOf(table, "time", { zone })), [...local.map((date) => `${date.getUTCHours()}`), null]);
    assertEquals(wordsOf(weekdayOf(table, "time", { zone })), [...local.map((date) => days[date.getUTCDay()]), null]);
  }
});

Deno.test("hourOf() is what category() reads, all 24 of them in the order of their words", () => {
  const table = of({ time: number(0, 3_600_000) }, 2);
  const { hour } = fit({ hour: category() }, withColumns(table, { hour: hourOf(table, "time") }));
  assert(hour.kind === "category" && hour.words.length > 0);
});

Deno.test("timeOf() reads dates, digits and seconds in their zone", () => {
  const noon = Date.UTC(2022, 3, 20, 12);
  const cases: [Columns["columns"][string], Parameters<typeof timeOf>[2], number][] = [
    [number(noon), {}, noon],
    [number(noon / 1000), { unit: "s", zone: "+08:00" }, noon],
    [number(20220420), { unit: "date" }, noon - 43_200_000],
    [number(20220420), { unit: "date", zone: "-05:00" }, noon - 43_200_000 + 18_000_000],
    [text("2022-04-20"), { zone: "+08:00" }, noon - 43_200_000 - 28_800_000],
    [text("20220420"), {}, noon - 43_200_000],
    [text("2022-04-20T12:00"), {}, noon],
    [text("2022-04-20 12:00:00.5"), { zone: "+01:00" }, noon + 500 - 3_600_000],
    [text("2022-04-20T12:00:00Z"), { zone: "+01:00" }, noon],
    [text("2022-04-20T12:00:00+02:00"), { zone: "+01:00" }, noon - 7_200_000],
    [text(""), {}, NaN],
    [number(NaN), { unit: "date" }, NaN],
  ];
  for (const [time, options, wanted] of cases) assertEquals(timeOf(of({ time }), "time", options), number(wanted));
});

Deno.test("times that cannot be read are reported with row and column", () => {
  const cases: [() => unknown, string][] = [
    [
      () => timeOf(of({ t: text("2022-02-30") }), "t"),
      'at row 0, column "t": found "2022-02-30", wanted a date such as 2022-04-20',
    ],
    [() => timeOf(of({ t: text("yesterday") }), "t"), 'found "yesterday"'],
    [() => timeOf(of({ t: number(2022) }), "t", { unit: "date" }), "found 2022, wanted a date such as 20220420"],
    [() => timeOf(of({ t: number(Infinity) }), "t"), "found Infinity, wanted a time"],
    [() => timeOf(of({ time: number(1) }), "tiem"), 'no column is named "tiem": did you mean "time"?'],
    [
      () => hourOf(of({ t: number(1) }), "t", { zone: "UTC" }),
      'zone must be an offset from UTC such as "+08:00", found "UTC"',
    ],
    [() => hourOf(of({ t: number(1) }), "t", { unit: "hours" as never }), 'unit "hours" is unknown'],
    [() => ageOf(of({ t: number(1) }), "t", "t", { since: "x" as never }), 'since "x" is unknown'],
  ];
  for (const [wrong, message] of cases) {
    const error = assertThrows(wrong);
    assert((error as Error).message.includes(message), (error as Error).message);
  }
});

Deno.test("ageOf() counts days from a birth, which may be later or missing", () => {
  const table = of({ t: number(Date.UTC(2022, 4, 1, 6), 0, 0), born: number(20220430, 19700103, NaN) }, 3);
  assertEquals(ageOf(table, "t", "born", { since: "date" }), number(1.25, -2, NaN));
  assertEquals(ageOf(table, "t", "born", { since: "date", zone: "+06:00" }), number(1.5, -1.75, NaN));
});

Deno.test("splitBy() cuts by numbers and dates, and concatTables() puts together what was cut", () => {
  const { uniform } = random("cuts");
  const times = Array.from({ length: 300 }, () => Date.UTC(2022, 4, 1) + Math.floor(uniform() * 5 * 86_400_000));
  const names = times.map((time) => ["", "a", "b", "c"][time % 4]);
  const table = {
    ...of({ time: number(...times), name: text(...names) }, 300),
    lists: { all: times.map((time) => [time]) },
  };
  const sides = splitBy(table, "time", ["2022-05-02", "2022-05-04T12:00"], { zone: "+08:00" });
  const cuts = [Date.UTC(2022, 4, 1, 16), Date.UTC(2022, 4, 4, 4)];
  const wanted = [0, 1, 2].map((side) => times.filter((time) => cuts.filter((cut) => time >= cut).length === side));
  assertEquals(sides.map(({ columns }) => columns.time), wanted.map((some) => number(...some)));
  assertEquals(splitBy(table, "time", cuts).map(({ count }) => count), sides.map(({ count }) => count));
  assertEquals(splitBy(table, "time", []), [table]);

  const whole = concatTables(sides);
  const order = [0, 1, 2].flatMap((side) => times.flatMap((time, row) => wanted[side].includes(time) ? [row] : []));
  const same = take(table, order);
  assertEquals([whole.count, whole.columns.time, whole.lists], [300, same.columns.time, same.lists]);
  const found = whole.columns.name;
  assertEquals(found.kind === "text" && wordsOf(found), order.map((row) => names[row] || null));
  assertEquals(sortBy(whole, "time").columns.time, number(...times.toSorted((a, b) => a - b)));
});

Deno.test("sortBy() keeps the order of rows with equal numbers", () => {
  const sorted = sortBy(of({ t: number(2, 1, 2, 1, -1), row: number(0, 1, 2, 3, 4) }, 5), "t");
  assertEquals(sorted.columns.row, number(4, 1, 3, 0, 2));
});

Deno.test("concatTables() keeps listed words, and counts skipped rows", () => {
  const like = { kind: "text", codes: Int32Array.of(1), words: ["no", "yes"], listed: true } as const;
  const one = { ...of({ like }), skipped: 2 };
  const both = { kind: "text", codes: Int32Array.of(1, 1), words: ["no", "yes"], listed: true } as const;
  assertEquals(concatTables([one, one]), { count: 2, columns: { like: both }, skipped: 4 });
});

Deno.test("tables that do not agree are reported with the column", () => {
  const listed = { kind: "text", codes: Int32Array.of(0), words: ["no", "yes"], listed: true } as const;
  const other = { ...listed, words: ["yes", "no"] };
  const cases: [() => unknown, string][] = [
    [() => concatTables([]), "found an empty list"],
    [
      () => concatTables([of({ age: number(1) }), of({ aeg: number(1) })]),
      'at tables[1]: no column is named "age": did you mean "aeg"?',
    ],
    [
      () => concatTables([of({ a: number(1) }), of({ a: number(1), b: number(1) })]),
      'at tables[1]: column "b" is missing in tables[0]',
    ],
    [
      () => concatTables([of({ a: number(1) }), of({ a: text("x") })]),
      'at tables[1], column "a": found text, wanted numbers as in tables[0]',
    ],
    [() => concatTables([of({ a: listed }), of({ a: text("no") })]), "found text, wanted listed words as in tables[0]"],
    [() => concatTables([of({ a: listed }), of({ a: other })]), "its listed words are others than in tables[0]"],
    [() => concatTables([of({}), { ...of({}), lists: { l: [null] } }]), 'column "l" is missing in tables[0]'],
    [
      () => withColumns(of({ a: number(1) }), { a: number(2) }),
      'at column "a": the table has a column of that name, wanted another',
    ],
    [() => withColumns(of({ a: number(1) }), { b: number(2, 3) }), 'at column "b": found 2 rows, wanted 1'],
    [() => withColumns(of({ a: number(1) }), { b: 1 as never }), 'at column "b": found 1, wanted numbers'],
    [() => withColumns(of({ a: number(1) }), { b: [1, 2] as never }), 'at column "b": found 2 rows, wanted 1'],
    [() => sortBy(of({ a: number(NaN) }), "a"), 'at column "a", row 0: the number is missing'],
    [() => sortBy(of({ a: text("x") }), "a"), "found text, wanted numbers: timeOf() makes times of dates"],
    [() => splitBy(of({ a: number(1) }), "a", [2, 2]), "at cuts[1]: wanted a cut that is greater than the one before"],
    [
      () => splitBy(of({ a: number(1) }), "a", ["may"]),
      'at cuts[0]: found "may", wanted a number, or a date such as 2022-05-05',
    ],
    [() => splitBy(of({ a: number(1) }), "b", [1]), 'no column is named "b"'],
  ];
  for (const [wrong, message] of cases) {
    const error = assertThrows(wrong);
    assert((error as Error).message.includes(message), (error as Error).message);
  }
});
