import { lookOf } from "./looks.ts";

/** A chart, drawn in SVG: plain data for {@linkcode page}. */
export interface Chart {
  /** Its subject, in a few words. */
  readonly title: string;
  /** Its content in words, for screen readers. */
  readonly description: string;
  /** Its height; its width is always {@linkcode WIDTH}. */
  readonly height: number;
  /** The elements, as SVG text. */
  readonly body: string;
}

/** The width of every chart, in the units of its drawing: narrow, so that its text can be read on a phone. */
export const WIDTH = 396;

/**
 * An SVG element, with the attributes that its classes stand for.
 *
 * The values of attributes are escaped; the content is SVG text already.
 */
export function element(name: string, attributes: Readonly<Record<string, string | number>>, content = ""): string {
  const all = { ...attributes, ...lookOf(String(attributes.class ?? "")) };
  const words = Object.entries(all).map(([key, value]) =>
    ` ${key}="${typeof value === "number" ? rounded(value) : escape(value)}"`
  );
  return content === "" ? `<${name}${words.join("")}/>` : `<${name}${words.join("")}>${content}</${name}>`;
}

/** A line of text, cut to a width where that is given; the whole text then shows where the pointer rests. */
export function label(
  text: string,
  x: number,
  y: number,
  attributes: Readonly<Record<string, string | number>> = {},
  width = Infinity,
): string {
  const short = shortened(text, width);
  const whole = short === text ? "" : element("title", {}, escape(text));
  return element("text", { x, y, ...attributes }, whole + escape(short));
}

/** About how wide a text is, in units: 7.8 a character, enough for most fonts at the size of the charts. */
export function textWidth(text: string): number {
  return Math.ceil(7.8 * [...text].length);
}

/** The text as XML. What XML cannot hold (most control characters, lone surrogates) becomes U+FFFD. */
export function escape(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };
  return text.toWellFormed()
    .replace(/[\t\n\r]/g, " ")
    .replace(/\p{Cc}|\uFFFE|\uFFFF/gu, "\uFFFD")
    .replace(/[&<>"']/g, (letter) => names[letter]);
}

/** The text, cut at a width with an ellipsis. */
function shortened(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return [...text].slice(0, Math.max(1, Math.floor(width / 7.8) - 1)).join("") + "…";
}

/** A number in a tenth of a unit: finer is not seen. */
function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}
