import { define, dense, mmoe, omoe, pipe, regression, relu, sharedBottom, type Spec } from "@gatehouse/gatehouse";

/** The tasks of the synthetic data. */
export type Task = "first" | "second";

const layer = (units: number) => pipe(dense(units), relu);
const tasks = { first: regression(layer(8)), second: regression(layer(8)) };

/**
 * The models of the synthetic experiments. Section 5.1 counts 100 x 16 x 8 + 16 x 8 x 2 = 13,056 parameters in experts and
 * towers of the mixtures; a bottom of 113 units comes nearest to it. Figure 3 shows one of 16.
 */
export const models = {
  "shared-bottom": define(sharedBottom({ input: 100, expert: layer(113), tasks })),
  "shared-bottom 16": define(sharedBottom({ input: 100, expert: layer(16), tasks })),
  omoe: define(omoe({ input: 100, expert: layer(16), experts: 8, tasks })),
  mmoe: define(mmoe({ input: 100, expert: layer(16), experts: 8, tasks })),
} as const satisfies Readonly<Record<string, Spec<Task>>>;

/** The name of a model. */
export type ModelName = keyof typeof models;
