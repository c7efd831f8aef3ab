import { colors, darkened, style } from "./style.ts";

/** A section of the report. */
export interface Section {
  /** The name that links lead to. */
  readonly id: string;
  readonly title: string;
  /** HTML. */
  readonly body: string;
  /** Pictures as files, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** The missing parts, in words. */
  readonly missing?: readonly string[];
}

/** A whole page, which needs nothing else: no script, no font, no network. */
export function page(title: string, intro: string, sections: readonly Section[]): string {
  const links = sections.map(({ id, title }) => `<a href="#${id}">${escape(title)}</a>`).join("\n");
  const bodies = sections.map(({ id, title, body }) =>
    `<section id="${id}">\n<h2>${escape(title)}</h2>\n${body}\n</section>`
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}</title>
<style>
${colors(":root")}
${darkened(".plot")}
${style}</style>
</head>
<body>
<main>
<h1>${escape(title)}</h1>
${intro}
<nav>
${links}
</nav>
${bodies.join("\n")}
</main>
</body>
</html>
`;
}

/** A column of a table: its heading, and whether it holds numbers. */
export type Column = string | { readonly name: string; readonly number: true };

/**
 * A table in a box of its own; cells are HTML. Where the screen is narrow a grid scrolls, and of cards each row becomes a
 * block in which every cell has its column's name.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  caption = "",
  kind: "grid" | "cards" = "grid",
): string {
  const named = columns.map((column) => typeof column === "string" ? { name: column, number: false } : column);
  const align = (at: number) => named[at]?.number ? ' class="number"' : "";
  const label = (at: number) => kind === "cards" ? ` data-name="${escape(named[at].name)}"` : "";
  const head = named.map(({ name }, at) => `<th scope="col"${align(at)}>${escape(name)}</th>`).join("");
  const body = rows.map((cells) => {
    const [first, ...rest] = cells;
    return `<tr><th scope="row">${first}</th>${
      rest.map((cell, at) => `<td${align(at + 1)}${label(at + 1)}>${cell}</td>`).join("")
    }</tr>`;
  });
  const about = caption === "" ? "" : `<p class="caption">${escape(caption)}</p>`;
  return `${about}<div class="box ${kind}" tabindex="0" role="group"${
    caption === "" ? "" : ` aria-label="${escape(caption)}"`
  }>` +
    `<table><thead><tr>${head}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody></table></div>`;
}

/** A column of numbers. */
export function numbers(name: string): Column {
  return { name, number: true };
}

/** Pictures beside one another where there is room, with a key above and a text below. */
export function figure(pictures: readonly string[], caption: string, key = ""): string {
  return `<figure>${key}<div class="pictures">${pictures.join("\n")}</div><figcaption>${caption}</figcaption></figure>`;
}

/** HTML that is not squeezed in a table that scrolls. */
export function wide(html: string): string {
  return `<span class="wide">${html}</span>`;
}

export function paragraph(text: string): string {
  return `<p>${text}</p>`;
}

/** Returns the notice of a part that is not there yet. */
export function absent(text: string): string {
  return `<p class="missing">${escape(text)}</p>`;
}

/** Text as HTML or XML. */
export function escape(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (letter) => names[letter]);
}

/** Words with a capital at the start. */
export function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A number with so many digits after the point, and a real minus; a dash where there is none. */
export function digits(number: number | undefined, places = 3): string {
  if (number === undefined || !Number.isFinite(number)) return "–";
  return number.toFixed(places).replace("-", "−");
}
