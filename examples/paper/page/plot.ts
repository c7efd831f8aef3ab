import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { escape } from "./html.ts";
import { colors } from "./style.ts";

/** A drawing as SVG text, for a page that has the colours, or for a file of its own. */
export interface Drawing {
  readonly inline: string;
  readonly file: string;
}

/** A specification in the language of Vega-Lite. */
export type Picture = Readonly<Record<string, unknown>>;

/** Draws a specification without a browser. Its content is described in words too. */
export async function draw(spec: Picture, about: string): Promise<Drawing> {
  const view = new View(
    parse(compile({ config, background: "transparent", ...spec } as unknown as TopLevelSpec).spec),
    {
      renderer: "none",
    },
  );
  const svg = await view.toSVG();
  view.finalize();
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!;
  const body = svg.replace(/^<svg[^>]*>/, "").replace(/<\/svg>$/, "");
  const head = (more: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="${escape(about)}" ` +
    `viewBox="0 0 ${width} ${height}"${more}>`;
  return {
    inline: head(` width="${width}"`) + body + "</svg>",
    file: head(` width="${1.5 * Number(width)}" height="${1.5 * Number(height)}" style="max-width:100%;height:auto"`) +
      `<style>${colors(".plot")}</style><rect width="${width}" height="${height}" rx="8" fill="var(--paper)"/>` + body +
      "</svg>\n",
  };
}

const font = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** Colours are variables: light and dark screens give them values. */
const config = {
  aria: false,
  font,
  view: { stroke: null },
  axis: {
    labelColor: "var(--soft)",
    titleColor: "var(--ink)",
    titleFontWeight: "normal",
    labelFontSize: 13,
    titleFontSize: 14,
    gridColor: "var(--grid)",
    domainColor: "var(--line)",
    tickColor: "var(--line)",
  },
  axisX: { grid: false },
  legend: { labelColor: "var(--ink)", titleColor: "var(--ink)", labelFontSize: 13, titleFontSize: 13 },
  title: { color: "var(--ink)", fontSize: 15, anchor: "start", fontWeight: 600 },
  header: { labelColor: "var(--ink)", labelFontSize: 13, titleColor: "var(--ink)" },
  text: { color: "var(--ink)", fontSize: 13 },
} as const;
