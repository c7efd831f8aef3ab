import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Columns,
  concatTables,
  csvParts,
  dataset,
  encode,
  fit,
  join,
  type ListColumn,
  numeric,
  recordParts,
  rows,
  sequence,
  type TableParts,
  take,
  type Window,
} from "../mod.ts";
import { random } from "../lib/datasets.ts";
import {
  count,
  history,
  historyOf,
  type HistoryState,
  lastItems,
  loadHistory,
  type PastFeature,
  rate,
  saveHistory,
  sum,
  timeSince,
} from "../lib/history.ts";

const day = 86_400_000;
const zone = "+08:00";

const number = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;

/** A row of a log: null and NaN are missing. */
interface Row {
  readonly time: number;
  readonly user: number;
  readonly video: string | null;
  readonly tags: string | null;
  readonly topics: readonly number[] | null;
  readonly click: number;
  readonly like: string | null;
  readonly seconds: number;
}

/** Random rows in the order of time, some of one time, over some days, with missing keys and labels. */
function logOf(seed: string, rows: number): Row[] {
  const { uniform } = random(seed);
  const pick = <T>(...some: T[]): T => some[Math.floor(uniform() * some.length)];
  let time = Date.UTC(2022, 3, 20, 15);
  return Array.from({ length: rows }, () => ({
    time: time += pick(0, 0, 1, 60_000, day / 8),
    user: pick(1, 2, 3, 0, -0, 2.5, NaN),
    video: pick("a", "b", "c", "d", null),
    tags: pick("x", "x|y", "y|z|x", "x|x", "|", "", null),
    topics: pick([1], [1, 2], [2, 2, 3], [], null),
    click: pick(0, 1, 1, NaN),
    like: pick("no", "no", "yes", null),
    seconds: pick(0.25, 4, -1.5, NaN),
  }));
}

/** Returns rows as a table; words are in the order in which they come, as readers list them. */
function tableOf(rows: readonly Row[]): Columns {
  const text = (name: "video" | "tags") => {
    const words = [...new Set(rows.map((row) => row[name]).filter((word) => word !== null))];
    const codes = Int32Array.from(rows, (row) => row[name] === null ? -1 : words.indexOf(row[name]!));
    return { kind: "text", codes, words } as const;
  };
  const numbers = (name: "time" | "user" | "click" | "seconds") => number(...rows.map((row) => row[name]));
  const like = Int32Array.from(rows, (row) => row.like === null ? -1 : Number(row.like === "yes"));
  return {
    count: rows.length,
    columns: {
      time: numbers("time"),
      user: numbers("user"),
      video: text("video"),
      tags: text("tags"),
      click: numbers("click"),
      like: { kind: "text", codes: like, words: ["no", "yes"], listed: true },
      seconds: numbers("seconds"),
    },
    lists: { topics: rows.map(({ topics }) => topics) },
  };
}

const features: Readonly<Record<string, PastFeature>> = {
  shown: count({ by: "video" }),
  clicked: count({ by: "user", where: "click" }),
  ofTags: count({ by: "tags", separator: "|" }),
  ofWholeTags: count({ by: "tags" }),
  ofTopics: count({ by: "topics" }),
  all: count({ by: [] }),
  clicks: rate({ by: "user", of: "click", weight: 2 }),
  likes: rate({ by: "video", of: "like", prior: 0.25 }),
  likesOfClicks: rate({ by: "video", of: "like", where: "click", weight: 3 }),
  pair: rate({ by: ["user", "video"], of: "click", weight: 1 }),
  triple: count({ by: ["user", "video", "tags"], separator: "|" }),
  mean: rate({ by: "user", of: "seconds", weight: 0 }),
  tagRate: rate({ by: ["user", "tags"], separator: "|", of: "like" }),
  listRate: rate({ by: ["topics", "tags"], separator: "|", of: "click" }),
  watched: sum({ by: "user", of: "seconds" }),
  watchedOfClicks: sum({ by: "tags", separator: "|", of: "seconds", where: "like" }),
  since: timeSince({ by: "user" }),
  sinceLike: timeSince({ by: "video", where: "like" }),
  sinceTags: timeSince({ by: "tags", separator: "|" }),
  last: lastItems({ by: "user", item: "video", where: "click", most: 3 }),
  lastOne: lastItems({ by: ["user", "video"], item: "video", most: 1 }),
  lastUsers: lastItems({ by: "video", item: "user", most: 2 }),
  lastSeconds: lastItems({ by: [], item: "seconds", most: 4 }),
};

