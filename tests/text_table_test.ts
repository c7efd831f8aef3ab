import { assertEquals } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { sideBySide, textTable, widthOf } from "../lib/report/text_table.ts";

Deno.test("textTable() aligns words left and numbers right", () => {
  const rows = [
    { model: "mmoe", auc: 0.9412345, step: 500, parameters: 13056 },
    { model: "shared-bottom", auc: 1, step: 20, parameters: 7 },
  ];
  assertEquals(
    textTable(rows),
    [
      "model             auc  step  parameters",
      "─────────────  ──────  ────  ──────────",
      "mmoe           0.9412   500      13,056",
      "shared-bottom  1.0000    20           7",
    ].join("\n"),
  );
});

Deno.test("textTable() writes each kind of cell", () => {
  const cells: [(string | number)[], string[]][] = [
    [[1, 2, 10], [" 1", " 2", "10"]],
    [[0.5, NaN], ["0.5000", "   NaN"]],
    [[NaN, 3], ["NaN", "  3"]],
    [[-0, 0], ["0", "0"]],
    [[-0.00001, 12345.678], ["    0.0000", "12345.6780"]],
    [[Infinity, -1], ["Infinity", "      -1"]],
    [["-", 0.25], ["     -", "0.2500"]],
    [["a\nb", "\x1b[31mred"], ["a b", " [31mred"]],
    [["é", "𝄞𝄞"], ["é", "𝄞𝄞"]],
    [[-25_000, 9], ["-25,000", "      9"]],
  ];
  for (const [values, wanted] of cells) {
    const lines = textTable(values.map((c) => ({ c }))).split("\n").slice(2);
    assertEquals(lines, wanted.map((line) => line.trimEnd()), JSON.stringify(values));
  }
});

Deno.test("textTable() takes the columns of all rows, in the order of their first appearance", () => {
  assertEquals(textTable([{ a: "x" }, { b: 2, a: "y" }]), "a  b\n─  ─\nx\ny  2");
  assertEquals(textTable([]), "");
  assertEquals(textTable([{}]), "");
});

Deno.test("textTable() and sideBySide() keep every line of a column at one place", () => {
  const { uniform } = random("table");
  const word = () => "x".repeat(1 + Math.floor(uniform() * 9));
  for (let round = 0; round < 20; round++) {
    const rows = Array.from({ length: 4 }, () => ({ name: word(), value: uniform() * 1000, end: word() }));
    const lines = textTable(rows).split("\n");
    const ends = lines.slice(1).map((line) => line.search(/\S+$/));
    assertEquals(new Set(ends).size, 1);
    const beside = sideBySide([textTable(rows), word(), textTable(rows)], 4).split("\n");
    const place = beside[1].lastIndexOf(lines[1]);
    assertEquals(beside.map((line) => line.slice(place)), lines);
  }
});

Deno.test("sideBySide() fills up short blocks and ends no line with spaces", () => {
  assertEquals(sideBySide(["a\nbcd", "e\nf\ng"], 1), "a   e\nbcd f\n    g");
  assertEquals(sideBySide(["a\nb\nc", "d"]), "a   d\nb\nc");
  assertEquals(sideBySide(["", "d"]), "   d");
  assertEquals(sideBySide([]), "");
});

Deno.test("widthOf() counts characters, not code units", () => {
  assertEquals([widthOf(""), widthOf("é"), widthOf("𝄞")], [0, 1, 1]);
});
