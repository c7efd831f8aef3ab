import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { published, techjamScores, techjamTable } from "../examples/kuairand/techjam.ts";
import { random } from "../lib/datasets.ts";

Deno.test("techjamScores() is as counted by hand", () => {
  // User 0 has the order 1 0 1: one of two pairs is right. User 1 has no positive row, user 2 no negative one.
  const found = techjamScores([0, 0, 0, 1, 2, 2], [0, 1, 1, 0, 1, 1], [0.5, 0.9, 0.1, 0.3, 0.2, 0.4]);
  assertAlmostEquals(found.gauc, 1 / 2, 1e-12);
  const first = (1 + 1 / 2) / (1 + 1 / Math.log2(3));
  assertAlmostEquals(found.ndcg, (first + 0 + 1) / 3, 1e-12);
  assertAlmostEquals(found.primary, (found.gauc + found.ndcg) / 2, 1e-12);
});

Deno.test("techjamScores() weighs the AUC of users by their positive rows", () => {
  // User 0: one positive above one negative. User 1: three positives below one negative.
  const found = techjamScores([0, 0, 1, 1, 1, 1], [1, 0, 1, 1, 1, 0], [2, 1, 1, 2, 3, 4]);
  assertAlmostEquals(found.gauc, (1 * 1 + 3 * 0) / 4, 1e-12);
});

Deno.test("techjamScores() counts no more than five rows, of the list and of the best one", () => {
  const labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
  const down = labels.map((_, at) => -at);
  assertEquals(techjamScores(labels.map(() => 0), labels, down).ndcg, 0);
  assertEquals(techjamScores(labels.map(() => 0), labels, labels).ndcg, 1);
});

Deno.test("techjamScores() is the definition in loops, over all orders of rows that are predicted alike", () => {
  const source = random("techjam");
  for (let round = 0; round < 60; round++) {
    const count = 1 + Math.floor(source.uniform() * 24);
    const draw = (below: number) => Array.from({ length: count }, () => Math.floor(source.uniform() * below));
    const [users, labels, predictions] = [draw(5), draw(2), draw(4)];
    const found = techjamScores(users, labels, predictions);
    const wanted = plain(users, labels, predictions);
    assertAlmostEquals(found.ndcg, wanted.ndcg, 1e-9);
    assertEquals(Number.isNaN(found.gauc), Number.isNaN(wanted.gauc));
    if (!Number.isNaN(found.gauc)) assertAlmostEquals(found.gauc, wanted.gauc, 1e-9);
  }
});

Deno.test("techjamScores() refuses what has no scores", () => {
  assertThrows(() => techjamScores([], [], []), RangeError, "Cannot score predictions: wanted");
  assertThrows(() => techjamScores([0, 0], [1], [0, 1]), RangeError, "found 2, 1, 2");
  assertThrows(() => techjamScores([0, 0], [1, 0], [0, NaN]), RangeError, "at row 2: it is NaN");
});

Deno.test("what was published of TechJam is its own mean, and the table has ours among it", () => {
  for (const { gauc, ndcg, primary, model } of published) assertAlmostEquals((gauc + ndcg) / 2, primary, 6e-5, model);
  const lines = techjamTable({ "best, lag": { gauc: 0.67, ndcg: 0.54, primary: 0.605 } }).split("\n");
  const at = (text: string) => lines.findIndex((line) => line.includes(text));
  assert(at("ensemble of BST") < at("best, lag") && at("best, lag") < at("the labels themselves"));
  assertEquals(lines[at("best, lag")].trim().split(/ {2,}/), ["ours", "best, lag", "0.6700", "0.5400", "0.6050"]);
});

/** The definition: the mean over all pairs, and over all orders of ties of up to four rows. */
function plain(users: readonly number[], labels: readonly number[], predictions: readonly number[]) {
  let [wins, positives, gain] = [0, 0, 0];
  const groups = [...new Set(users)];
  for (const group of groups) {
    const rows = users.flatMap((user, row) => user === group ? [row] : []);
    const [up, down] = [1, 0].map((label) => rows.filter((row) => labels[row] === label));
    let pairs = 0;
    for (const a of up) for (const b of down) pairs += (1 + Math.sign(predictions[a] - predictions[b])) / 2;
    if (up.length > 0 && down.length > 0) {
      wins += up.length * pairs / up.length / down.length;
      positives += up.length;
    }
    if (up.length === 0) continue;
    const dcg = (list: readonly number[]) =>
      list.slice(0, 5).reduce((sum, gain, at) => sum + (2 ** gain - 1) / Math.log2(at + 2), 0);
    const best = dcg(rows.map((row) => labels[row]).sort((a, b) => b - a));
    // The place of a row that is tied is any place of its tie.
    const sorted = rows.toSorted((a, b) => predictions[b] - predictions[a]);
    const found = sorted.map((row) => {
      const tied = sorted.filter((other) => predictions[other] === predictions[row]);
      return tied.reduce((sum, other) => sum + labels[other], 0) / tied.length;
    });
    gain += found.slice(0, 5).reduce((sum, mean, at) => sum + mean / Math.log2(at + 2), 0) / best;
  }
  return { gauc: wins / positives, ndcg: gain / groups.length };
}
