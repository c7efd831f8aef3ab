import { checkReport } from "./check_report.ts";
import type { GateReport, GateSegment } from "../inspect/gate_report.ts";
import type { GateUse } from "../inspect/gate_use.ts";
import { sideBySide, textTable } from "./text_table.ts";

/**
 * A report on gates as text: a table for each level, in which every gate has a line of mean weights and one of the
 * shares of rows that have the expert on top; where not all experts have a weight in every row (top-k gates), also one
 * of the shares that do; over banks with a capacity, one of the shares of these that training drops. Then the mean
 * weights by segment, the largest twelve of them; and what is wrong.
 *
 * `entropy` is the mean over rows in nats, `even` its share of log(experts), `effective` the effective number of
 * experts; `shared/0` is the first expert of bank `shared`, and `/1` the next one of the same bank.
 *
 * @param report What `gateReport` returns.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, gateReport, gateTable, level, mix } from "@gatehouse/gatehouse";
 * import { reference, regression, rows, softmax } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(3, dense(1)) }, { y: mix("shared", softmax) })],
 *   tasks: { y: regression() },
 * });
 * const kernel = { shape: [1, 3], data: Float32Array.of(0, Math.log(2), 0) };
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/y/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals(
 *   gateTable(await gateReport(model, rows([[1], [0]]))),
 *   `gate  share   entropy  even  effective  shared/0    /1    /2
 * ────  ──────  ───────  ────  ─────────  ────────  ────  ────
 * y     weight     1.07  0.97       2.96      0.29  0.42  0.29
 *       on top                                0.17  0.67  0.17`,
 * );
 * model.dispose();
 * ```
 */
export function gateTable(report: GateReport): string {
  checkReport("show gates", report);
  if (report.gates.length === 0) return "No gate to look at: every stream is that of a single expert";
  const levels = [...new Set(report.gates.map(({ level }) => level))];
  const tables = levels.map((level) =>
    levelTable(report.gates.filter((gate) => gate.level === level), levels.length > 1)
  );
  const warnings = (report.warnings ?? []).map(({ message }) => `Warning: ${message}`);
  const segments = (report.segments ?? []).length > 0
    ? report.gates.map((gate, at) => segmentTable(report, gate, at))
    : [];
  return [...tables, ...segments, ...(warnings.length > 0 ? [warnings.join("\n")] : [])].join("\n\n");
}

/** The most experts beside one another. */
const mostColumns = 8;

/** The most segments of one table. */
const mostSegments = 12;

/** The gates of a level. */
function levelTable(gates: readonly GateUse[], several: boolean): string {
  const lines = gates.flatMap((gate) => linesOf(gate));
  const heads = lines.map(({ share, gate }): Cells => {
    if (share === "dropped") return { share, dropped: gate.capacity!.dropped };
    if (share !== "weight") return { share };
    const { entropy, evenness, effective, dropped } = gate;
    return {
      gate: several ? gate.gate : gate.stream,
      share,
      entropy: known(entropy),
      even: known(evenness),
      effective: known(effective),
      ...(dropped > 0 ? { dropped } : {}),
    };
  });
  return wide(heads.map((head) => ({ gate: "", ...head })), lines);
}

/** The mean weights of a gate by segment. */
function segmentTable({ by, segments = [] }: GateReport, { gate }: GateUse, at: number): string {
  const bySize = segments.toSorted((a, b) => b.rows - a.rows);
  const shown = bySize.slice(0, mostSegments);
  const heads = shown.map((segment): Cells => {
    const { rows, few, gates } = segment;
    const { entropy, effective } = gates[at];
    return {
      value: cut(valueOf(segment)),
      rows,
      ...(shown.some((segment) => segment.few) ? { note: few ? "few rows" : "" } : {}),
      entropy: known(entropy),
      effective: known(effective),
    };
  });
  const lines = shown.map((segment: GateSegment) => ({ gate: segment.gates[at], numbers: segment.gates[at].mean }));
  const rest = bySize.slice(mostSegments);
  const rows = rest.reduce((sum, segment) => sum + segment.rows, 0);
  const more = rest.length > 0 ? `\nand ${rest.length} more of ${rows} rows` : "";
  return `Gate ${gate} by ${by}\n${wide(heads, lines)}${more}`;
}

type Cells = Record<string, string | number>;

/** A line of numbers, one for every expert of its gate. */
interface Line {
  readonly gate: Pick<GateUse, "experts">;
  readonly numbers: readonly number[];
}

/** The lines of a gate. */
function linesOf(gate: GateUse): (Line & { readonly gate: GateUse; readonly share: string })[] {
  const lines = [
    { gate, share: "weight", numbers: gate.mean },
    { gate, share: "on top", numbers: gate.top },
    { gate, share: "load", numbers: gate.load },
    { gate, share: "dropped", numbers: gate.capacity?.experts ?? [] },
  ];
  return lines.filter(({ share }) => {
    if (share === "dropped") return gate.capacity !== undefined;
    return share !== "load" || !gate.load.every((load) => load === 1);
  });
}

/** Lines with a column for every expert, some experts beside one another and the others below. */
function wide(heads: readonly Cells[], lines: readonly Line[]): string {
  const experts = [...new Set(lines.flatMap(({ gate }) => gate.experts))];
  const blocks = Math.ceil(experts.length / mostColumns);
  const size = Math.ceil(experts.length / blocks);
  return Array.from({ length: blocks }, (_, block) => {
    const columns = experts.slice(block * size, (block + 1) * size);
    const banks = [...new Set(columns.map(bankOf))];
    return sideBySide([
      textTable(block === 0 ? heads : heads.map(firstTwo), { digits: 2 }),
      ...banks.map((bank) => bankTable(columns.filter((name) => bankOf(name) === bank), lines)),
    ], 2);
  }).join("\n\n");
}

/** The numbers of some experts of one bank: `shared/0` and, since it is the same bank, `/1`. */
function bankTable(names: readonly string[], lines: readonly Line[]): string {
  const rows = lines.map(({ gate, numbers }) => {
    const found = names.filter((name) => gate.experts.includes(name));
    return Object.fromEntries(found.map((name) => {
      return [name === names[0] ? name : name.slice(name.lastIndexOf("/")), numbers[gate.experts.indexOf(name)]];
    }));
  });
  return textTable(rows, { digits: 2 });
}

/** The first two cells of a line, which say what it is about. */
function firstTwo(cells: Cells): Cells {
  return Object.fromEntries(Object.entries(cells).slice(0, 2));
}

function bankOf(expert: string): string {
  return expert.slice(0, expert.lastIndexOf("/"));
}

/** Returns the value of a segment in words. */
export function valueOf({ value, reserved }: GateSegment): string {
  return value ?? (reserved === "missing" ? "(missing)" : "(no known word)");
}

/** A word, cut where it is long. */
function cut(word: string): string {
  const letters = [...word];
  return letters.length > 40 ? `${letters.slice(0, 39).join("")}…` : word;
}

/** A cell; empty for a number that is not known. */
function known(number: number | null): string | number {
  return number ?? "";
}
