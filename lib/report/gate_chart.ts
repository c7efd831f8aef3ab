import { checkAmount, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import { areWeights } from "./check_report.ts";
import { blocksOf, type Column, columnsOf, type GateWeights, type Place, placesOf } from "./gate_columns.ts";
import { type Chart, element, escape, label, textWidth, WIDTH } from "./marks.ts";
import { DENSEST } from "./palette.ts";

/** The options of {@linkcode gateChart}. */
export interface GateChartOptions {
  /** `Mean gate weights` by default. */
  readonly title?: string;
  /** The number that has the densest colour, above 0; by default the largest one, rounded up. */
  readonly most?: number;
}

/**
 * The mean weight of every expert at every gate: a heat map, a line a gate, with the weights written in its cells and
 * the largest of each gate in bold; where a gate does not mix an expert there is no cell. Beyond eight experts it goes
 * on in another block below; beyond 24 cells are small, and show their numbers where the pointer rests.
 *
 * The colours are shades of one hue, which people who do not see some colours can distinguish, with a legend below.
 *
 * @param gates Gates in the order in which they are drawn; they may have different experts. Of a report:
 * {@linkcode gateWeights} and {@linkcode segmentWeights}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gateChart } from "@gatehouse/gatehouse/svg";
 *
 * const { description } = gateChart([{ name: "income", experts: [0.25, 0.75] }]);
 * assertEquals(description, "income: most weight on expert 1 (0.75, 2 experts).");
 * ```
 */
export function gateChart(gates: readonly GateWeights[], options: GateChartOptions = {}): Chart {
  const action = "draw gates";
  if (!areWeights(gates)) throw new TypeError(`Cannot ${action}: wanted weights of gates, found ${kindOf(gates)}`);
  const { title = "Mean gate weights", most } = optionsOf(action, options, ["title", "most"]);
  checkText(action, "title", title);
  if (most !== undefined) checkAmount(action, "most", most);
  const columns = columnsOf(gates);
  const numbers = gates.flatMap(({ experts }) => experts).filter(Number.isFinite);
  const look: Look = {
    names: Math.min(124, Math.max(textWidth("expert"), ...gates.map(widthOfNames))) + 10,
    most: most ?? roundedUp(Math.max(0, ...numbers)),
    line: gates.some(({ note }) => note !== undefined) ? 36 : 30,
    small: columns.length > mostWithNumbers,
  };
  const parts: string[] = [];
  let y = 0;
  for (const block of blocksOf(columns, look.small ? 32 : 8)) {
    const places = placesOf(block, WIDTH - look.names, 56);
    const lines = gates.filter((gate) => block.some((column) => column.of.has(gate)));
    parts.push(...header(places, look, y));
    y += headerHeight(places);
    for (const gate of lines) {
      parts.push(...gateLine(gate, places, look, y));
      y += look.line;
    }
    y += 10;
  }
  if (columns.length > 0) parts.push(...legend(look, y));
  const description = gates.map(inWords).join(" ");
  const height = columns.length > 0 ? y + LEGEND : Math.max(0, y - 10);
  return { title, description, height, body: parts.join("\n") };
}

/** The sizes and the scale that all lines of a heat map share. */
interface Look {
  /** The width of their names. */
  readonly names: number;
  /** The number of the densest colour. */
  readonly most: number;
  /** The height of a line. */
  readonly line: number;
  /** True if cells are too small for numbers. */
  readonly small: boolean;
}

/** The most experts of a heat map with numbers in its cells. */
const mostWithNumbers = 24;
/** The height of the legend. */
const LEGEND = 30;

/** The heights of the lines above a block: the names of banks, where there are any, and the numbers of experts. */
function headerHeight(places: readonly Place[]): number {
  return places.some(({ column }) => column.bank !== undefined) ? 38 : 20;
}

function header(places: readonly Place[], { names, small }: Look, y: number): string[] {
  const bottom = y + headerHeight(places) - 8;
  const firsts = places.filter((place, at) => at === 0 || place.column.bank !== places[at - 1].column.bank);
  const banks = firsts.flatMap((first, at) => {
    if (first.column.bank === undefined) return [];
    const next = firsts[at + 1];
    const end = next === undefined ? WIDTH - names : next.x - 8;
    return [label(first.column.bank, names + first.x + 1, y + 12, { class: "gh-ink" }, end - first.x)];
  });
  const numbers = places.filter(({ column }) => !small || Number(column.index) % 8 === 0).map(({ column, x, width }) =>
    label(column.index, names + x + width / 2, bottom, { class: "gh-soft", "text-anchor": "middle" })
  );
  return [...banks, label("expert", 0, bottom, { class: "gh-soft" }), ...numbers];
}

/** One gate: its name, and a cell for every expert of the block that it mixes. */
function gateLine(gate: GateWeights, places: readonly Place[], look: Look, y: number): string[] {
  const middle = y + look.line / 2 + 4;
  const largest = Math.max(...gate.experts);
  const cells = places.map(({ column, x, width }) => {
    const at = column.of.get(gate);
    const left = look.names + x;
    if (at === undefined) {
      const dot = { class: "gh-soft", "text-anchor": "middle" };
      return look.small ? "" : label("·", left + width / 2, middle, dot);
    }
    const weight = gate.experts[at];
    const gap = look.small ? 0.5 : 1;
    const box = { x: left + gap, y: y + 1, width: width - 2 * gap, height: look.line - 2, rx: look.small ? 1 : 3 };
    const paint = { class: "gh-heat gh-grid", "fill-opacity": opacityOf(weight, look).toFixed(3) };
    const text = weight.toFixed(digitsOf(look));
    const tip = element("title", {}, escape(`${gate.name}, expert ${nameOf(column)}: ${text}`));
    if (look.small || widthOfNumber(text) > width - 2) return element("rect", { ...box, ...paint }, tip);
    const bold = weight === largest ? "gh-ink gh-small gh-strong" : "gh-ink gh-small";
    return element("rect", { ...box, ...paint }) +
      label(text, left + width / 2, middle, { class: bold, "text-anchor": "middle" });
  });
  return [...namesOf(gate, look.names - 10, middle), ...cells.filter((cell) => cell !== "")];
}

/** The name of a line, and the note below it. */
function namesOf({ name, note }: GateWeights, width: number, y: number): string[] {
  if (note === undefined) return [label(name, 0, y, { class: "gh-ink" }, width)];
  return [
    label(name, 0, y - 6, { class: "gh-ink" }, width),
    label(note, 0, y + 8, { class: "gh-soft gh-small" }, width),
  ];
}

function widthOfNames({ name, note = "" }: GateWeights): number {
  return Math.max(textWidth(name), textWidth(note));
}

/** The legend: cells of the colours from 0 to the densest. */
function legend(look: Look, y: number): string[] {
  const steps = 6;
  const [width, x] = [22, look.names];
  const cells = Array.from({ length: steps }, (_, i) => {
    const paint = { class: "gh-heat gh-grid", "fill-opacity": (DENSEST * i / (steps - 1)).toFixed(3) };
    return element("rect", { x: x + i * width, y: y + 8, width, height: 12, ...paint });
  });
  const end = String(Number(look.most.toPrecision(3)));
  return [
    label("0", x - 6, y + 18, { class: "gh-soft gh-small", "text-anchor": "end" }),
    ...cells,
    label(`${end} weight`, x + steps * width + 6, y + 18, { class: "gh-soft gh-small" }),
  ];
}

function opacityOf(weight: number, { most }: Look): number {
  return DENSEST * Math.min(Math.max(weight / most, 0), 1) || 0;
}

/** The digits of the numbers in cells: weights of many experts are small. */
function digitsOf({ most }: Look): number {
  return most < 0.1 ? 3 : 2;
}

/** About how wide a number in a cell is, in units. */
function widthOfNumber(text: string): number {
  return 6.7 * (text.length - 1) + 3.4; // the point is narrow
}

/** The number, rounded up to one digit; 1 for 0. */
function roundedUp(number: number): number {
  if (number === 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(number));
  return Math.ceil(number / unit - 1e-9) * unit;
}

function nameOf({ bank, index }: Column): string {
  return bank === undefined ? index : `${bank}/${index}`;
}

/** The sentence on a gate for screen readers. */
function inWords({ name, experts, names }: GateWeights): string {
  if (experts.length === 0) return `${name}: no expert.`;
  const most = experts.indexOf(Math.max(...experts));
  if (most < 0) return `${name}: weights that are not numbers.`;
  const expert = names?.[most] ?? most;
  return `${name}: most weight on expert ${expert} (${experts[most].toFixed(2)}, ${experts.length} experts).`;
}