const dayOf = (time: number) => Math.floor((time + 8 * day / 24) / day);

/** The definition: plain loops over all rows. */
function byDefinition(rows: readonly Row[], before: "row" | "day", { kind, by, ...rest }: PastFeature): unknown[] {
  const { separator, of, where, weight = 0, prior, item, most = 0 } = rest;
  const valueOf = (row: Row, name: string): unknown => {
    const value = row[name as keyof Row];
    return name === "like" ? value === null ? NaN : Number(value === "yes") : value;
  };
  const partsOf = (row: Row, name: string): string[] => {
    const value = row[name as keyof Row];
    if (value === null || Number.isNaN(value)) return [];
    if (Array.isArray(value)) return [...new Set(value.map((one) => `${one}`))];
    if (typeof value === "string" && separator !== undefined) {
      return [...new Set(value.split(separator))].filter((part) => part !== "");
    }
    return [`${value === 0 ? 0 : value}`];
  };
  const keysOf = (row: Row): string[] =>
    by.reduce<string[]>((keys, name) => keys.flatMap((key) => partsOf(row, name).map((part) => `${key} ${part}`)), [
      "",
    ]);
  const counts = (row: Row) => {
    const test = where === undefined ? 1 : valueOf(row, where) as number;
    return test !== 0 && !Number.isNaN(test);
  };
  return rows.map((row) => {
    const earlier = rows.filter((other) =>
      counts(other) && (before === "row" ? other.time < row.time : dayOf(other.time) < dayOf(row.time))
    );
    const add = (some: readonly Row[]) => {
      const values = some.map((other) => valueOf(other, of!) as number).filter((value) => !Number.isNaN(value));
      return { total: values.reduce((total, value) => total + value, 0), rows: values.length };
    };
    const all = kind === "rate" ? add(earlier) : { total: 0, rows: 0 };
    const values = keysOf(row).map((key) => {
      const mine = earlier.filter((other) => keysOf(other).includes(key));
      if (kind === "count") return mine.length;
      if (kind === "sum") return add(mine).total;
      if (kind === "timeSince") return mine.length === 0 ? NaN : row.time - mine.at(-1)!.time;
      if (kind === "lastItems") {
        const items = mine.map((other) => valueOf(other, item!));
        return items.filter((one) => one !== null && !Number.isNaN(one)).map((one) => one === 0 ? 0 : one).slice(-most);
      }
      const { total, rows } = add(mine);
      return weight === 0 ? total / rows : (total + weight * (prior ?? all.total / all.rows)) / (rows + weight);
    });
    if (kind === "lastItems") return values[0] ?? [];
    const known = (values as number[]).filter((value) => kind !== "timeSince" || !Number.isNaN(value));
    return known.reduce((total, value) => total + value, 0) / known.length;
  });
}

/** The features of a table as plain lists. */
function madeIn(table: Columns): Record<string, unknown[]> {
  return Object.fromEntries(
    Object.entries(features).map(([name, { kind }]) => {
      const column = table.columns[name];
      return [
        name,
        kind === "lastItems"
          ? table.lists![name].map((list) => Array.from(list as ArrayLike<unknown>))
          : column.kind === "number"
          ? [...column.values]
          : [],
      ];
    }),
  );
}

const pasts = (["row", "day"] as const).map((before) => {
  return { before, past: history(features, { time: "time", before, zone }) };
});

