/** The names of the models that learn side by side. */
export const modelNames = ["shared-bottom", "OMoE", "MMoE"] as const;

/** The name of a model. */
export type ModelName = typeof modelNames[number];

/** The tasks of the synthetic data. */
export const taskNames = ["first", "second"] as const;

/** The name of a task. */
export type TaskName = typeof taskNames[number];

/** A number for each task. */
export type PerTask = Readonly<Record<TaskName, number>>;

const tower = `const tower = pipe(dense(8), relu);`;
const tasks = `tasks: { first: regression(tower), second: regression(tower) },`;

// Section 5.1 of the paper: 8 experts of 16 units, or one of 113, have about as many parameters.
/** The table of each model as code, as it is when the page opens. */
export const tables: Readonly<Record<ModelName, string>> = {
  "shared-bottom": `const expert = pipe(dense(113), relu);
${tower}

define({
  input: 100,
  levels: [
    level({ shared: bank(1, expert) }, { shared: mix("shared") }),
  ],
  ${tasks}
})`,
  OMoE: `const expert = pipe(dense(16), relu);
${tower}

define({
  input: 100,
  levels: [
    level({ shared: bank(8, expert) }, { shared: mix("shared", softmax) }),
  ],
  ${tasks}
})`,
  MMoE: `const expert = pipe(dense(16), relu);
${tower}
const gate = softmax; // or topK(2), dselectK(2), temperature(2)

define({
  input: 100,
  levels: [
    level({ shared: bank(8, expert) }, {
      first: mix("shared", gate),
      second: mix("shared", gate),
    }),
  ],
  ${tasks}
})`,
};
