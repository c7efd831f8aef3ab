import { entriesOf, type Spec } from "@gatehouse/gatehouse";
import type { Chart } from "@gatehouse/gatehouse/svg";
import { element, label, textWidth, WIDTH } from "../../lib/report/marks.ts";

/** A point that lines begin or end at. */
interface Point {
  readonly x: number;
  readonly y: number;
}

/** The most experts of a level that are drawn; a text says how many more there are. */
const mostDrawn = 32;

/** A drawing that grows downwards. */
interface Drawing {
  /** Lines, which lie below all else. */
  readonly lines: string[];
  readonly shapes: string[];
  /** The place from which each stream is read. */
  readonly streams: Map<string, Point>;
  y: number;
}

/** The mean weight of every expert, `[experts]`, by gate, `<level>/<stream>`. */
export type Weights = Readonly<Record<string, readonly number[]>>;

/**
 * A model as a picture, from the input down to the tasks: a function of the weights of its gates, as wide as which the lines
 * from its experts are. Those of a gate without weights are alike.
 */
export function graphOf(name: string, spec: Spec): (weights: Weights) => Chart {
  const texts = new Map(entriesOf(spec).map((entry) => [entry.path, entry.function]));
  return (weights) => picture(name, spec, texts, weights);
}

function picture(name: string, spec: Spec, texts: ReadonlyMap<string, string>, weights: Weights): Chart {
  const drawing: Drawing = { lines: [], shapes: [], streams: new Map(), y: 0 };
  const width = "width" in spec.input
    ? `${spec.input.width} numbers`
    : `${Object.keys(spec.input.features).length} features`;
  drawing.shapes.push(...box(`input: ${width}`, WIDTH / 2, 0));
  drawing.streams.set("input", { x: WIDTH / 2, y: BOX });
  drawing.y = BOX;
  spec.levels.forEach((_, at) => drawLevel(drawing, spec, at, texts, weights));
  drawTasks(drawing, spec, texts);
  return {
    title: `Graph of ${name}`,
    description: inWords(spec),
    height: drawing.y,
    body: [...drawing.lines, ...drawing.shapes].join("\n"),
  };
}

/** The height of a box, and that of the lines between two rows. */
const [BOX, GAP] = [30, 58];

function drawLevel(
  drawing: Drawing,
  { levels }: Spec,
  at: number,
  texts: ReadonlyMap<string, string>,
  weights: Weights,
): void {
  const { experts, gates, beside = {} } = levels[at];
  const banks = Object.entries(experts);
  const all = banks.flatMap(([bank, { count }]) => Array.from({ length: count }, (_, index) => ({ bank, index })));
  const shown = all.slice(0, mostDrawn);
  const step = Math.min(44, (WIDTH - 12) / shown.length);
  const radius = Math.min(13, step * 0.36);
  const y = drawing.y + GAP + radius;
  const places = new Map<string, (Point | undefined)[]>(banks.map(([bank]) => [bank, []]));
  shown.forEach(({ bank, index }, order) => {
    const x = WIDTH / 2 + (order - (shown.length - 1) / 2) * step;
    places.get(bank)![index] = { x, y };
    drawing.lines.push(link(drawing.streams.get(experts[bank].reads)!, { x, y: y - radius }));
    drawing.shapes.push(element("circle", { cx: x, cy: y, r: radius, class: "graph-expert" }));
  });
  const names = banks.map(([bank]) => `${bank}: ${texts.get(`levels/${at}/experts/${bank}`)}`).join("; ");
  const more = all.length > shown.length ? `, ${all.length - shown.length} of them not drawn` : "";
  drawing.y = y + radius;
  drawing.shapes.push(note(`${names}${more}`, y - radius - 12));
  if (Object.keys(gates).length > 0) drawGates(drawing, gates, at, places, texts, weights);
  for (const [stream, [first]] of Object.entries(beside)) {
    const from = places.get(first)?.[0] ?? drawing.streams.get(first) ?? { x: WIDTH / 2, y };
    drawing.streams.set(stream, from);
  }
}