/** Rows from one to another of a table, with words of their own. */
const slice = (rows: readonly Row[], from: number, to?: number) => tableOf(rows.slice(from, to));

for (const { before, past } of pasts) {
  Deno.test(`history() is what its definition by plain loops is: before the ${before}`, () => {
    for (const seed of ["one", "two", "three"]) {
      const rows = logOf(seed, 160);
      const made = madeIn(past.over(tableOf(rows)).table);
      for (const [name, feature] of Object.entries(features)) {
        assertEquals(made[name], byDefinition(rows, before, feature), `${name} of ${seed}`);
      }
    }
  });

  Deno.test(`no label, item or number of a row or of later ones changes its features: before the ${before}`, () => {
    const { uniform } = random(`leaks before the ${before}`);
    const rows = logOf("leaks", 120);
    const { count, columns, lists } = past.over(tableOf(rows)).table;
    for (let turn = 0; turn < 60; turn++) {
      const at = Math.floor(uniform() * rows.length);
      const isLater = ({ time }: Row) => before === "row" ? time >= rows[at].time : dayOf(time) >= dayOf(rows[at].time);
      const first = rows.findIndex(isLater);
      const other = logOf(`turn ${turn}`, rows.length);
      const changed = rows.map((row, place): Row => {
        if (place < first) return row;
        const { click, like, seconds, ...keys } = other[place];
        const { user, video, tags, topics } = place === at ? row : keys; // its own keys are known when it is asked for
        return { ...row, click, like, seconds, user, video, tags, topics };
      });
      const after = past.over(tableOf(changed)).table;
      for (const row of [...Array(first).keys(), at]) {
        for (const name of Object.keys(features)) {
          if (name in columns) {
            assert(Object.is(numberAt(after, name, row), numberAt({ count, columns }, name, row)), name);
          } else assertEquals(after.lists![name][row], lists![name][row], name);
        }
      }
    }
  });

  Deno.test(`history() of pieces of any size is that of the whole, and so is its state: before the ${before}`, () => {
    const rows = logOf("pieces", 150);
    const whole = past.over(tableOf(rows));
    for (const size of [1, 2, 7, 50, 149]) {
      const run = past.begin();
      const pieces: Columns[] = [];
      for (let at = 0; at < rows.length; at += size) pieces.push(run.over(slice(rows, at, at + size)));
      assertEquals(madeIn(concatTables(pieces)), madeIn(whole.table), `pieces of ${size}`);
      assertEquals(run.state(), whole.state);
    }
  });

  Deno.test(`a state is a value: what goes on from it leaves it as it is: before the ${before}`, () => {
    const rows = logOf("values", 120);
    const { state } = past.over(slice(rows, 0, 60));
    const copy = structuredClone(state);
    const one = past.over(slice(rows, 60), state);
    past.at(state, slice(rows, 119));
    assertEquals(structuredClone(state), copy);
    assertEquals(past.over(slice(rows, 60), state), one);
    assertEquals(one.state, past.over(tableOf(rows)).state);
    assertEquals([state.rows, state.time, one.state.rows], [60, rows[59].time, 120]);
  });

  Deno.test(`a state that was saved and loaded goes on to the same bits: before the ${before}`, async () => {
    const rows = logOf("saved", 120);
    const { state } = past.over(slice(rows, 0, 70));
    const folder = `out/history-${before}`;
    await saveHistory(past.over(slice(rows, 0, 5)).state, folder); // which the next one replaces
    await saveHistory(state, folder);
    const loaded = await loadHistory(folder);
    assertEquals(loaded, state);
    assertEquals(historyOf(loaded).features, past.features);
    assertEquals(historyOf(loaded).over(slice(rows, 70), loaded), past.over(slice(rows, 70), state));
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(files.length, 2);
    const contents = Object.fromEntries(files.map((name) => [name, Deno.readFileSync(`${folder}/${name}`)]));
    assertEquals(await loadHistory(contents), state);
    await Deno.remove(folder, { recursive: true });
  });

  Deno.test(`at() gives what over() gives each of the rows as the next one: before the ${before}`, () => {
    const rows = logOf("asked", 90);
    for (const known of [0, 1, 30, 60]) {
      const state = past.over(slice(rows, 0, known)).state;
      const asked = rows.slice(known).reverse(); // in any order
      const { columns: { time, user, video, tags }, lists } = tableOf(asked);
      const served = madeIn(past.at(state, { count: asked.length, columns: { time, user, video, tags }, lists }));
      for (const [at, row] of asked.entries()) {
        const next = madeIn(past.over(tableOf([row]), state).table);
        for (const name of Object.keys(features)) assertEquals([served[name][at]], next[name], `${name} of ${at}`);
      }
    }
  });

  Deno.test(`parts of a history, read in any order from any row, are those of the whole: before the ${before}`, async () => {
    const rows = logOf("parts", 120);
    const sizes = [30, 1, 0, 40, 29, 20];
    const starts = sizes.map((_, at) => sizes.slice(0, at).reduce((sum, size) => sum + size, 0));
    const parts = partsOf(sizes.map((size, at) => rows.slice(starts[at], starts[at] + size)), 7);
    const whole = madeIn(past.over(tableOf(rows)).table);
    for (const states of [0, 1, 2, 8]) {
      const table = past.parts(parts, { states });
      const list = await table.parts();
      for (const [part, from] of [[5, 3], [0, 0], [3, 39], [3, 6], [1, 0], [2, 0], [4, 29], [4, 7], [0, 29], [5, 0]]) {
        const pieces: Columns[] = [];
        for await (const piece of list[part].read(from)) pieces.push(piece);
        const [first, end] = [starts[part] + from, starts[part] + sizes[part]];
        const made = pieces.length === 0 ? {} : madeIn(concatTables(pieces));
        for (const name of Object.keys(made)) assertEquals(made[name], whole[name].slice(first, end), name);
        assertEquals(pieces.reduce((sum, { count }) => sum + count, 0), end - first);
      }
    }
    assertEquals(await past.after(parts), past.over(tableOf(rows)).state);
  });
}

