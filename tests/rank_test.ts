import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  binary,
  calibrate,
  category,
  compile,
  cpu,
  define,
  encode,
  fit,
  mlp,
  mmoe,
  type Model,
  numeric,
  powers,
  rank,
  rankTable,
  regression,
  rows,
  searchRank,
  sequence,
  topItems,
  weightedLogits,
} from "../mod.ts";
import { random } from "../lib/data/random.ts";
import { ndcg, recall } from "../lib/metrics.ts";

const source = random("rank");
const uniform = () => source.uniform();

Deno.test("rank() of logits and of powers is what plain loops give", () => {
  const p = Array.from({ length: 50 }, () => [uniform(), uniform(), 5 * uniform()]);
  const predictions = { click: p.map(([a]) => a), like: p.map(([, b]) => b), spend: p.map(([, , c]) => c) };
  rank(predictions, weightedLogits({ click: 2, like: -0.5 })).forEach((score, row) => {
    const [a, b] = p[row];
    assertAlmostEquals(score, 2 * Math.log(a / (1 - a)) - 0.5 * Math.log(b / (1 - b)), 1e-6);
  });
  rank(predictions, powers({ click: 1, like: 0.3, spend: 0.5 })).forEach((score, row) => {
    const [a, b, c] = p[row];
    assertAlmostEquals(score, a * b ** 0.3 * c ** 0.5, 1e-12);
  });
  assertEquals(rank({ click: [0, 1] }, weightedLogits({ click: 1 })).every(Number.isFinite), true);
  assertThrows(() => rank({ click: [0.5, 2] }, weightedLogits({ click: 1 })), RangeError, 'at row 1, task "click"');
  assertThrows(
    () => rank({ spend: [-1] }, powers({ spend: 1 })),
    RangeError,
    "a finite number of at least 0, found -1",
  );
  assertThrows(
    () => rank({ a: [1], b: [1, 1] }, powers({ a: 1, b: 1 })),
    RangeError,
    '"b" has 2 predictions, wanted 1',
  );
  assertThrows(() => rank({ click: [1] }, powers({ clik: 1 }) as never), TypeError, 'did you mean "click"');
  assertThrows(() => powers({}), TypeError, "weights has no task");
});

const users = Array.from({ length: 60 }, (_, user) => `u${user}`);
const shown = users.flatMap((user) =>
  Array.from({ length: 12 }, () => ({ user, a: source.normal(), b: source.normal() }))
);
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const labels = {
  click: shown.map(({ a }) => uniform() < sigmoid(2 * a) ? 1 : 0),
  like: shown.map(({ a, b }) => uniform() < sigmoid(3 * b - a - 1) ? 1 : 0),
};
const predictions = {
  click: shown.map(({ a }) => sigmoid(2 * a)),
  like: shown.map(({ a, b }) => sigmoid(3 * b - a - 1)),
  other: shown.map(({ b }) => sigmoid(b)),
};
const data = rows(shown.map(({ a, b }) => [a, b]), { labels, by: { user: shown.map(({ user }) => user) } });

Deno.test("searchRank() finds the most of one task among lists that keep the others, as all of a fine grid do", () => {
  for (const judge of [ndcg({ by: "user", at: 5 }), recall({ by: "user", at: 3 })]) {
    for (const kind of ["powers", "logits"] as const) {
      const aim = { most: "like", within: { click: 0.97 }, judge, kind } as const;
      const found = searchRank(predictions, data, aim);
      const keys = shown.map(({ user }) => user);
      const alone = judge(predictions.click, labels.click, undefined, keys);
      const grid = Array.from({ length: 65 }, (_, at) => 2 ** (at / 4 - 8)).map((weight) => {
        const scores = rank(predictions, { kind, weights: { like: 1, click: weight } });
        return [judge(scores, labels.like, undefined, keys), judge(scores, labels.click, undefined, keys)];
      });
      const most = Math.max(...grid.filter(([, click]) => click >= 0.97 * alone).map(([like]) => like));
      assert(found.best.within && found.best.values.click >= 0.97 * alone);
      assert(found.best.values.like >= most - 0.003, `${found.best.values.like} of ${most}`);
      assertEquals(found.alone.click.values.click, alone);
      const own = rank(predictions, found.scoring);
      assertEquals(judge(own, labels.like, undefined, keys), found.best.values.like);
      assertEquals(searchRank(predictions, data, aim), found);
    }
  }
});

