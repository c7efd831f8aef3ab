import { checkCount, isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
/**
 * Rows as an aligned text table: a line of column names, a rule, a line a row.
 *
 * Columns are the keys of the rows, in the order in which they first appear; a row without a key has an empty cell. A
 * column that holds a number is aligned right, and its numbers share one form: whole numbers (grouped by commas where
 * one reaches 10,000), or a fixed number of digits after the point. Control characters, which would break the lines,
 * are shown as spaces. Every character counts as one column wide.
 *
 * @param rows The cells of each row by column.
 * @param options.digits The digits after the point in columns that hold a fraction, 4 by default.
 * @returns Lines without a line break at the end; empty for no rows.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { textTable } from "@gatehouse/gatehouse";
 *
 * const rows = [{ task: "income", auc: 0.94, rows: 99762 }, { task: "marital", auc: 0.99251, rows: 310 }];
 * assertEquals(
 *   textTable(rows, { digits: 3 }),
 *   `task       auc    rows
 * ───────  ─────  ──────
 * income   0.940  99,762
 * marital  0.993     310`,
 * );
 * ```
 */
export function textTable(
  rows: readonly Readonly<Record<string, string | number>>[],
  options: { readonly digits?: number } = {},
): string {
  const isRow = (row: unknown) =>
    isRecord(row) && Object.values(row).every((cell) => /number|string/.test(typeof cell));
  if (!Array.isArray(rows) || !rows.every(isRow)) {
    throw new TypeError(
      `Cannot write table: rows must be a list of texts and numbers by column, found ${kindOf(rows)}`,
    );
  }
  const { digits = 4 } = optionsOf("write table", options, ["digits"]);
  checkCount("write table", "digits", digits);
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length === 0) return "";
  const columns = names.map((name) =>
    column(name, rows.map((row) => Object.hasOwn(row, name) ? row[name] : ""), digits)
  );
  return joined(columns, "  ");
}

/**
 * Blocks of text beside one another, aligned at the top.
 *
 * @param blocks Texts of one or more lines, such as tables.
 * @param gap The spaces between two blocks, 3 by default.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sideBySide } from "@gatehouse/gatehouse";
 *
 * assertEquals(sideBySide(["a\nbcd", "e\nf\ng"], 2), "a    e\nbcd  f\n     g");
 * ```
 */
export function sideBySide(blocks: readonly string[], gap = 3): string {
  if (!Array.isArray(blocks) || !blocks.every((block) => typeof block === "string")) {
    throw new TypeError(`Cannot write blocks: wanted a list of texts, found ${kindOf(blocks)}`);
  }
  checkCount("write blocks", "gap", gap);
  return joined(blocks.map((block) => padded(block.split("\n"))), " ".repeat(gap));
}

/** The number of characters of a text, as the tables count it. */
export function widthOf(text: string): number {
  return [...text].length;
}

/** The lines of one column, all of one width. */
function column(name: string, values: readonly (string | number)[], digits: number): readonly string[] {
  const numbers = values.filter((value) => typeof value === "number");
  const form = numberForm(numbers, digits);
  const cells = [name, ...values.map((value) => typeof value === "number" ? form(value) : value)].map(printable);
  const width = Math.max(...cells.map(widthOf));
  const [head, ...body] = padded([...cells, "─".repeat(width)], numbers.length > 0);
  return [head, body[body.length - 1], ...body.slice(0, -1)];
}

/** The form in which the numbers of one column are written. */
function numberForm(numbers: readonly number[], digits: number): (value: number) => string {
  const finite = numbers.filter(Number.isFinite);
  const whole = finite.every(Number.isInteger);
  const useGrouping = whole && finite.some((value) => Math.abs(value) >= 10_000);
  const places = whole ? 0 : digits;
  const format = new Intl.NumberFormat("en-US", {
    useGrouping,
    signDisplay: "negative",
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
  return (value) => Number.isFinite(value) ? format.format(value) : String(value);
}

/** The text without what would break a line of a table. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

/** Lines filled up with spaces to the width of the longest. */
function padded(lines: readonly string[], right = false): string[] {
  const width = Math.max(0, ...lines.map(widthOf));
  return lines.map((line) => {
    const space = " ".repeat(width - widthOf(line));
    return right ? space + line : line + space;
  });
}

/** Columns of lines as one text, without spaces at the ends of its lines. */
function joined(columns: readonly (readonly string[])[], gap: string): string {
  const height = Math.max(0, ...columns.map((lines) => lines.length));
  const lines = Array.from({ length: height }, (_, row) => {
    const cells = columns.map((lines) => lines[row] ?? " ".repeat(widthOf(lines[0] ?? "")));
    return cells.join(gap).trimEnd();
  });
  return lines.join("\n");
}
