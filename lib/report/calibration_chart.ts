import { checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import type { CalibrationBin } from "../heads/calibration.ts";
// @ts-types="@types/d3-shape"
import { line } from "d3-shape";
import { lossAxis } from "./axes.ts";
import { areCurves } from "./check_report.ts";
import { type Chart, element, label, WIDTH } from "./marks.ts";

/** The calibration curve of one task or model. */
export interface CalibrationCurve {
  /** Its name, such as the task's. */
  readonly name: string;
  /** The bins by growing prediction, as `calibrationCurve` returns them. */
  readonly bins: readonly CalibrationBin[];
}

/** The options of {@linkcode calibrationChart}. */
export interface CalibrationChartOptions {
  /** `Calibration` by default. */
  readonly title?: string;
}

/**
 * Reliability diagrams, one below the other: the share of positive rows against the mean prediction of each bin, and the
 * diagonal on which both are equal. Below it probabilities are too large. The area of a dot is the bin's share of rows.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { calibrationCurve } from "@gatehouse/gatehouse/metrics";
 * import { calibrationChart } from "@gatehouse/gatehouse/svg";
 *
 * const bins = calibrationCurve([0.1, 0.2, 0.6, 0.8], [0, 0, 1, 0], { bins: 2 });
 * const { description } = calibrationChart([{ name: "click", bins }]);
 * assertEquals(description, "click: 0 where 0.15 is predicted, 0.5 where 0.7 is predicted.");
 * ```
 */
export function calibrationChart(curves: readonly CalibrationCurve[], options: CalibrationChartOptions = {}): Chart {
  const action = "draw calibration";
  if (!areCurves(curves)) throw new TypeError(`Cannot ${action}: wanted curves by name, found ${kindOf(curves)}`);
  const { title = "Calibration" } = optionsOf(action, options, ["title"]);
  checkText(action, "title", title);
  const drawn = curves.map(({ name, bins }) => ({
    name,
    bins: bins.filter(({ predicted, observed }) => Number.isFinite(predicted) && Number.isFinite(observed)),
  }));
  const bodies = drawn.map(({ name, bins }, at) => {
    const heading = label(name, 0, 10, { class: "gh-ink gh-strong" }, WIDTH);
    return element("g", { transform: `translate(0 ${at * (SIZE + AROUND)})` }, `\n${heading}\n${panel(bins)}\n`);
  });
  return {
    title,
    description: drawn.map(({ name, bins }) => `${name}: ${inWords(bins)}.`).join(" "),
    height: Math.max(0, drawn.length * (SIZE + AROUND) - 14),
    body: bodies.join("\n"),
  };
}

/** The height and width of a diagram, and the height of what stands above and below it. */
const [SIZE, AROUND, LEFT, TOP] = [240, 72, 46, 24];

/** The axes, the diagonal and the dots of a diagram. */
function panel(bins: readonly CalibrationBin[]): string {
  if (bins.length === 0) return label("no rows", LEFT, 50, { class: "gh-soft" });
  const [right, bottom] = [LEFT + SIZE, TOP + SIZE];
  const numbers = [0, ...bins.flatMap(({ predicted, observed }) => [predicted, observed])];
  const up = lossAxis(numbers, bottom, TOP, false);
  const across = lossAxis(numbers, LEFT, right, false);
  const rows = up.ticks.map(({ place, text }) =>
    element("line", { x1: LEFT, x2: right, y1: place, y2: place, class: "gh-grid" }) +
    label(text, LEFT - 8, place + 4, { class: "gh-soft", "text-anchor": "end" })
  );
  const columns = across.ticks.filter((_, at, { length }) => length < 7 || at % 2 === 0).map(({ place, text }) =>
    element("line", { x1: place, x2: place, y1: bottom, y2: bottom + 4, class: "gh-grid" }) +
    label(text, place, bottom + 18, { class: "gh-soft", "text-anchor": "middle" })
  );
  const most = Math.max(...numbers);
  const ends = { x1: across.place(0), y1: up.place(0), x2: across.place(most), y2: up.place(most) };
  const path = line<CalibrationBin>(({ predicted }) => across.place(predicted), ({ observed }) => up.place(observed))
    .digits(1)(bins) ?? "";
  const whole = bins.reduce((sum, { weight }) => sum + weight, 0);
  const dots = bins.map(({ predicted, observed, weight }) =>
    element("circle", {
      cx: across.place(predicted),
      cy: up.place(observed),
      r: 2.5 + 9 * Math.sqrt(weight / whole),
      class: "gh-fill0",
      "fill-opacity": "0.5",
    })
  );
  return [
    ...rows,
    ...columns,
    element("line", { ...ends, class: "gh-thin gh-grid", "stroke-dasharray": "4 3" }),
    element("path", { class: "gh-line gh-stroke0", d: path }),
    ...dots,
    label("predicted", right + 12, bottom + 18, { class: "gh-soft" }),
    label("observed", right + 12, TOP + 4, { class: "gh-soft" }),
  ].join("\n");
}

/** The bins for screen readers. */
function inWords(bins: readonly CalibrationBin[]): string {
  if (bins.length === 0) return "no rows";
  const text = (value: number) => String(Number(value.toPrecision(3)));
  return bins.map(({ predicted, observed }) => `${text(observed)} where ${text(predicted)} is predicted`).join(", ");
}