/** A number of a table. */
function numberAt({ columns }: Columns, name: string, row: number): number | undefined {
  const column = columns[name];
  return column.kind === "number" ? column.values[row] : undefined;
}

/** A table in parts, whose rows come some at a time. */
function partsOf(parts: readonly (readonly Row[])[], size: number): TableParts {
  const all = parts.map((rows, at) => ({
    name: `part ${at}`,
    read: async function* (from: number) {
      for (let first = from; first < rows.length; first += size) {
        yield await Promise.resolve(slice(rows, first, first + size));
      }
    },
  }));
  return {
    identity: "parts",
    parts: () => Promise.resolve(all),
    [Symbol.asyncIterator]: async function* () {
      for (const { read } of all) yield* read(0);
    },
  };
}

Deno.test("a dataset over a history begins at any of its windows, whatever the order of its parts", async () => {
  const all = logOf("windows", 100);
  const { past } = pasts[1];
  const fitted = fit(
    { shown: numeric({ missing: 0 }), watched: numeric({ missing: 0 }) },
    past.over(tableOf(all)).table,
  );
  const parts = partsOf([0, 20, 40, 60, 80].map((at) => all.slice(at, at + 20)), 7);
  const data = dataset(past.parts(parts, { states: 2 }), (some) => rows(encode(fitted, some)), { buffer: 16 });
  const order = { seed: 7, epoch: 3, shuffle: true, batch: 8 };
  const copied = ({ rows, place }: Window) => ({ rows: structuredClone(rows), place });
  const windows: Window[] = [];
  for await (const window of data.pass(order)) windows.push(copied(window));
  assertEquals(windows.length, 7);
  for (const [at, { place }] of windows.entries()) {
    const again: Window[] = [];
    for await (const window of data.pass({ ...order, from: place })) again.push(copied(window));
    assertEquals(again, windows.slice(at));
  }
});

