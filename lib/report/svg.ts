import { type Chart, element, escape, label, WIDTH } from "./marks.ts";
import { palette } from "./palette.ts";

export type { Chart } from "./marks.ts";
export { gateChart, type GateChartOptions } from "./gate_chart.ts";
export type { GateWeights } from "./gate_columns.ts";
export { gateWeights, segmentWeights } from "./gate_weights.ts";
export { lossChart, type LossChartOptions, type Series } from "./loss_chart.ts";

/**
 * Charts below one another as one SVG file, which needs no font and no script.
 *
 * It fits phones and wide screens, light and dark ones; colours are never the only difference between two things.
 *
 * @param charts What {@linkcode lossChart} and {@linkcode gateChart} return.
 * @param title The name of the whole picture; the titles of the charts by default.
 * @returns The text of the file.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { gateChart, page } from "@gatehouse/gatehouse/svg";
 *
 * const svg = page([gateChart([{ name: "income", experts: [0.25, 0.75] }])]);
 * assert(svg.startsWith("<svg") && svg.includes("0.75"));
 * ```
 */
export function page(charts: readonly Chart[], title: string = charts.map((chart) => chart.title).join("; ")): string {
  const margin = 12;
  const parts: string[] = [];
  let y = margin;
  for (const chart of charts) {
    const heading = label(chart.title, 0, 14, { class: "gh-ink gh-title" }, WIDTH * 0.85);
    const body = element("g", { transform: "translate(0 28)" }, `\n${chart.body}\n`);
    parts.push(element("g", { transform: `translate(${margin} ${y})` }, `\n${heading}\n${body}\n`));
    y += 28 + chart.height + 24;
  }
  const [width, height] = [WIDTH + 2 * margin, Math.max(margin, Math.ceil(y - 24 + margin))];
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    class: "gh",
    role: "img",
    width: width * 1.5,
    height: height * 1.5,
    viewBox: `0 0 ${width} ${height}`,
    style: "max-width: 100%; height: auto",
  };
  const content = [
    element("title", {}, escape(title)),
    element("desc", {}, escape(charts.map((chart) => `${chart.title}: ${chart.description}`).join(" "))),
    element("style", {}, `\n${style()}`),
    element("rect", { class: "gh-paper", width, height, rx: 8 }),
    ...parts,
  ];
  return element("svg", attributes, `\n${content.join("\n")}\n`) + "\n";
}

/** The style sheet: sizes, and the colours of light and dark screens. */
function style(): string {
  const { light, dark } = palette;
  return `.gh { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums }
.gh .gh-title { font-size: 16px; font-weight: 600 }
.gh .gh-small { font-size: 12px }
.gh .gh-strong { font-weight: 600 }
.gh .gh-line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: butt }
.gh .gh-thin { fill: none; stroke-width: 1 }
${colors(light)}
@media (prefers-color-scheme: dark) {
${colors(dark)}
}
`;
}

/** The rules of one set of colours. */
function colors({ paper, ink, soft, grid, heat, series }: (typeof palette)["light"]): string {
  return [
    `.gh .gh-paper { fill: ${paper} }`,
    `.gh .gh-ink { fill: ${ink} }`,
    `.gh .gh-soft { fill: ${soft} }`,
    `.gh .gh-grid { stroke: ${grid} }`,
    `.gh .gh-heat { fill: ${heat} }`,
    ...series.flatMap((color, i) => [`.gh .gh-stroke${i} { stroke: ${color} }`, `.gh .gh-fill${i} { fill: ${color} }`]),
  ].join("\n");
}
