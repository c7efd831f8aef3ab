import { checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import { areSeries } from "./check_report.ts";
// @ts-types="@types/d3-shape"
import { area, line, symbol, symbolsFill } from "d3-shape";
import { type Axis, lossAxis, stepAxis } from "./axes.ts";
import { type Chart, element, escape, label, textWidth, WIDTH } from "./marks.ts";
import { dashes, palette } from "./palette.ts";

/** The losses of one model, and of one task where there are several. */
export interface Series {
  /** The name of the line, such as the model's. */
  readonly name: string;
  /** The task: tasks are drawn below one another. All series without one are drawn together. */
  readonly task?: string;
  /** Losses in the order of their steps. */
  readonly points: readonly LossPoint[];
}

/** A loss, and a band about it. A number that is not finite, or not positive on a log scale, leaves a gap. */
export interface LossPoint {
  /** The step after which, or the mean of the steps up to which, it is. */
  readonly step: number;
  /** The loss; of several runs, such as their mean. */
  readonly loss: number;
  /** The lower edge of the band, such as the least loss of several runs. */
  readonly low?: number;
  /** The upper edge of the band. */
  readonly high?: number;
}

/** The options of {@linkcode lossChart}. */
export interface LossChartOptions {
  /** `Loss by step` by default. */
  readonly title?: string;
  /** The scale of losses, `linear` by default. */
  readonly scale?: "linear" | "log";
  /** A few words above every panel, such as what its bands are. */
  readonly note?: string;
}

/**
 * Losses against steps, a panel for every task and a line for every model, named at its end; about the line a band,
 * if its points have one.
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
 *
 * const runs = [{ step: 1, loss: 1, low: 0.8, high: 1.3 }, { step: 100, loss: 0.25, low: 0.2, high: 0.31 }];
 * const several = lossChart([{ name: "mmoe", task: "income", points: runs }], { note: "range of 8 runs" });
 * assertEquals(several.description, "income: mmoe ends at 0.25 (0.2 to 0.31).");
 * ```
 */
export function lossChart(series: readonly Series[], options: LossChartOptions = {}): Chart {
  const action = "draw losses";
  if (!areSeries(series)) throw new TypeError(`Cannot ${action}: wanted series of losses, found ${kindOf(series)}`);
  const { title = "Loss by step", scale, note: above = "" } = optionsOf(action, options, ["title", "scale", "note"]);
  for (const [name, text] of Object.entries({ title, note: above })) checkText(action, name, text);
  const names = [...new Set(series.map(({ name }) => name))];
  const tasks = [...new Set(series.map(({ task }) => task ?? ""))];
  const log = scale === "log";
  const steps = series.flatMap(({ points }) => points.map(({ step }) => step));
  const left = 46;
  const right = WIDTH - Math.min(130, Math.max(40, ...names.map(textWidth))) - 32;
  const across = stepAxis(steps, left, right);
  const panels = tasks.map((task) => {
    const own = series.filter((one) => (one.task ?? "") === task);
    return { task, lines: own.map(({ name, points }) => lineOf(name, names.indexOf(name), points, across, log)) };
  });
  const height = Math.max(150, LABEL * names.length);
  const note = [above, log ? "log scale" : ""].filter((words) => words !== "").join(", ");
  const bodies = panels.map(({ task, lines }, i) => {
    const heading = task === "" ? "loss" : `${task} loss`;
    const room = note === "" ? 250 : Math.max(60, WIDTH - textWidth(note) - 12);
    const heads = label(heading, 0, 10, { class: "gh-ink gh-strong" }, room) +
      (note === "" ? "" : label(note, WIDTH, 10, { class: "gh-soft", "text-anchor": "end" }, WIDTH - 72));
    const body = `\n${heads}\n${panel(lines, across, height, log)}\n`;
    return element("g", { transform: `translate(0 ${i * (height + AROUND)})` }, body);
  });
  return {
    title,
    description: panels.map(({ task, lines }) => inWords(task, lines)).join(" "),
    height: Math.max(0, panels.length * (height + AROUND) - 14),
    body: bodies.join("\n"),
  };
}

/** The height of a label. */
const LABEL = 16;
/** The height of what stands above and below a panel. */
const AROUND = 72;

/** A line to draw and its band; NaN is a gap. */
interface Line {
  readonly name: string;
  readonly look: number;
  readonly points: readonly Point[];
}

interface Point {
  readonly place: number;
  readonly loss: number;
  readonly low: number;
  readonly high: number;
}

/** The points of a series, those that fall into one unit of the drawing averaged. */
function lineOf(name: string, look: number, points: Series["points"], across: Axis, log: boolean): Line {
  const units = new Map<number, Point[]>();
  const drawable = (loss: number) => Number.isFinite(loss) && (!log || loss > 0);
  for (const { step, loss, low = NaN, high = NaN } of points) {
    const place = across.place(step);
    const unit = units.get(Math.round(place)) ?? [];
    units.set(Math.round(place), unit);
    if (!drawable(loss) || !Number.isFinite(place)) continue;
    const banded = drawable(low) && drawable(high);
    unit.push({ place, loss, low: banded ? low : NaN, high: banded ? high : NaN });
  }
  const mean = (unit: readonly Point[], of: keyof Point) =>
    unit.reduce((sum, point) => sum + point[of], 0) / unit.length;
  const means = [...units.values()].map((unit) => ({
    place: mean(unit, "place"),
    loss: mean(unit, "loss"),
    low: mean(unit, "low"),
    high: mean(unit, "high"),
  }));
  return { name, look, points: means };
}

/** The axes, bands and lines of a panel. */
function panel(lines: readonly Line[], across: Axis, height: number, log: boolean): string {
  const losses = lines.flatMap(({ points }) => points.flatMap(({ loss, low, high }) => [loss, low, high]))
    .filter(Number.isFinite);
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
  return [
    ...rows,
    ...columns,
    label("step", 0, bottom + 18, { class: "gh-soft" }),
    ...lines.filter(({ points }) => points.some(isBanded)).map((one) => band(one, place)),
    ...lines.map((one) => stroke(one, place)),
    ...ends(lines, across, place, bottom - 4),
  ].join("\n");
}

/** The band of a line, so pale that the lines of others can be seen in it. */
function band({ look, points }: Line, place: (loss: number) => number): string {
  const path = area<Point>(({ place }) => place, ({ low }) => place(low), ({ high }) => place(high))
    .defined(isBanded).digits(1)(points) ?? "";
  return element("path", { class: `gh-fill${look % colors}`, "fill-opacity": "0.16", d: path });
}

function isBanded({ low, high }: Point): boolean {
  return Number.isFinite(low) && Number.isFinite(high);
}

/** A line with its markers, which distinguish it from others where colours do not. */
function stroke({ name, look, points }: Line, place: (loss: number) => number): string {
  const drawn = points.filter(({ loss }) => Number.isFinite(loss));
  const path = line<Point>((point) => point.place, ({ loss }) => place(loss))
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

/** The sentence on a panel for screen readers. */
function inWords(task: string, lines: readonly Line[]): string {
  const words = lines.map(({ name, points }) => {
    const last = points.findLast(({ loss }) => Number.isFinite(loss));
    if (last === undefined) return `${name} has no finite loss`;
    const about = isBanded(last) ? ` (${numberText(last.low)} to ${numberText(last.high)})` : "";
    return `${name} ends at ${numberText(last.loss)}${about}`;
  });
  return `${task === "" ? "" : `${task}: `}${words.join(", ")}.`;
}

/** A number of three digits. */
function numberText(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** The number of colours. */
const colors = palette.light.series.length;