Deno.test("searchRank() returns a trade-off in which no list beats another", () => {
  const judge = ndcg({ by: "user", at: 5 });
  const { tradeOff, best, tried, alone, scoring } = searchRank(predictions, data, {
    most: "like",
    within: { click: 1 },
    judge,
  });
  assert(tradeOff.length > 2 && tried >= tradeOff.length);
  for (let at = 1; at < tradeOff.length; at++) {
    assert(tradeOff[at].values.like < tradeOff[at - 1].values.like);
    assert(tradeOff[at].values.click > tradeOff[at - 1].values.click);
  }
  assert(best.values.click >= alone.click.values.click);
  const text = rankTable({ tradeOff, best, tried, alone, scoring }, 3);
  assertStringIncludes(text, "like alone");
  assertStringIncludes(text, "best");
  const three = searchRank(predictions, data, { most: "like", judge, tasks: ["click", "other"] });
  assertEquals(Object.keys(three.scoring.weights), ["like", "click", "other"]);
  assert(three.best.values.like >= three.alone.like.values.like);
});

Deno.test("searchRank() says what is wrong with an aim and its rows", () => {
  const judge = ndcg({ by: "user", at: 5 });
  const aim = { most: "like", judge } as const;
  assertThrows(() => searchRank(predictions, rows([[1]], { labels: { like: [1] } }), aim), TypeError, 'no keys "user"');
  assertThrows(() => searchRank(predictions, data, { ...aim, most: "other" }), TypeError, 'no labels of task "other"');
  assertThrows(() => searchRank(predictions, data, { ...aim, most: "lik" as never }), TypeError, 'did you mean "like"');
  assertThrows(() => searchRank(predictions, data, { ...aim, within: { click: 2 } }), RangeError, "must be in (0, 1]");
  assertThrows(() => searchRank(predictions, data, { ...aim, judge: (() => 1) as never }), TypeError, "judge must be");
  const none = rows([[1]], { labels: { like: [0] }, by: { user: ["ann"] } });
  assertThrows(
    () => searchRank({ like: [0.5] }, none, aim as never),
    RangeError,
    'at task "like": no rows make a list',
  );
});

const videos = Array.from({ length: 300 }, (_, at) => `v${at}`);
const seen = {
  user: videos.map((_, at) => `u${at % 40}`),
  video: videos,
  length: videos.map(() => 100 * uniform()),
  watched: videos.map((_, at) => [`v${at % 7}`, `v${at % 11}`]),
};
const input = fit({
  user: category(),
  video: category(),
  length: numeric(),
  watched: sequence({ like: "video", most: 3 }),
}, seen);

async function modelOf() {
  const tasks = { click: binary(mlp([4])), like: binary(), spend: regression() };
  return await compile(define(mmoe({ input, embed: 4, expert: mlp([6]), tasks })), { engine: cpu(), seed: 5 });
}

async function plain(model: Model<"click" | "like" | "spend">, k: number) {
  const all = { ...seen, user: videos.map(() => "u3"), watched: videos.map(() => ["v1", "v2"]) };
  const predictions = await model.predict(encode(input, all));
  const scores = rank(predictions, powers({ click: 1, like: 0.5 }));
  return videos.map((_, row) => row).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, k).map((row) => ({
    ...{ row, item: videos[row], score: scores[row] },
    predictions: { click: predictions.click[row], like: predictions.like[row], spend: predictions.spend[row] },
  }));
}

Deno.test("topItems() is the first of all candidates scored at once, however they come", async () => {
  const model = await modelOf();
  const user = { user: "u3", watched: ["v1", "v2"] };
  const scoring = powers({ click: 1, like: 0.5 });
  const { video, length } = seen;
  const wanted = await plain(model, 12);
  const lists = { video, length };
  const known = [...new Set(video)];
  const table = {
    count: 300,
    columns: {
      video: { kind: "text", codes: Int32Array.from(video, (word) => known.indexOf(word)), words: known },
      length: { kind: "number", values: Float64Array.from(length) },
    },
  } as const;
  const stream = async function* () {
    for (const [from, to] of [[0, 90], [90, 91], [91, 300]]) {
      yield { video: video.slice(from, to), length: length.slice(from, to) };
    }
  };
  for (const candidates of [lists, table, stream()]) {
    for (const batch of candidates === lists ? [7, 300, 8192] : [64]) {
      const found = await topItems(model, user, candidates, { k: 12, scoring, item: "video", batch });
      assertEquals(found.map(({ row, item }) => [row, item]), wanted.map(({ row, item }) => [row, item]));
      found.forEach(({ score, predictions }, at) => {
        assertAlmostEquals(score, wanted[at].score, 1e-6);
        assertAlmostEquals(predictions.spend, wanted[at].predictions.spend, 1e-5);
      });
    }
  }
  assertEquals((await topItems(model, user, lists, { k: 1000, scoring })).length, 300);
  model.dispose();
});

