import { define, dense, mmoe, omoe, pipe, regression, relu, sharedBottom, type Spec } from "@gatehouse/gatehouse";

/** The tasks of the synthetic data. */
export const taskNames = ["first", "second"] as const;

/** The name of a task. */
export type Task = typeof taskNames[number];

// Section 5.1 of the paper: 8 experts of 16 units, or one of 113, have about as many parameters.
const layer = (units: number) => pipe(dense(units), relu);
const tasks = { first: regression(layer(8)), second: regression(layer(8)) };

/** The models that are compared, the one first that the others are compared with. */
export const models = {
  "shared-bottom": define(sharedBottom({ input: 100, expert: layer(113), tasks })),
  omoe: define(omoe({ input: 100, expert: layer(16), experts: 8, tasks })),
  mmoe: define(mmoe({ input: 100, expert: layer(16), experts: 8, tasks })),
} as const satisfies Readonly<Record<string, Spec<Task>>>;

/** The name of a model. */
export type ModelName = keyof typeof models;

/** The names of the models, in their order. */
export const modelNames = Object.keys(models) as readonly ModelName[];
