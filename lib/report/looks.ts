import { type Colors, palette } from "./palette.ts";

/** Properties of SVG that are attributes and style rules alike, by their names. */
export type Look = Readonly<Record<string, string | number>>;

/** The text of a whole picture, unless a class says otherwise. */
export const font: Look = {
  "font-family": 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  "font-size": "13px",
  "font-weight": 400,
};

/** The classes of the charts that look alike on light and on dark screens. */
const shapes: Readonly<Record<string, Look>> = {
  "gh-title": { "font-size": "16px", "font-weight": 600 },
  "gh-small": { "font-size": "12px" },
  "gh-strong": { "font-weight": 600 },
  "gh-line": { fill: "none", "stroke-width": 2, "stroke-linejoin": "round", "stroke-linecap": "butt" },
  "gh-thin": { fill: "none", "stroke-width": 1 },
};

/** The classes of the charts that have a colour of the screen. */
function paints({ paper, ink, soft, grid, heat, series }: Colors): Readonly<Record<string, Look>> {
  return {
    "gh-paper": { fill: paper },
    "gh-ink": { fill: ink },
    "gh-soft": { fill: soft },
    "gh-grid": { stroke: grid },
    "gh-heat": { fill: heat },
    ...Object.fromEntries(series.flatMap((color, at) => [
      [`gh-stroke${at}`, { stroke: color }],
      [`gh-fill${at}`, { fill: color }],
    ])),
  };
}

const light = { ...shapes, ...paints(palette.light) };

/**
 * The look of an element on a light screen, as attributes: any style rule goes before them, and a program that reads
 * no style sheet draws by them.
 *
 * @param classes The element's classes, separated by spaces.
 */
export function lookOf(classes: string): Look {
  return Object.assign({}, ...classes.split(" ").map((name) => Object.hasOwn(light, name) ? light[name] : {}));
}

/** The style sheet: what the attributes say, and the colours of dark screens. */
export function styleSheet(): string {
  return `${rule(".gh", { ...font, "font-variant-numeric": "tabular-nums" })}
${rules(light)}
@media (prefers-color-scheme: dark) {
${rules(paints(palette.dark))}
}
`;
}

function rules(looks: Readonly<Record<string, Look>>): string {
  return Object.entries(looks).map(([name, look]) => rule(`.gh .${name}`, look)).join("\n");
}

function rule(selector: string, look: Look): string {
  return `${selector} { ${Object.entries(look).map(([name, value]) => `${name}: ${value}`).join("; ")} }`;
}