Deno.test("parts of a history that are read in their order are passed once each", async () => {
  const rows = logOf("once", 40);
  let passed = 0;
  const parts = partsOf(Array.from({ length: 20 }, (_, at) => rows.slice(2 * at, 2 * at + 2)), 2);
  const counted = async () =>
    (await parts.parts()).map(({ name, read }) => ({
      name,
      read: (from: number) => {
        passed++;
        return read(from);
      },
    }));
  const { past } = pasts[0];
  const pieces: Columns[] = [];
  for await (const piece of past.parts({ ...parts, parts: counted }, { states: 1 })) pieces.push(piece);
  assertEquals(passed, 20);
  assertEquals(madeIn(concatTables(pieces)), madeIn(past.over(tableOf(rows)).table));
});

Deno.test("a history of CSV in files, joined with a table, is what fit reads, and goes on from a state", async () => {
  const files = ["1,ann,1\n2,bob,0\n", "3,ann,1\n5,ann,0\n"].map((text) => new Blob([`time,user,click\n${text}`]));
  const columns = { time: "number", user: "text", click: "number" } as const;
  const towns = {
    count: 2,
    columns: { user: { kind: "text", codes: Int32Array.of(0, 1), words: ["ann", "bob"] }, age: number(30, 60) },
  } as const;
  const past = history({ rate: rate({ by: "user", of: "click", weight: 1, prior: 0 }), seen: count({ by: "user" }) }, {
    time: "time",
  });
  const log = past.parts(join(await csvParts(files, { columns }), towns, "user"));
  const { seen } = await fit({ seen: numeric(), rate: numeric(), age: numeric() }, log, { outcomes: past.outcomes });
  assertEquals(seen, { kind: "numeric", transform: "none", mean: 3 / 4, scale: Math.sqrt(11 / 16) });
  const known = await past.after(await csvParts(files[0], { columns }));
  const rest = past.parts(await csvParts(files[1], { columns }), { state: known });
  for await (const { columns: { rate } } of rest) assertEquals(rate, number(1 / 2, 2 / 3));
  const [one, other] = [log.identity, rest.identity].map((identity) => JSON.stringify(identity));
  assert(one !== other);
});

Deno.test("fit() names a feature that reads an outcome", () => {
  const past = history({ clicks: rate({ by: "user", of: "click", where: "like" }) }, { time: "time" });
  assertEquals(past.outcomes, ["click", "like"]);
  const { table } = past.over(tableOf(logOf("outcomes", 10)));
  assertThrows(
    () => fit({ clicks: numeric({ missing: 0 }), click: numeric({ missing: 0 }) }, table, { outcomes: past.outcomes }),
    TypeError,
    'Cannot fit features\n  at feature "click": it reads "click", which is known after the row alone',
  );
  assertThrows(
    () => fit({ clicks: numeric({ missing: 0 }) }, table, { outcomes: ["clik"] }),
    TypeError,
    'Cannot fit features\n  at outcomes: no column of the rows is named "clik": did you mean "click"?',
  );
});

Deno.test("lists of last items are what a sequence reads, of numbers and of texts", () => {
  const past = history({ videos: lastItems({ by: "user", item: "video" }) }, { time: "time" });
  const texts = { kind: "text", codes: Int32Array.of(0, 1, 0), words: ["a", "b"] } as const;
  for (const [video, words] of [[texts, ["a", "b"]], [number(7, 8, 7), ["7", "8"]]] as const) {
    const { table } = past.over({ count: 3, columns: { time: number(1, 2, 3), user: number(1, 1, 1), video } });
    const { videos } = fit({ videos: sequence({ most: 3 }) }, table);
    assertEquals(videos.kind === "sequence" && videos.words, words);
  }
});

