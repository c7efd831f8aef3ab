// @ts-types="@types/d3-shape"
import { line, symbol, symbolsFill } from "d3-shape";
import { type Axis, lossAxis, stepAxis } from "./axes.ts";
import { type Chart, element, escape, label, textWidth, WIDTH } from "./marks.ts";
import { dashes, palette } from "./palette.ts";

/** The losses of one model, and of one task where there are several. */
export interface Series {
  /** The name of the line, such as the model's. */
  readonly name: string;
  /** The task: tasks are drawn below one another. All series without one are drawn together. */
  readonly task?: string;
  /** Losses in the order of their steps. A loss that is not finite, or not positive on a log scale, leaves a gap. */
  readonly points: readonly { readonly step: number; readonly loss: number }[];
}

/** The options of {@linkcode lossChart}. */
export interface LossChartOptions {
  /** `Loss by step` by default. */
  readonly title?: string;
  /** The scale of losses, `linear` by default. */
  readonly scale?: "linear" | "log";
}

/**
 * Losses against steps, a panel for every task and a line for every model, named at its end.
 *
 * Points that would fall on one another are averaged, so any number of steps may be given.
 *
 * @param series Lines; those of one name look alike in every panel.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lossChart } from "@gatehouse/gatehouse/svg";
 *
 * const points = [{ step: 1, loss: 1 }, { step: 100, loss: 0.25 }];
 * const { description } = lossChart([{ name: "mmoe", task: "income", points }]);
 * assertEquals(description, "income: mmoe ends at 0.25.");
 * ```
 */
export function lossChart(series: readonly Series[], options: LossChartOptions = {}): Chart {
  const names = [...new Set(series.map(({ name }) => name))];
  const tasks = [...new Set(series.map(({ task }) => task ?? ""))];
  const log = options.scale === "log";
  const steps = series.flatMap(({ points }) => points.map(({ step }) => step));
  const left = 46;
  const right = WIDTH - Math.min(130, Math.max(40, ...names.map(textWidth))) - 32;
  const across = stepAxis(steps, left, right);
  const panels = tasks.map((task) => {
    const own = series.filter((one) => (one.task ?? "") === task);
    return { task, lines: own.map(({ name, points }) => lineOf(name, names.indexOf(name), points, across, log)) };
  });
  const height = Math.max(150, LABEL * names.length);
  const bodies = panels.map(({ task, lines }, i) => {
    const heading = label(task === "" ? "loss" : `${task} loss`, 0, 10, { class: "gh-ink gh-strong" }, 250);
    const scale = log ? label("log scale", right, 10, { class: "gh-soft", "text-anchor": "end" }) : "";
    const body = `\n${heading}${scale}\n${panel(lines, across, height, log)}\n`;
    return element("g", { transform: `translate(0 ${i * (height + AROUND)})` }, body);
  });
  return {
    title: options.title ?? "Loss by step",
    description: panels.map(({ task, lines }) => inWords(task, lines)).join(" "),
    height: Math.max(0, panels.length * (height + AROUND) - 14),
    body: bodies.join("\n"),
  };
}

/** The height of a label. */
const LABEL = 16;
/** The height of what stands above and below a panel. */
const AROUND = 72;

/** A line to draw; a loss of NaN is a gap. */
interface Line {
  readonly name: string;
  readonly look: number;
  readonly points: readonly { readonly place: number; readonly loss: number }[];
}

/** The points of a series, those that fall into one unit of the drawing averaged. */
function lineOf(name: string, look: number, points: Series["points"], across: Axis, log: boolean): Line {
  const units = new Map<number, { count: number; place: number; loss: number }>();
  for (const { step, loss } of points) {
    const place = across.place(step);
    const unit = units.get(Math.round(place)) ?? { count: 0, place: 0, loss: 0 };
    units.set(Math.round(place), unit);
    if (!Number.isFinite(loss) || !Number.isFinite(place) || (log && loss <= 0)) continue;
    unit.count++;
    unit.place += place;
    unit.loss += loss;
  }
  const means = [...units.values()].map(({ count, place, loss }) => ({ place: place / count, loss: loss / count }));
  return { name, look, points: means };
}

