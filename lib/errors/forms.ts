import { isFloat, isRecord, kindOf } from "./kinds.ts";
import { type Issue, keyText } from "./issues.ts";
import { quoted } from "./quoted.ts";
import { advice } from "./nearest.ts";

/** A function that returns the issues of the form of a plain value at a path: none if it is right. */
export type Form = (found: unknown, path: string) => Issue[];

/** The most issues that are looked for in one object or list: a hostile file could have millions. */
const mostIssues = 1000;

/** The form of an object with just these keys; the optional ones may be absent or undefined. */
export function object(required: Readonly<Record<string, Form>>, optional: Readonly<Record<string, Form>> = {}): Form {
  const known = { ...required, ...optional };
  return (found, path) => {
    if (!isRecord(found)) return [{ path, message: `wanted an object, found ${kindOf(found)}` }];
    const missing = Object.keys(required).filter((key) => found[key] === undefined);
    return [
      ...missing.map((key) => ({ path, message: `${quoted(key)} is missing` })),
      ...collected(Object.keys(found), (key) => {
        if (!Object.hasOwn(known, key)) {
          return [{ path, message: `${quoted(key)} is unknown${advice(key, Object.keys(known))}` }];
        }
        return found[key] === undefined ? [] : known[key](found[key], inside(path, key));
      }),
    ];
  };
}

/** The form of an object with values of one form, under any keys but `__proto__`. */
export function record(of: Form): Form {
  const valueOf = (found: unknown, path: string, key: string): Issue[] =>
    key === "__proto__" ? [{ path, message: `${quoted(key)} cannot be a name: wanted another` }] : of(found, path);
  return (found, path) =>
    isRecord(found)
      ? collected(Object.keys(found), (key) => valueOf(found[key], inside(path, key), key))
      : [{ path, message: `wanted an object, found ${kindOf(found)}` }];
}

/** The form of a list of values of one form. */
export function list(of: Form): Form {
  return (found, path) =>
    Array.isArray(found)
      ? collected(found, (item, at) => of(item, `${path}[${at}]`))
      : [{ path, message: `wanted a list, found ${kindOf(found)}` }];
}

/** The form of whatever a test accepts; `wanted` names it in errors. */
export function fitting(wanted: string, test: (found: unknown) => boolean): Form {
  return (found, path) => test(found) ? [] : [{ path, message: `wanted ${wanted}, found ${kindOf(found)}` }];
}

/** The form of one of several words. */
export function word(...words: readonly string[]): Form {
  return (found, path) => {
    if (typeof found !== "string") return [{ path, message: `wanted a word, found ${kindOf(found)}` }];
    return words.includes(found) ? [] : [{ path, message: `${quoted(found)} is unknown${advice(found, words)}` }];
  };
}

/** The form of a text. */
export const text: Form = fitting("a text", (found) => typeof found === "string");

/** The form of a number of any size; its range is checked where its meaning is known. */
export const number: Form = fitting("a number", (found) => typeof found === "number");

/** The form of a number that is finite, as a float32 too. */
export const finite: Form = fitting("a finite number", isFloat);

/** The form of a whole number from `least` to `most`. */
export function whole(least: number, most: number): Form {
  return fitting(
    `a whole number from ${least} to ${most}`,
    (found) => Number.isSafeInteger(found) && (found as number) >= least && (found as number) <= most,
  );
}

function collected<T>(items: readonly T[], issuesOf: (item: T, at: number) => Issue[]): Issue[] {
  const issues: Issue[] = [];
  for (let at = 0; at < items.length && issues.length < mostIssues; at++) issues.push(...issuesOf(items[at], at));
  return issues;
}

function inside(path: string, key: string): string {
  return path === "" ? key : path + keyText(key);
}