Deno.test("memory is that of keys: items that cannot count any more are left out", () => {
  const rows = 20_000;
  const { uniform } = random("memory");
  const log = {
    count: rows,
    columns: {
      time: number(...Array.from({ length: rows }, (_, at) => at)),
      user: number(...Array.from({ length: rows }, () => Math.floor(uniform() * 10))),
    },
  };
  for (const before of ["row", "day"] as const) {
    const past = history({ last: lastItems({ by: "user", item: "time", most: 4 }) }, { time: "time", before });
    const { arrays } = past.over(log).state;
    // Four that count and one that will, of the last moment; or the last four of the day.
    assertEquals(arrays["groups/0/lists/0/items"].length, before === "row" ? 5 * 10 : 4 * 10);
  }
});

Deno.test("history() reports what is wrong with a log, with its row", async () => {
  const { past } = pasts[0];
  const table = tableOf(logOf("wrong", 4));
  const withColumn = (name: string, column: Columns["columns"][string]) => ({
    ...table,
    columns: { ...table.columns, [name]: column },
  });
  const text = { kind: "text", codes: Int32Array.of(0, 0, 0, 0), words: ["a"] } as const;
  const cases: [Columns, string][] = [
    [
      withColumn("time", number(1, 2, 1, 3)),
      'Cannot compute history, row 2, column "time": found 1 after 2, wanted rows in the order of time: sortBy(table, "time") sorts them',
    ],
    [withColumn("time", number(1, 2, NaN, 3)), 'row 2, column "time": found NaN, wanted a time'],
    [withColumn("time", text), 'column "time": found text, wanted numbers'],
    [withColumn("click", text), 'column "click": found text, wanted numbers, or words that were listed as it was read'],
    [withColumn("shown", text), 'the table has a column "shown", wanted another name for the feature'],
    [{ ...table, columns: { time: table.columns.time } }, "no column is named"],
    [withColumn("user", number(1, 2)), 'at column "user": found 2 rows, wanted 4 as the table has'],
  ];
  for (const [wrong, message] of cases) {
    const error = assertThrows(() => past.over(wrong));
    assert((error as Error).message.includes(message), (error as Error).message);
  }
  const records = recordParts(() => [{ t: 1, u: 1 }, { t: 0, u: 1 }], {
    columns: { t: "number", u: "number" },
    name: "clicks",
  });
  const seen = history({ seen: count({ by: "u" }) }, { time: "t" });
  await assertRejects(
    () => seen.after(records),
    RangeError,
    'Cannot compute history\n  at clicks, row 1, column "t": found 0 after 1',
  );
});

Deno.test("a row without a key is missing, or an error where it is asked for", () => {
  const log = { count: 2, columns: { time: number(1, 2), user: number(1, NaN), video: number(2, 2) } };
  const features = { seen: count({ by: ["user", "video"] }) };
  assertEquals(history(features, { time: "time" }).over(log).table.columns.seen, number(0, NaN));
  assertThrows(
    () => history(features, { time: "time", missing: "error" }).over(log),
    RangeError,
    'row 1: found no key in "user" and "video"; missing: "missing" makes the features of such a row missing',
  );
});

Deno.test("history() refuses keys that are outcomes, and features and options that it does not know", () => {
  const cases: [() => unknown, string][] = [
    [
      () => history({ a: count({ by: ["user", "click"] }), b: rate({ by: "user", of: "click" }) }, { time: "time" }),
      'at feature "a": its key reads "click"',
    ],
    [
      () => history({ a: sum({ by: "user", of: "time" }) }, { time: "time" }),
      'the time "time" is a column that a feature sums or tests',
    ],
    [() => history({}, { time: "time" }), "wanted features by name"],
    [() => history({ a: { kind: "counts" } as never }, { time: "time" }), 'at feature "a": wanted count(), rate()'],
    [
      () => history({ a: count({ by: "u" }) }, { time: "time", before: "hour" as never }),
      'before must be "row" or "day"',
    ],
    [() => history({ a: count({ by: "u" }) }, { time: "time", zone: "Asia/Shanghai" }), "zone must be an offset"],
    [() => count({ by: ["u", "u"] }), "by must be the name of a column or a list of names, each once"],
    [() => rate({ by: "u", of: "click", weight: -1 }), "weight must be at least 0"],
    [() => rate({ by: "u" } as never), "of must be a text"],
    [() => lastItems({ by: "u", item: "v", most: 0 }), "most must be a whole number of at least 1"],
    [() => count({ by: "u", wher: "click" } as never), 'option "wher" is unknown: did you mean "where"?'],
  ];
  for (const [wrong, message] of cases) {
    const error = assertThrows(wrong);
    assert((error as Error).message.includes(message), (error as Error).message);
  }
});

