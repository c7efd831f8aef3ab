import { partsOf } from "../features/parts.ts";
import { heads } from "../heads/heads.ts";
import type { Spec } from "../spec/spec.ts";
import type { CodedColumn, JobShape } from "./form.ts";

/** Returns the columns of a model's rows in files, by the names of the inputs that they are: as `batchTensors` names them. */
export function columnsOf({ input, tasks }: Pick<Spec, "input" | "tasks">): Readonly<Record<string, CodedColumn>> {
  const inputs = partsOf(input).flatMap(({ inputs }) => inputs).map(({ name, type, width }) => {
    return [name, columnOf(name, type === "int" ? "int32" : "float32", ["batch", width])] as const;
  });
  const judged = Object.entries(tasks).flatMap(([task, { head }]) => {
    const { codes } = heads[head.kind].label;
    const [labels, weights] = ["labels", "weights"].map((word) => `${word}/${task}`);
    return [
      [labels, codes ? columnOf(labels, "int32", ["batch", 1]) : columnOf(labels, "float32", ["batch"])],
      [weights, columnOf(weights, "float32", ["batch"])],
    ] as const;
  });
  return Object.fromEntries([...inputs, ...judged]);
}

function columnOf(column: string, dtype: CodedColumn["dtype"], shape: JobShape): CodedColumn {
  return { column, dtype, shape, stored: widthOf(shape) === 1 ? "plain" : "bytes" };
}

/** Returns the numbers of a row in a column. */
export function widthOf([, width = 1]: JobShape): number {
  return width as number;
}
