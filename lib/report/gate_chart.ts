import { type Chart, element, label, textWidth, WIDTH } from "./marks.ts";
import { DENSEST } from "./palette.ts";

/** The mean weights of one gate. */
export interface GateWeights {
  /** The name of the gate, such as its task. */
  readonly name: string;
  /** The mean weight of each expert, 0 to 1, `[experts]`. */
  readonly experts: readonly number[];
}

/**
 * The mean weight of every expert at every gate: a heat map, a line a gate, with the weights written in its cells and
 * the largest of each gate in bold. More than eight experts go on in another block below.
 *
 * @param gates Gates in the order in which they are drawn; they may have different numbers of experts.
 * @param options.title `Mean gate weights` by default.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gateChart } from "@gatehouse/gatehouse/svg";
 *
 * const { description } = gateChart([{ name: "income", experts: [0.25, 0.75] }]);
 * assertEquals(description, "income: most weight on expert 1 (0.75 of 1, 2 experts).");
 * ```
 */
export function gateChart(gates: readonly GateWeights[], options: { readonly title?: string } = {}): Chart {
  const experts = Math.max(0, ...gates.map((gate) => gate.experts.length));
  const names = Math.min(112, Math.max(textWidth("expert"), ...gates.map((gate) => textWidth(gate.name)))) + 10;
  const columns = Math.min(experts, COLUMNS);
  const cell = Math.min((WIDTH - names) / columns, 56);
  const parts: string[] = [];
  let y = 0;
  for (let first = 0; first < experts; first += COLUMNS) {
    const block = gates.filter((gate) => gate.experts.length > first);
    parts.push(header(first, Math.min(first + COLUMNS, experts), names, cell, y + 12));
    y += 20;
    for (const gate of block) {
      parts.push(...gateLine(gate, first, names, cell, y));
      y += LINE;
    }
    y += 8;
  }
  const description = gates.map(inWords).join(" ");
  return {
    title: options.title ?? "Mean gate weights",
    description,
    height: Math.max(0, y - 8),
    body: parts.join("\n"),
  };
}

/** The most experts in one block. */
const COLUMNS = 8;
/** The height of a gate. */
const LINE = 30;

/** The numbers of the experts above a block. */
function header(first: number, end: number, names: number, cell: number, y: number): string {
  const numbers = Array.from(
    { length: end - first },
    (_, i) => label(`${first + i}`, names + (i + 0.5) * cell, y, { class: "gh-soft", "text-anchor": "middle" }),
  );
  return [label("expert", 0, y, { class: "gh-soft" }), ...numbers].join("\n");
}

/** One gate: its name, and a cell for every expert of the block. */
function gateLine({ name, experts }: GateWeights, first: number, names: number, cell: number, y: number): string[] {
  const middle = y + LINE / 2 + 4;
  const most = Math.max(...experts);
  const cells = experts.slice(first, first + COLUMNS).map((weight, i) => {
    const x = names + i * cell;
    const opacity = DENSEST * Math.min(Math.max(weight, 0), 1) || 0;
    const box = { x: x + 1, y: y + 1, width: cell - 2, height: LINE - 2, rx: 3 };
    const bold = weight === most ? "gh-ink gh-small gh-strong" : "gh-ink gh-small";
    return element("rect", { ...box, class: "gh-heat gh-grid", "fill-opacity": opacity.toFixed(3) }) +
      label(weight.toFixed(2), x + cell / 2, middle, { class: bold, "text-anchor": "middle" });
  });
  return [label(name, 0, middle, { class: "gh-ink" }, names - 10), ...cells];
}

/** What a screen reader says of a gate. */
function inWords({ name, experts }: GateWeights): string {
  if (experts.length === 0) return `${name}: no expert.`;
  const most = experts.indexOf(Math.max(...experts));
  if (most < 0) return `${name}: weights that are not numbers.`;
  return `${name}: most weight on expert ${most} (${experts[most].toFixed(2)} of 1, ${experts.length} experts).`;
}
