import type { Model, Rows } from "@gatehouse/gatehouse";

/** The mean weights of each gate's experts on some rows, `[experts]`, by `<level>/<stream>`. */
export async function meanWeights(model: Model, rows: Rows): Promise<Record<string, readonly number[]>> {
  const { gates } = await model.inspect(rows);
  return Object.fromEntries(
    Object.entries(gates).map(([gate, weights]) => {
      const means = new Array<number>(weights.length / rows.count).fill(0);
      weights.forEach((weight, at) => means[at % means.length] += weight / rows.count);
      return [gate, means];
    }),
  );
}