Deno.test("topItems() calibrates if asked, and keeps the earlier of equal candidates first", async () => {
  const model = await modelOf();
  const labelled = rows(encode(input, seen), { labels: { click: videos.map((_, at) => at % 3 === 0 ? 1 : 0) } });
  const calibration = await calibrate(model, labelled, { tasks: ["click"] });
  const { video, length } = seen;
  const user = { user: "u3", watched: null };
  const options = { k: 3, scoring: powers({ click: 1 }) };
  const [own] = await topItems(model, user, { video, length }, options);
  const [found] = await topItems(model, user, { video, length }, { ...options, calibrated: calibration });
  const all = { ...seen, user: videos.map(() => "u3"), watched: videos.map(() => null) };
  const { click } = await model.predict(encode(input, all), { calibrated: calibration });
  assertAlmostEquals(found.predictions.click, click[found.row], 1e-6);
  assert(found.predictions.click !== own.predictions.click);
  const same = { video: ["v1", "v1", "v1", "v1"], length: [1, 1, 1, 1] };
  assertEquals((await topItems(model, user, same, options)).map(({ row }) => row), [0, 1, 2]);
  model.dispose();
});

Deno.test("topItems() has scores that are NaN last, and null for an item whose number is missing", async () => {
  const features = fit({ length: numeric() }, { length: [1, 2] });
  const model = await compile(define({ input: features, tasks: { click: binary() } }), { engine: cpu() });
  const scores = [NaN, 0.125, 0.875, NaN, 0.75, NaN, 1];
  const broken = Object.assign(model, { predict: () => Promise.resolve({ click: Float32Array.from(scores) }) });
  const column = (...values: number[]) => ({ kind: "number", values: Float64Array.from(values) }) as const;
  const columns = { length: column(...scores.map(() => 1)), id: column(1, 2, NaN, 4, 5, 6, 7) };
  const found = (k: number) => topItems(broken, {}, { count: 7, columns }, { k, item: "id" });
  const wanted = [[7, 1], [null, 0.875], [5, 0.75], [2, 0.125], [1, NaN], [4, NaN], [6, NaN]];
  for (const k of [1, 2, 4, 5, 7]) {
    assertEquals((await found(k)).map(({ item, score }) => [item, score]), wanted.slice(0, k));
  }
  model.dispose();
});

Deno.test("topItems() names the column, the task or the option that is wrong", async () => {
  const model = await modelOf();
  const { video, length } = seen;
  const user = { user: "u3", watched: null };
  const scoring = powers({ click: 1 });
  const fails = async (user: object, candidates: object, options: object, error: typeof TypeError, text: string) => {
    await assertRejects(() => topItems(model, user as never, candidates as never, options), error, text);
  };
  await fails(user, { video, length }, {}, TypeError, "predicts 3 tasks: wanted scoring, such as powers({ click: 1 })");
  await fails({ ...user, video: "a" }, { video, length }, { scoring }, TypeError, '"video" is both the user\'s and');
  await fails(user, { video }, { scoring }, TypeError, 'candidates have the column "length"');
  await fails(user, { video, length: [1] }, { scoring }, RangeError, 'at "length": found 1 rows, wanted 300');
  await fails(user, { video, length }, { scoring, item: "id" }, TypeError, 'no column "id", which item names');
  await fails(user, { video, length }, { scoring, k: 0 }, RangeError, "k must be");
  await fails(user, { video, length }, { scoring: powers({ clik: 1 }) }, TypeError, 'did you mean "click"');
  await fails(user, 7 as never, { scoring }, TypeError, "wanted candidates by column, found 7");
  model.dispose();
});
