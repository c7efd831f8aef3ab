// @ts-types="@types/d3-scale"
import { scaleLog } from "d3-scale";
// @ts-types="@types/d3-shape"
import { line, symbol, symbolsFill } from "d3-shape";
import { type Chart, element, label, WIDTH } from "../../lib/report/marks.ts";
import { dashes } from "../../lib/report/palette.ts";

/** A line of a panel. */
export interface Curve {
  /** Its name; lines of one name look alike in every panel. */
  readonly name: string;
  /** The sizes of what grows, and their costs. */
  readonly points: readonly { readonly size: number; readonly cost: number }[];
}

/** Curves over one axis. */
export interface Panel {
  /** The name of what grows. */
  readonly axis: string;
  /** The lines. */
  readonly curves: readonly Curve[];
}

/** Panels below one another, both axes logarithmic, powers of two across: what doubles with its size rises at one slope. */
export function growthChart(title: string, unit: string, panels: readonly Panel[]): Chart {
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const bodies = panels.map((panel, at) =>
    element("g", { transform: `translate(0 ${at * (HEIGHT + AROUND)})` }, panelOf(panel, unit, names))
  );
  const words = panels.map(({ axis, curves }) => `${axis}: ${curves.map(inWords(unit)).join(", ")}.`);
  return {
    title,
    description: words.join(" "),
    height: panels.length * (HEIGHT + AROUND) - 14,
    body: bodies.join("\n"),
  };
}

/** The height of a panel, and of what stands around it. */
const [HEIGHT, AROUND] = [190, 72];
const [LEFT, RIGHT, TOP] = [46, WIDTH - 122, 24];

function panelOf({ axis, curves }: Panel, unit: string, names: readonly string[]): string {
  const sizes = [...new Set(curves.flatMap(({ points }) => points.map(({ size }) => size)))].sort((a, b) => a - b);
  const costs = curves.flatMap(({ points }) => points.map(({ cost }) => cost));
  const across = scaleLog([sizes[0], sizes[sizes.length - 1]], [LEFT, RIGHT]).base(2);
  const up = scaleLog([Math.min(...costs) / 1.2, Math.max(...costs) * 1.2], [TOP + HEIGHT, TOP]);
  const tens = up.ticks(5).filter((tick) => Number.isInteger(Math.log10(tick)) || costs.length < 2);
  const ticks = tens.length > 1 ? tens : up.ticks(3);
  const bottom = TOP + HEIGHT;
  return [
    label(unit, 0, 10, { class: "gh-ink gh-strong" }),
    ...ticks.map((tick) =>
      element("line", { x1: LEFT, x2: RIGHT, y1: up(tick), y2: up(tick), class: "gh-grid" }) +
      label(String(tick), LEFT - 8, up(tick) + 4, { class: "gh-soft", "text-anchor": "end" })
    ),
    ...sizes.map((size, at) =>
      element("line", { x1: across(size), x2: across(size), y1: bottom, y2: bottom + 4, class: "gh-grid" }) +
      (at % 2 === 0
        ? label(String(size), across(size), bottom + 18, { class: "gh-soft", "text-anchor": "middle" })
        : "")
    ),
    label(axis, RIGHT + 22, bottom + 18, { class: "gh-ink gh-strong" }),
    ...curves.map(({ name, points }) =>
      stroke(names.indexOf(name), points.map(({ size, cost }) => [across(size), up(cost)]))
    ),
    ...ends(curves, names, up, bottom),
  ].join("\n");
}

/** A line and its markers, whose dashes and shapes tell it from others where colours do not. */
function stroke(look: number, points: [number, number][]): string {
  const dash = dashes[look % dashes.length];
  const path = { class: `gh-line gh-stroke${look}`, d: line().digits(1)(points) ?? "" };
  return element("path", dash === "" ? path : { ...path, "stroke-dasharray": dash }) +
    points.map(([x, y]) => marker(look, x, y)).join("");
}

function marker(look: number, x: number, y: number): string {
  const d = symbol(symbolsFill[look % symbolsFill.length], 30).digits(1)() ?? "";
  return element("path", { class: `gh-fill${look}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, d });
}

/** The names at the ends of the lines, moved apart where they would overlap. */
function ends(
  curves: readonly Curve[],
  names: readonly string[],
  up: (cost: number) => number,
  limit: number,
): string[] {
  const found = curves.map(({ name, points }) => ({ name, y: up(points[points.length - 1].cost) }))
    .sort((a, b) => a.y - b.y);
  const places: number[] = [];
  for (const { y } of found) places.push(Math.max(y, (places[places.length - 1] ?? -Infinity) + GAP));
  for (let at = places.length - 1, most = limit; at >= 0; most = places[at] - GAP, at--) {
    places[at] = Math.min(places[at], most);
  }
  return found.map(({ name, y }, at) => {
    const look = names.indexOf(name);
    const join = `M${RIGHT + 6},${y.toFixed(1)}L${RIGHT + 14},${places[at].toFixed(1)}`;
    return element("path", { class: `gh-thin gh-stroke${look}`, d: join }) + marker(look, RIGHT + 20, places[at]) +
      label(name, RIGHT + 28, places[at] + 4, { class: `gh-fill${look}` });
  });
}

/** The height of a name. */
const GAP = 16;

function inWords(unit: string): (curve: Curve) => string {
  return ({ name, points }) => {
    const [first, last] = [points[0], points[points.length - 1]];
    const text = (cost: number) => Number(cost.toPrecision(3));
    return `${name} from ${text(first.cost)} to ${text(last.cost)} ${unit}`;
  };
}
