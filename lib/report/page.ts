import { checkText, kindOf } from "../errors/kinds.ts";
import { areCharts } from "./check_report.ts";
import { font, styleSheet } from "./looks.ts";
import { type Chart, element, escape, label, WIDTH } from "./marks.ts";

/**
 * Charts below one another as one SVG file, which needs no font and no script.
 *
 * It fits phones and wide screens, light and dark ones; colours are never the only difference between two things. A
 * program that reads no style sheet draws it as on a light screen.
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
export function page(charts: readonly Chart[], title?: string): string {
  if (!areCharts(charts)) throw new TypeError(`Cannot draw page: wanted charts, found ${kindOf(charts)}`);
  const heading = title ?? charts.map((chart) => chart.title).join("; ");
  checkText("draw page", "title", heading);
  const margin = 12;
  const parts: string[] = [];
  let y = margin;
  for (const chart of charts) {
    const head = label(chart.title, 0, 14, { class: "gh-ink gh-title" }, WIDTH * 0.85);
    const body = element("g", { transform: "translate(0 28)" }, `\n${chart.body}\n`);
    parts.push(element("g", { transform: `translate(${margin} ${y})` }, `\n${head}\n${body}\n`));
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
    ...font,
    style: "max-width: 100%; height: auto",
  };
  const content = [
    element("title", {}, escape(heading)),
    element("desc", {}, escape(charts.map((chart) => `${chart.title}: ${chart.description}`).join(" "))),
    element("style", {}, `\n${styleSheet()}`),
    element("rect", { class: "gh-paper", width, height, rx: 8 }),
    ...parts,
  ];
  return element("svg", attributes, `\n${content.join("\n")}\n`) + "\n";
}
