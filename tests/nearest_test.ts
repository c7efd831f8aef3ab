import { assertEquals } from "@std/assert";
import { advice, nearest } from "../lib/errors/nearest.ts";

Deno.test("nearest() finds the word that was meant", () => {
  const names = ["shared", "income", "marital", "age", "hours per week", "class of worker", "toString"];
  const cases: [string, string | undefined][] = [
    ["sharde", "shared"],
    ["Shared", "shared"],
    ["incom", "income"],
    ["incomee", "income"],
    ["martial", "marital"],
    ["agee", "age"],
    ["hours_per_week", "hours per week"],
    ["classofworker", "class of worker"],
    ["education", undefined],
    ["", undefined],
    ["x".repeat(1e6), undefined],
  ];
  for (const [word, wanted] of cases) assertEquals(nearest(word, names), wanted, word);
});

Deno.test("nearest() takes the nearest of several and the first of equals", () => {
  assertEquals(nearest("tower1", ["tower22", "tower2", "tower3"]), "tower2");
  assertEquals(nearest("abcd", ["abxy", "abcx"]), "abcx");
  assertEquals(nearest("a", ["b", "c"]), undefined);
  assertEquals(nearest("ab", ["ac", "ad"]), "ac");
  assertEquals(nearest("ab", []), undefined);
});

Deno.test("nearest() counts a swap of neighbours as one edit", () => {
  assertEquals(nearest("ba", ["ab"]), "ab");
  assertEquals(nearest("abdc", ["abxy", "abcd"]), "abcd");
});

Deno.test("advice() names the nearest word, else the right ones, else nothing", () => {
  assertEquals(advice("sharde", ["income", "shared"]), ': did you mean "shared"?');
  assertEquals(advice("zzz", ["income"]), ': wanted "income"');
  assertEquals(advice("zzz", ["a", "b", "c"]), ': wanted "a", "b" or "c"');
  const many = Array.from({ length: 40 }, (_, i) => `column ${i}`);
  assertEquals(advice("zzz", many).endsWith('"column 7" or another of 40'), true);
  assertEquals(advice("zzz", []), "");
});
