import { isRecord } from "../errors/kinds.ts";

/** The mark of the features that parameters were trained with, as encoded rows carry it. */
export type Mark = Readonly<Record<string, string>>;

/**
 * The key of the mark in parameters by path: a symbol, so that `{ ...parameters }` keeps it and no path is like it. It is
 * the same in every copy of this library.
 */
const key = Symbol.for("gatehouse.encoding");

/** Returns parameters that carry a mark, or none. */
export function withMark<T extends object>(parameters: T, mark: Mark | undefined): T {
  return mark === undefined ? parameters : { ...parameters, [key]: mark };
}

/** Returns the mark that parameters carry, if they do. */
export function markOf(parameters: unknown): Mark | undefined {
  const found = (Object(parameters) as { readonly [key]?: unknown })[key];
  return isMark(found) ? found : undefined;
}

/** Returns the mark in the text of a file; undefined if it is anything else, as other programs may have texts of the name. */
export function parseMark(text: string | undefined): Mark | undefined {
  try {
    const found: unknown = JSON.parse(text ?? "null");
    return isMark(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Returns true if something is a mark: texts by the names of features. */
export function isMark(found: unknown): found is Mark {
  return isRecord(found) && Object.values(found).every((text) => typeof text === "string");
}