function drawGates(
  drawing: Drawing,
  gates: Spec["levels"][number]["gates"],
  at: number,
  places: ReadonlyMap<string, readonly (Point | undefined)[]>,
  texts: ReadonlyMap<string, string>,
  weights: Weights,
): void {
  const list = Object.entries(gates);
  const radius = 8;
  const y = drawing.y + GAP + radius;
  const ways = new Set<string>();
  list.forEach(([stream, { mix, gate }], order) => {
    const x = WIDTH * (order + 0.5) / list.length;
    const mixed = mix.flatMap((bank) => places.get(bank) ?? []);
    const own = weights[`${at}/${stream}`];
    const most = Math.max(...own ?? [], Math.min(1, 2 / mixed.length)); // even weights are lines of half the width
    mixed.forEach((from, expert) => {
      if (from === undefined) return;
      const share = (own?.[expert] ?? 1 / mixed.length) / most;
      const looks = { "stroke-width": 0.6 + 5 * share, "stroke-opacity": (0.12 + 0.7 * share).toFixed(2) };
      drawing.lines.push(link({ x: from.x, y: from.y }, { x, y }, { class: "graph-mix", ...looks }));
    });
    drawing.shapes.push(element("circle", { cx: x, cy: y, r: radius, class: "graph-gate" }));
    drawing.streams.set(stream, { x, y: y + radius });
    const room = WIDTH / list.length - radius - 12;
    drawing.shapes.push(label(stream, x + radius + 6, y + 4, { class: "gh-ink" }, room / 2));
    if (gate !== null) ways.add(texts.get(`levels/${at}/gates/${stream}`)?.replace(/^.*? by /, "") ?? "");
  });
  drawing.y = y + radius;
  if (ways.size === 0) return;
  const several = ways.size > 1 ? " and others" : "";
  drawing.shapes.push(note(`gate${list.length > 1 ? "s" : ""}: ${[...ways][0]}${several}`, drawing.y + 20));
  drawing.y += 14;
}

function drawTasks(drawing: Drawing, { tasks }: Spec, texts: ReadonlyMap<string, string>): void {
  const list = Object.entries(tasks);
  const y = drawing.y + GAP;
  list.forEach(([task, { reads, of }], order) => {
    const x = WIDTH * (order + 0.5) / list.length;
    if (of === undefined) drawing.lines.push(link(drawing.streams.get(reads) ?? { x, y: y - GAP }, { x, y }));
    const room = WIDTH / list.length - 12;
    drawing.shapes.push(...box(task, x, y, room));
    ["tower", "head"].forEach((part, at) => {
      const text = texts.get(`tasks/${task}/${part}`) ?? "";
      drawing.shapes.push(label(text, x, y + BOX + 16 * (at + 1), { class: "gh-soft graph-note" }, room));
    });
  });
  drawing.y = y + BOX + 38;
}

/** A box with a text, about a place. */
function box(text: string, x: number, y: number, most = WIDTH): string[] {
  const width = Math.min(most, textWidth(text) + 24);
  return [
    element("rect", { x: x - width / 2, y, width, height: BOX, rx: 8, class: "graph-box" }),
    label(text, x, y + 20, { class: "gh-ink", "text-anchor": "middle" }, most - 12),
  ];
}

/** A text in the middle, with a margin in the colour of the ground, so that lines do not cross it. */
function note(text: string, y: number): string {
  return label(text, WIDTH / 2, y, { class: "gh-soft graph-note" }, WIDTH);
}

/** A line that leaves and arrives upright. */
function link(
  from: Point,
  to: Point,
  look: Readonly<Record<string, string | number>> = { class: "graph-link" },
): string {
  const middle = (from.y + to.y) / 2;
  const d = `M${tenth(from.x)} ${tenth(from.y)}C${tenth(from.x)} ${tenth(middle)} ${tenth(to.x)} ${tenth(middle)} ` +
    `${tenth(to.x)} ${tenth(to.y)}`;
  return element("path", { d, ...look });
}

function tenth(number: number): string {
  return String(Math.round(number * 10) / 10);
}

/** The sentence for screen readers. */
function inWords({ levels, tasks }: Spec): string {
  const parts = levels.map(({ experts, gates }) => {
    const banks = Object.entries(experts).map(([bank, { count }]) => `${count} in bank ${bank}`).join(", ");
    return `experts: ${banks}; gates: ${Object.keys(gates).join(", ")}`;
  });
  return `${parts.join(". Then ")}. Tasks: ${Object.keys(tasks).join(", ")}.`;
}
