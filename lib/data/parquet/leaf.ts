import type { SchemaElement, SchemaTree } from "hyparquet";
import { pathName } from "./footer.ts";
import { type ValueType, valueType } from "./values.ts";

/** A column of a file that can be read. */
export interface Leaf {
  /** Its name. */
  readonly name: string;
  /** The name of its path, by which its chunks are found. */
  readonly path: string;
  /** Its values, or those of its lists. */
  readonly values: ValueType;
  /** Their element of the schema. */
  readonly element: SchemaElement;
  /** The definition level of a value that is there. */
  readonly deepest: number;
  /** The definition level of an element of a list, missing or not; absent if it is a column of values. */
  readonly listed?: number;
}

/** Returns a column of a file; a text if it cannot be read: what it is. */
export function leafOf(tree: SchemaTree): Leaf | string {
  const { element, children } = tree;
  if (children.length === 0) return described(tree, [element], element.repetition_type === "REPEATED");
  const kind = element.logical_type?.type ?? element.converted_type;
  if (kind === "MAP" || kind === "MAP_KEY_VALUE") return "a map";
  if (kind === "VARIANT") return "a variant";
  const [item] = children;
  if (kind !== "LIST" || children.length > 1 || item.element.repetition_type !== "REPEATED") return "a struct";
  if (item.children.length === 0) return described(item, [element, item.element], true, element.name);
  const [value] = item.children;
  if (item.children.length > 1) return "a list of structs";
  if (value.children.length > 0 || value.element.repetition_type === "REPEATED") {
    const within = value.element.logical_type?.type ?? value.element.converted_type;
    return within === "LIST" ? "a list of lists" : within === "MAP" ? "a list of maps" : "a list of structs";
  }
  return described(value, [element, item.element, value.element], true, element.name);
}

/**
 * Returns a column.
 *
 * @param elements The elements of the schema from the column down to the value.
 */
function described(
  { element, path }: SchemaTree,
  elements: readonly SchemaElement[],
  isList: boolean,
  name: string = element.name,
): Leaf | string {
  const values = valueType(element);
  if (typeof values === "string") return isList ? `a list of ${values}` : values;
  const level = (some: readonly SchemaElement[]) =>
    some.filter(({ repetition_type }) => repetition_type !== "REQUIRED").length;
  const repeated = elements.findIndex(({ repetition_type }) => repetition_type === "REPEATED");
  return {
    name,
    path: pathName(path),
    values,
    element,
    deepest: level(elements),
    ...(isList && { listed: level(elements.slice(0, repeated + 1)) }),
  };
}
