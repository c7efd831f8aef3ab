/**
 * Gatehouse's trainings in TensorBoard: the records of `train` as an event file that its reader takes while the run goes on.
 *
 * @example A training that writes its losses where `tensorboard --logdir out/runs` shows them
 * ```ts
 * import { binary, compile, define, reference, rows, train } from "@gatehouse/gatehouse";
 * import { writeEvents } from "@gatehouse/gatehouse/tensorboard";
 *
 * const model = await compile(define({ input: 1, tasks: { click: binary() } }), { engine: reference() });
 * const data = rows([[-1], [1]], { labels: { click: [0, 1] } });
 * for await (const { step, total } of writeEvents("out/runs/first", train(model, data, { steps: 20 }))) {
 *   if (step === 20) console.assert(total < 1);
 * }
 * model.dispose();
 * ```
 *
 * @module
 */
export { writeEvents } from "./report/write_events.ts";