Deno.test("a state of another history is refused, and one that would know the future of what is asked", () => {
  const log = { count: 2, columns: { time: number(1, 5), user: number(1, 1) } };
  const seen = history({ seen: count({ by: "user" }) }, { time: "time" });
  const others = [
    history({ seen: count({ by: "user", where: "x" }) }, { time: "time" }),
    history({ seen: count({ by: "user" }) }, { time: "time", before: "day" }),
  ];
  const { state } = seen.over(log);
  for (const [at, name] of ["seen", "before"].entries()) {
    assertThrows(
      () => others[at].over(log, state),
      TypeError,
      `its features and options are others, such as "${name}"`,
    );
  }
  const asked = (time: number) => ({ count: 1, columns: { time: number(time), user: number(1) } });
  assertEquals(seen.at(state, asked(5)).columns.seen, number(1)); // not the row of the same time
  assertThrows(() => seen.at(state, asked(4)), RangeError, "found 4, but rows up to 5 are known");
  assertThrows(() => seen.over(asked(4), state), RangeError, "found 4 after 5");
});

Deno.test("a column of dates as the time is what days are: rows of one date do not see each other", () => {
  const rows = logOf("dates", 80);
  const table = tableOf(rows);
  const dates = { ...table, columns: { ...table.columns, time: number(...rows.map(({ time }) => dayOf(time))) } };
  const some = { shown: features.shown, clicks: features.clicks, last: features.last };
  const byDay = history(some, { time: "time", before: "day", zone }).over(table).table;
  const byDate = history(some, { time: "time" }).over(dates).table;
  assertEquals(byDate.columns.shown, byDay.columns.shown);
  assertEquals([byDate.columns.clicks, byDate.lists!.last], [byDay.columns.clicks, byDay.lists!.last]);
});

Deno.test("an error leaves a run as it was", () => {
  const { past } = pasts[0];
  const rows = logOf("undone", 40);
  const run = past.begin();
  run.over(slice(rows, 0, 20));
  const broken = slice(rows, 20, 40);
  assertThrows(() => run.over({ ...broken, columns: { ...broken.columns, click: broken.columns.video } }), TypeError);
  assertEquals(madeIn(run.over(broken)), madeIn(past.over(broken, past.over(slice(rows, 0, 20)).state).table));
});

Deno.test("numbers and texts do not mix in a column of keys", () => {
  const seen = history({ seen: count({ by: "user" }) }, { time: "time" });
  const text = { kind: "text", codes: Int32Array.of(0), words: ["1"] } as const;
  const { state } = seen.over({ count: 1, columns: { time: number(1), user: number(1) } });
  const other = { count: 1, columns: { time: number(2), user: text } };
  assertThrows(() => seen.over(other, state), TypeError, 'column "user": found text, wanted numbers as before');
  const mixed = { count: 1, columns: { time: number(2) }, lists: { user: [[1, "1"]] as ListColumn } };
  assertThrows(() => seen.over(mixed), TypeError, 'row 0, column "user": found text, wanted numbers as before');
  const last = history({ last: lastItems({ by: "user", item: "time" }) }, { time: "time" });
  assertThrows(
    () => last.over({ count: 1, columns: { time: number(2) }, lists: { user: [[1, 2]] } }),
    TypeError,
    'found several keys a row for "last"',
  );
});

