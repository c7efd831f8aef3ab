import { isFloat } from "../errors/kinds.ts";
import { kindOf } from "../errors/kinds.ts";
import type { Attrs, Json } from "./value.ts";

/** Returns true if a setting is a whole number of at least 1. */
export function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Returns true if a setting is a list of whole numbers of at least 1, not empty. */
export function isSizes(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isCount);
}

/** Returns true if a setting is a whole number of at least 0. */
export function isAxis(value: Json | undefined): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Returns true if a setting is a list of whole numbers of at least 0, not empty. */
export function isPlaces(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isAxis);
}

/** Returns true if a setting is a list of axes, none twice. */
export function isAxes(value: Json | undefined): boolean {
  return Array.isArray(value) && value.every(isAxis) && new Set(value).size === value.length;
}

/** The largest number of axes that engines know. */
const mostAxes = 6;

/** Returns true if a setting is a shape without `"batch"`. */
export function isFixedShape(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length <= mostAxes && value.every(isCount);
}

/** Returns true if a setting is a shape. */
export function isShape(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length <= mostAxes && value.every((dim) => dim === "batch" || isCount(dim));
}

/** Returns true if a setting is a text, not empty. */
export function isName(value: Json | undefined): boolean {
  return typeof value === "string" && value !== "";
}

/** Returns true if a setting is a type of elements. */
export function isType(value: Json | undefined): boolean {
  return value === "float" || value === "int";
}

/** Returns true if a setting is a list of finite numbers. */
export function isNumbers(value: Json | undefined): boolean {
  return Array.isArray(value) && value.every(isFloat);
}

/** Returns a check that a setting is one of some words. */
export function oneOf(...words: string[]): (value: Json | undefined) => boolean {
  return (value) => words.includes(value as string);
}

/** Returns true if a setting is an initialiser's normal form, see `Init`. */
export function isInit(value: Json | undefined): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { kind, ...rest } = value as Attrs;
  if (kind === "values") return Object.keys(rest).join() === "values" && isNumbers(rest.values);
  if (typeof kind !== "string" || !Object.hasOwn(initSettings, kind)) return false;
  const wanted = initSettings[kind as keyof typeof initSettings];
  return Object.keys(rest).length === wanted.length &&
    wanted.every((name) => isFloat(rest[name]));
}

/** Returns true if a setting says how a parameter's rows are used: absent, or `"looked up"` if they are vectors by code. */
export function isRows(value: Json | undefined): boolean {
  return value === undefined || value === "looked up";
}

/** Returns true if a setting names the feature whose codes a parameter's rows are for, or is absent. */
export function isFeature(value: Json | undefined): boolean {
  return value === undefined || typeof value === "string";
}

/** The initialisers and their settings, all but that of given values. */
const initSettings = {
  constant: ["value"],
  normal: ["deviation"],
  uniform: ["limit"],
  glorotUniform: [],
  glorotNormal: [],
  heUniform: [],
  heNormal: [],
  lecunNormal: [],
} as const satisfies Record<string, readonly string[]>;

/** Returns a setting in a few letters: it may come from a file. */
export function brief(value: Json | undefined): string {
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return kindOf(value);
  const nested = typeof value === "object" && value !== null && Object.values(value).some((x) => typeof x === "object");
  if (nested) return Array.isArray(value) ? "a list" : "an object";
  const named = (_: string, x: unknown) => {
    return typeof x === "bigint" || typeof x === "number" && !Number.isFinite(x) ? String(x) : x;
  };
  const text = JSON.stringify(value, named)?.replace(/"(NaN|-?Infinity)"/g, "$1") ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