/** The axes and lines of a panel. */
function panel(lines: readonly Line[], across: Axis, height: number, log: boolean): string {
  const losses = lines.flatMap(({ points }) => points.map(({ loss }) => loss)).filter(Number.isFinite);
  if (losses.length === 0) return label("no finite loss", across.start, 50, { class: "gh-soft" });
  const [top, bottom] = [24, 24 + height];
  const { place, ticks } = lossAxis(losses, bottom, top, log);
  const { start: left, end: right } = across;
  const rows = ticks.map(({ place, text }) =>
    element("line", { x1: left, x2: right, y1: place, y2: place, class: "gh-grid" }) +
    label(text, left - 8, place + 4, { class: "gh-soft", "text-anchor": "end" })
  );
  const columns = across.ticks.map(({ place, text }) =>
    element("line", { x1: place, x2: place, y1: bottom, y2: bottom + 4, class: "gh-grid" }) +
    label(text, place, bottom + 18, { class: "gh-soft", "text-anchor": "middle" })
  );
  const axis = label("step", 0, bottom + 18, { class: "gh-soft" });
  return [
    ...rows,
    ...columns,
    axis,
    ...lines.map((one) => stroke(one, place)),
    ...ends(lines, across, place, bottom - 4),
  ]
    .join("\n");
}

/** A line with its markers, which tell it from others where colours do not. */
function stroke({ name, look, points }: Line, place: (loss: number) => number): string {
  const drawn = points.filter(({ loss }) => Number.isFinite(loss));
  const path = line<(typeof points)[number]>((point) => point.place, ({ loss }) => place(loss))
    .defined(({ loss }) => Number.isFinite(loss)).digits(1)(points) ?? "";
  const dash = dashes[look % dashes.length];
  const attributes = { class: `gh-line gh-stroke${look % colors}`, d: path };
  const marked = [0, 1, 2, 3].map((i) => drawn[Math.floor((i + 0.5) / 4 * drawn.length)]).filter((point) => point);
  const places = new Set(drawn.length > 8 ? [...marked, drawn[drawn.length - 1]] : drawn);
  return element(
    "g",
    {},
    [
      element("title", {}, escape(name)),
      element("path", dash === "" ? attributes : { ...attributes, "stroke-dasharray": dash }),
      ...[...places].map((point) => marker(look, point.place, place(point.loss))),
    ].join(""),
  );
}

/** A marker: another shape for every line. */
function marker(look: number, x: number, y: number): string {
  const shape = symbol(symbolsFill[look % symbolsFill.length], 40).digits(1)() ?? "";
  return element("path", {
    class: `gh-fill${look % colors}`,
    transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    d: shape,
  });
}

/** The names at the ends of the lines, moved apart where they would overlap, and what joins them to their lines. */
function ends(lines: readonly Line[], { end: right }: Axis, place: (loss: number) => number, bottom: number): string[] {
  const found = lines.flatMap(({ name, look, points }) => {
    const last = points.findLast(({ loss }) => Number.isFinite(loss));
    return last === undefined ? [] : [{ name, look, x: last.place, y: place(last.loss) }];
  }).sort((a, b) => a.y - b.y);
  const places = apart(found.map(({ y }) => y), LABEL, bottom);
  return found.map(({ name, look, x, y }, i) => {
    const join = `M${(x + 6).toFixed(1)},${y.toFixed(1)}L${(right + 16).toFixed(1)},${places[i].toFixed(1)}`;
    return element("path", { class: `gh-thin gh-stroke${look % colors}`, d: join }) +
      marker(look, right + 22, places[i]) +
      label(name, right + 32, places[i] + 4, { class: `gh-fill${look % colors}` }, WIDTH - right - 32);
  });
}

/** Sorted places, moved to be at least a gap apart and no lower than a limit. */
function apart(places: readonly number[], gap: number, limit: number): number[] {
  const moved: number[] = [];
  for (const place of places) moved.push(Math.max(place, (moved[moved.length - 1] ?? -Infinity) + gap));
  for (let i = moved.length - 1, most = limit; i >= 0; i--, most = moved[i + 1] - gap) {
    moved[i] = Math.min(moved[i], most);
  }
  return moved;
}

/** What a screen reader says of a panel. */
function inWords(task: string, lines: readonly Line[]): string {
  const words = lines.map(({ name, points }) => {
    const last = points.findLast(({ loss }) => Number.isFinite(loss));
    return last === undefined ? `${name} has no finite loss` : `${name} ends at ${numberText(last.loss)}`;
  });
  return `${task === "" ? "" : `${task}: `}${words.join(", ")}.`;
}

/** A number of three digits. */
function numberText(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** The number of colours. */
const colors = palette.light.series.length;
