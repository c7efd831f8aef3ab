/**
 * Gatehouse's pictures as SVG: losses over steps, the weights that gates give their experts, and calibration. They need no
 * font, no script and no style sheet, and are readable in light and dark.
 *
 * @example The weights of one gate
 * ```ts
 * import { assert } from "@std/assert";
 * import { gateChart, page } from "@gatehouse/gatehouse/svg";
 *
 * const svg = page([gateChart([{ name: "income", experts: [0.25, 0.75] }])]);
 * assert(svg.startsWith("<svg") && svg.includes("0.75"));
 * ```
 *
 * @module
 */
export type { Chart } from "./report/marks.ts";
export { calibrationChart, type CalibrationChartOptions, type CalibrationCurve } from "./report/calibration_chart.ts";
export type { CalibrationBin } from "./heads/calibration.ts";
export { gateChart, type GateChartOptions } from "./report/gate_chart.ts";
export type { GateWeights } from "./report/gate_columns.ts";
export { gateWeights, segmentWeights } from "./report/gate_weights.ts";
export { lossChart, type LossChartOptions, type LossPoint, type Series } from "./report/loss_chart.ts";
export { page } from "./report/page.ts";