Deno.test("loadHistory() names the file that is damaged, cut off or of another kind", async () => {
  const { past } = pasts[0];
  const state: HistoryState = past.over(tableOf(logOf("damaged", 30))).state;
  await saveHistory(state, "out/damaged");
  const names = [...Deno.readDirSync("out/damaged")].map(({ name }) => name);
  const [file] = names.filter((name) => name.endsWith(".safetensors"));
  const json = Deno.readTextFileSync("out/damaged/history.json");
  const bytes = Deno.readFileSync(`out/damaged/${file}`);
  await Deno.remove("out/damaged", { recursive: true });
  const flipped = bytes.slice();
  flipped[flipped.length - 9] ^= 1;
  const cases: [Record<string, string | Uint8Array>, string][] = [
    [{ "history.json": json, [file]: flipped }, `at ${file}: found SHA-256`],
    [{ "history.json": json, [file]: bytes.subarray(0, -1) }, file],
    [{ "history.json": json }, file],
    [{ "history.json": "{", [file]: bytes }, "history.json: the file is not JSON"],
    [{ "history.json": "{}", [file]: bytes }, "history.json: wanted a state"],
    [{ "history.json": json.replace('"version": 1', '"version": 2'), [file]: bytes }, "found version 2, wanted 1"],
    [{ "history.json": json.replace('"rows": 30', '"rows": 31'), [file]: bytes }, "at history.json: found SHA-256"],
  ];
  for (const [files, message] of cases) {
    const error = await assertRejects(() => loadHistory(files));
    assert((error as Error).message.includes(message), (error as Error).message);
  }
  const older = json.replace(/,\s*"own": "\w+"/, ""); // as older versions wrote it
  assert(older !== json);
  assertEquals((await loadHistory({ "history.json": older, [file]: bytes })).rows, 30);
  await assertRejects(() => saveHistory(state, "lib"), Deno.errors.AlreadyExists);
});

Deno.test("history() of many features takes no square of them", () => {
  const timeOf = (count: number) => {
    const many = Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`f${at}`, sum({ by: `k${at}`, of: `v${at}` })]),
    );
    const began = performance.now();
    history(many, { time: "time" });
    return performance.now() - began;
  };
  timeOf(1000);
  assert(timeOf(20_000) < 200 * Math.max(1, timeOf(1000)), "20 times as many take more than 200 times as long");
});

Deno.test("take() and a copy by JSON of features change nothing of a history", () => {
  const { past } = pasts[1];
  const table = tableOf(logOf("copies", 50));
  const some = Int32Array.from({ length: 30 }, (_, row) => row);
  const again = history(JSON.parse(JSON.stringify(features)), { time: "time", before: "day", zone });
  const whole = madeIn(past.over(table).table);
  const made = madeIn(again.over(take(table, some)).table);
  for (const name of Object.keys(features)) assertEquals(made[name], whole[name].slice(0, 30));
});

Deno.test("rows that were refused leave no key behind that at() sees: not in a run, and not in its state", () => {
  const options = { time: "time" } as const;
  const past = history({
    shown: count({ by: "user" }),
    since: timeSince({ by: "user" }),
    clicks: rate({ by: "user", of: "click", prior: 0.5 }),
    items: lastItems({ by: "user", item: "video" }),
  }, options);
  const begun = () => {
    const run = past.begin();
    run.over({
      count: 1,
      columns: { time: number(1), user: number(1), video: number(5), click: number(1) },
    });
    return run;
  };
  const run = begun();
  const users = Array.from({ length: 40 }, (_, at) => 10 + at);
  const refused = { time: number(...users.map(() => 2)), user: number(...users), click: number(...users.map(() => 1)) };
  assertThrows(() => run.over({ count: 40, columns: refused }), TypeError, 'no column is named "video"');
  const asked = { count: 3, columns: { time: number(3, 3, 3), user: number(1, 12, 45) } };
  const wanted = begun().at(asked);
  assertEquals(run.at(asked), wanted);
  assertEquals(past.at(run.state(), asked), wanted);
});
