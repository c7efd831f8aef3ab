import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { escape } from "./html.ts";
import { darkened, light } from "./style.ts";

/** A drawing as SVG text, for a page that has the rules of dark screens, or for a file of its own. */
export interface Drawing {
  readonly inline: string;
  readonly file: string;
}

/** A specification in the language of Vega-Lite. */
export type Picture = Readonly<Record<string, unknown>>;

/** Draws a specification without a browser, with words on what it shows. */
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
      `<style>${darkened(".plot")}</style>` +
      `<rect width="${width}" height="${height}" rx="8" fill="${light.paper}"/>${body}</svg>\n`,
  };
}

const font = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** The colours of light screens; rules of the style sheet replace them on dark ones. */
const config = {
  aria: false,
  font,
  view: { stroke: null },
  axis: {
    labelColor: light.soft,
    titleColor: light.ink,
    titleFontWeight: "normal",
    labelFontSize: 13,
    titleFontSize: 14,
    gridColor: light.grid,
    domainColor: light.line,
    tickColor: light.line,
  },
  axisX: { grid: false },
  legend: { labelColor: light.ink, titleColor: light.ink, labelFontSize: 13, titleFontSize: 13 },
  title: { color: light.ink, fontSize: 15, anchor: "start", fontWeight: 600 },
  header: { labelColor: light.ink, labelFontSize: 13, titleColor: light.ink },
  text: { color: light.ink, fontSize: 13 },
} as const;
