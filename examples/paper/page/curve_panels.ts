import { mean, sampleStandardDeviation } from "simple-statistics";
import type { Curve } from "../curves.ts";
import { marks } from "../synthetic_run.ts";
import type { Picture } from "./plot.ts";
import { light } from "./style.ts";

/** One line of a panel, with the points of the paper. */
export interface Line {
  readonly name: string;
  readonly color: string;
  readonly dash: readonly number[];
  readonly curves: readonly Curve[];
  /** Step and loss. */
  readonly paper: readonly (readonly [number, number])[];
}

/** The mean losses of models by step, with bands of two standard errors, and the paper's points. */
export function curvePanel(
  title: string,
  lines: readonly Line[],
  { width = 330, height = 230, key = false, last = true },
): Picture {
  const drawn = lines.filter(({ curves }) => curves.length > 0);
  const values = drawn.flatMap(({ name, curves }) =>
    marks.flatMap((step, at) => {
      const losses = curves.flatMap(({ curve }) => at < curve.length ? [curve[at]] : []);
      if (losses.length === 0) return [];
      const middle = mean(losses);
      const reach = losses.length < 2 ? 0 : 2 * sampleStandardDeviation(losses) / Math.sqrt(losses.length);
      return [{ name, line: name, step, mean: middle, low: Math.max(middle - reach, floor), high: middle + reach }];
    })
  );
  const points = lines.flatMap(({ name, paper }) => paper.map(([step, loss]) => ({ name, step, loss })));
  const names = lines.map(({ name }) => name);
  const plain = points.length === 0; // the key then shows lines, else points
  const symbol = { symbolType: plain ? "stroke" : undefined, symbolFillColor: plain ? "transparent" : undefined };
  const legend = key ? { title: null, orient: "top", symbolOpacity: 1, symbolStrokeWidth: 2, ...symbol } : null;
  const color = {
    field: "name",
    type: "nominal",
    scale: { domain: names, range: lines.map(({ color }) => color) },
    legend,
  };
  const dash = {
    field: plain ? "name" : "line",
    type: "nominal",
    scale: { domain: names, range: lines.map(({ dash }) => [...dash]) },
    legend: plain ? legend : null,
  };
  const shape = { field: "name", type: "nominal", scale: { domain: names, range: [...shapes] }, legend };
  const x = {
    field: "step",
    type: "quantitative",
    title: last ? "step" : null,
    scale: { domain: [0, 10_000], nice: false },
    axis: { values: [0, 2500, 5000, 7500, 10_000], format: ",d" },
  };
  const y = (field: string) => ({
    field,
    type: "quantitative",
    title: "loss",
    scale: { type: "log", domain: [floor, 1.2], clamp: true, nice: false },
    axis: { values: [0.03, 0.05, 0.1, 0.2, 0.5, 1], format: "~g" },
  });
  return {
    title,
    width,
    height,
    layer: [
      {
        data: { values },
        mark: { type: "area", opacity: 0.16 },
        encoding: { x, y: y("low"), y2: { field: "high" }, color },
      },
      {
        data: { values },
        mark: { type: "line", strokeWidth: 2 },
        encoding: { x, y: y("mean"), color, strokeDash: dash },
      },
      ...plain ? [] : [{
        data: { values: points },
        mark: { type: "point", size: 45, strokeWidth: 1.5, fill: light.paper, opacity: 1 },
        encoding: { x, y: y("loss"), color, shape },
      }],
    ],
  };
}

/** The least loss that is drawn. */
const floor = 0.03;

/** The paper's points by place of the model. */
export const shapes = ["square", "triangle-up", "circle"] as const;
