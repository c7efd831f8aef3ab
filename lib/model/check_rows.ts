import { isFloat, isRecord, kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { checkKeys, keysAt } from "../data/keys.ts";
import type { Lists, Rows } from "../data/rows.ts";
import { differenceFrom } from "../features/encoding.ts";
import type { GraphInput } from "../features/kind.ts";
import { partsOf } from "../features/parts.ts";
import { isMark } from "../formats/mark.ts";
import { groupsOf, heads } from "../heads/heads.ts";
import type { Spec, TaskSpec } from "../spec/spec.ts";

/**
 * Makes sure that rows fit a model: encoded with its features, if they are marked at all; the inputs it reads and no
 * others (but empty ones), of its width, all finite; to train and to evaluate also labels that its heads can learn. Rows are counted from 0.
 *
 * @param purpose The purpose of the rows.
 * @throws {TypeError} if `rows` does not come from `rows()` or `encode()`, was encoded with other features, or a name is
 * missing or unknown.
 * @throws {RangeError} if a length or a value is wrong, naming the row.
 */
export function checkRows(
  spec: Pick<Spec, "input" | "tasks">,
  rows: Rows,
  purpose:
    | "predict"
    | "train"
    | "evaluate"
    | "balance"
    | "standardise"
    | "start at base rates"
    | "calibrate"
    | "evict words" = "predict",
): void {
  const action = `Cannot ${purpose}`;
  if (!isRecord(rows) || !(Number.isSafeInteger(rows.count) && rows.count >= 0) || !isRecord(rows.inputs)) {
    const isParts = isRecord(rows) && typeof (rows as { readonly parts?: unknown }).parts === "function";
    const found = isParts ? "a table in parts: dataset(table, make) makes rows of it" : kindOf(rows);
    throw new TypeError(`${action}: wanted rows, such as rows([[1, 2], [3, 4]]), found ${found}`);
  }
  for (const [what, columns] of Object.entries({ labels: rows.labels, weights: rows.weights })) {
    if (columns === undefined) continue;
    if (!isRecord(columns)) throw new TypeError(`${action}: ${what} must be columns by task, found ${kindOf(columns)}`);
    const task = Object.keys(columns).find((name) => !ArrayBuffer.isView(columns[name]));
    if (task === undefined) continue;
    const found = `found ${kindOf(columns[task])}`;
    throw new TypeError(`${action}: the ${what} of task ${quoted(task)} must be of type Float64Array, ${found}`);
  }
  if (rows.by !== undefined) {
    if (!isRecord(rows.by)) throw new TypeError(`${action}: by must be keys by name, found ${kindOf(rows.by)}`);
    for (const [name, keys] of Object.entries(rows.by)) checkKeys(keys, rows.count, keysAt(action, name));
  }
  checkEncoding(spec, rows, action);
  const parts = partsOf(spec.input);
  const names = parts.flatMap(({ inputs, lists }) => lists === undefined ? inputs.map(({ name }) => name) : []);
  for (const [name, data] of Object.entries(rows.inputs)) {
    if (!names.includes(name) && data?.length !== 0) {
      const hint = name === "input" && !("width" in spec.input)
        ? ": it has features, and reads what encode(featuresOf(model.spec), table) returns"
        : advice(name, names);
      throw new TypeError(`${action}: the model has no input ${quoted(name)}${hint}`);
    }
  }
  checkLists(parts.flatMap(({ lists }) => lists?.names ?? []), rows, action);
  for (const { inputs, lists, wrong } of parts) {
    if (lists === undefined) { for (const input of inputs) checkInput(input, rows, action); }
    const first = wrong(rows);
    if (first !== undefined) {
      throw new RangeError(`${action}\n  at row ${first.row}, ${first.at}: ${first.message}`);
    }
  }
  if (purpose !== "predict" && purpose !== "evict words") checkLabels(spec.tasks, rows, action);
}

/** Makes sure that rows are encoded with the features of a model, if they have a mark of theirs. */
function checkEncoding({ input }: Pick<Spec, "input">, { encoding }: Rows, action: string): void {
  if (encoding === undefined || "width" in input) return;
  if (!isMark(encoding)) {
    throw new TypeError(`${action}: the encoding of rows must be as encode() leaves it, found ${kindOf(encoding)}`);
  }
  const difference = differenceFrom(encoding, input.features);
  if (difference === undefined) return;
  const advice = "encode(featuresOf(model.spec), table) encodes them with the model's";
  throw new TypeError(`${action}: the rows were encoded with other features: ${difference}; ${advice}`);
}

/** Makes sure that an input is there, of its type, with its width for each row. */
function checkInput({ name, type, width }: GraphInput, { count, inputs }: Rows, action: string): void {
  const data = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
  if (data === undefined) throw new TypeError(`${action}: the rows have no input ${quoted(name)}`);
  const array = type === "int" ? Int32Array : Float32Array;
  if (!(data instanceof array)) {
    throw new TypeError(
      `${action}: input ${quoted(name)} must be of type ${array.name}, found ${kindOf(data)}`,
    );
  }
  if (data.length !== count * width) {
    const found = count > 0 ? `${data.length / count} a row` : `${data.length}`;
    throw new RangeError(`${action}: input ${quoted(name)} needs ${width} numbers a row, found ${found}`);
  }
}

/** Makes sure that there are lists of these features and no others, but empty ones, each of one start for each row. */
function checkLists(names: readonly string[], { count, lists = {} }: Rows, action: string): void {
  if (!isRecord(lists)) {
    throw new TypeError(`${action}: lists must be an object of lists by feature, found ${kindOf(lists)}`);
  }
  const strange = Object.keys(lists).find((name) => !names.includes(name) && lists[name]?.codes?.length !== 0);
  if (strange !== undefined) {
    throw new TypeError(`${action}: the model has no lists of ${quoted(strange)}${advice(strange, names)}`);
  }
  for (const name of names) {
    const where = `${action}\n  at feature ${quoted(name)}`;
    const found: Partial<Lists> | undefined = Object.hasOwn(lists, name) ? lists[name] : undefined;
    if (found === undefined) throw new TypeError(`${where}: the rows have no lists of it`);
    if (!isRecord(found)) throw new TypeError(`${where}: wanted lists { starts, codes }, found ${kindOf(found)}`);
    const { starts, codes, weights } = found;
    if (!(starts instanceof Int32Array && codes instanceof Int32Array)) {
      const kinds = `starts ${kindOf(starts)} and codes ${kindOf(codes)}`;
      throw new TypeError(`${where}: starts and codes must be of type Int32Array, found ${kinds}`);
    }
    if (weights !== undefined && !(weights instanceof Float32Array)) {
      throw new TypeError(`${where}: weights must be of type Float32Array, found ${kindOf(weights)}`);
    }
    if (weights !== undefined && weights.length !== codes.length) {
      throw new RangeError(`${where}: found ${weights.length} weights for ${codes.length} codes, wanted one each`);
    }
    if (starts.length !== count + 1) {
      throw new RangeError(
        `${where}: found ${starts.length} starts, wanted ${count + 1}: one for each row, and the end`,
      );
    }
    const wrong = starts.findIndex((at, row) => row === 0 ? at !== 0 : at < starts[row - 1]);
    if (wrong >= 0) {
      const wanted = wrong === 0 ? "0" : `at least ${starts[wrong - 1]}`;
      throw new RangeError(
        `${action}\n  at row ${wrong}, feature ${quoted(name)}: the list starts at ${starts[wrong]}, wanted ${wanted}`,
      );
    }
    if (starts[count] !== codes.length) {
      throw new RangeError(`${where}: the lists end at ${starts[count]}, wanted ${codes.length}, the number of codes`);
    }
  }
}

/** Makes sure that labels and weights are of the model's tasks, one a row, and that its heads can learn them. */
function checkLabels(
  tasks: Readonly<Record<string, TaskSpec>>,
  { count, labels = {}, weights = {} }: Rows,
  action: string,
): void {
  const groups = groupsOfTasks(tasks, labels, action);
  for (const [what, columns] of [["labels", labels], ["weights", weights]] as const) {
    for (const [task, values] of Object.entries(columns)) {
      if (!Object.hasOwn(tasks, task) && !(what === "labels" && groups.has(task))) {
        const names = [...Object.keys(tasks), ...what === "labels" ? groups : []];
        throw new TypeError(`${action}: the model has no task ${quoted(task)} of these ${what}${advice(task, names)}`);
      }
      if (!(values instanceof Float64Array || values instanceof Float32Array)) {
        const found = `found ${kindOf(values)}`;
        throw new TypeError(`${action}: the ${what} of task ${quoted(task)} must be of type Float64Array, ${found}`);
      }
      if (values.length !== count) {
        throw new RangeError(`${action}: task ${quoted(task)} needs ${count} ${what}, found ${values.length}`);
      }
    }
  }
  if (Object.keys(labels).length === 0) throw new TypeError(`${action}: the rows have no labels`);
  for (const [task, values] of Object.entries(labels)) {
    if (groups.has(task)) checkGroups(task, values, action);
    if (!Object.hasOwn(tasks, task)) continue;
    const { kind, units } = tasks[task].head;
    const { fits, wanted } = heads[kind].label;
    const at = values.findIndex((label) => !Number.isNaN(label) && !(fits(label, units) && isFloat(label)));
    if (at >= 0) {
      throw new RangeError(
        `${action}\n  at row ${at}, task ${quoted(task)}: the label is ${values[at]}, wanted ${wanted(units)}` +
          (fits(values[at], units) ? ", in float32 too" : ""),
      );
    }
  }
  for (const [task, values] of Object.entries(weights)) {
    const at = values.findIndex((weight) => !(weight >= 0 && isFloat(weight)));
    if (at >= 0) {
      throw new RangeError(
        `${action}\n  at row ${at}, task ${quoted(task)}: the weight is ${values[at]}, wanted at least 0` +
          (values[at] >= 0 ? ", finite in float32 too" : ""),
      );
    }
  }
}

/** Makes sure that no group has the number of another: above 2 ** 53, and in float32 above 2 ** 24, neighbours do. */
function checkGroups(column: string, values: Float32Array | Float64Array, action: string): void {
  const bits = values instanceof Float32Array ? 24 : 53;
  const at = values.findIndex((group) => Math.abs(group) >= 2 ** bits);
  if (at < 0) return;
  const wanted = `wanted less than 2 ** ${bits} of a ${values.constructor.name}: number the groups from 0`;
  throw new RangeError(`${action}\n  at row ${at}, labels ${quoted(column)}: the group is ${values[at]}, ${wanted}`);
}

/** Returns the columns of labels that are groups. Makes sure that no task lacks a column that says which rows count. */
function groupsOfTasks(
  tasks: Readonly<Record<string, TaskSpec>>,
  labels: Readonly<Record<string, unknown>>,
  action: string,
): Set<string> {
  const groups = new Set<string>();
  for (const [task, { head, only }] of Object.entries(tasks)) {
    const name = groupsOf(head);
    if (name !== undefined) groups.add(name);
    if (!Object.hasOwn(labels, task)) continue;
    if (name !== undefined && !Object.hasOwn(labels, name)) {
      const near = advice(name, Object.keys(labels).filter((label) => !Object.hasOwn(tasks, label)));
      throw new TypeError(
        `${action}: task ${quoted(task)} is ranked within ${quoted(name)}, a column that the labels lack${near}`,
      );
    }
    if (only !== undefined && !Object.hasOwn(labels, only)) {
      const lack = `the rows have no labels of task ${quoted(only)}`;
      throw new TypeError(`${action}: task ${quoted(task)} counts only where ${quoted(only)} is 1, but ${lack}`);
    }
  }
  return groups;
}
