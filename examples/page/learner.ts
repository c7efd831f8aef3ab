/** Trains one model on two synthetic tasks, away from the thread that draws. Runs in a worker. */
import { adam, compile, evaluate, type Model, type Rows, type Spec, train } from "@gatehouse/gatehouse";
import { synthetic } from "@gatehouse/gatehouse/datasets";
import { type Chosen, engineOf } from "./engine.ts";
import type { EngineName } from "./engine_names.ts";
import { messageOf } from "./failed.ts";
import { meanWeights } from "./gates.ts";
import type { PerTask } from "./tables.ts";

/** A training to begin. */
export interface Order {
  /** The number of the training: the moments of earlier ones are out of date. */
  readonly id: number;
  readonly spec: Spec;
  readonly correlation: number;
  readonly seed: number;
  readonly engine: EngineName;
  readonly steps: number;
}

/** A message to the worker: a training in the place of the last one, or that it waits or goes on. */
export type Message = Order | "pause" | "go on";

/** The moment of a training that is drawn. */
export interface Moment {
  readonly step: number;
  /** The losses on rows that the model does not learn from. */
  readonly loss: PerTask;
  /** The mean weights of each gate's experts on some of these rows, by `<level>/<stream>`. */
  readonly gates: Readonly<Record<string, readonly number[]>>;
  /** Rows a second of late. */
  readonly rate: number;
}

/** A message from the worker, about the training of its number. */
export type Answer =
  & { readonly id: number }
  & ({ readonly engine: string; readonly why: string } | { readonly moment: Moment } | { readonly failed: string });

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Message>) => void) | null;
  postMessage(answer: Answer): void;
};

/** The rows of a step, of the training, of the judgement, and of those whose gates are drawn. */
const [batch, trained, judged, gated] = [256, 50_000, 1000, 250];
/** The milliseconds from one moment to the next. */
const pace = 100;

scope.onmessage = trainings();

/** Answers messages: one training at a time, which the next order ends. */
function trainings(): (event: MessageEvent<Message>) => void {
  const chosen = new Map<EngineName, Promise<Chosen>>();
  let current = { stop: new AbortController(), ended: Promise.resolve() };
  let waiting = Promise.withResolvers<void>();
  let isPaused = false;
  const turn = async () => {
    await new Promise((resolve) => setTimeout(resolve)); // messages are read
    if (isPaused) await waiting.promise;
  };
  const goOn = () => {
    isPaused = false;
    waiting.resolve();
    waiting = Promise.withResolvers();
  };
  return ({ data: message }) => {
    if (message === "pause") {
      isPaused = true;
      return;
    }
    if (message === "go on") return goOn();
    current.stop.abort();
    goOn();
    const stop = new AbortController();
    const before = current.ended;
    const engine = chosen.get(message.engine) ?? engineOf(message.engine, 1);
    chosen.set(message.engine, engine);
    const ended = before.then(async () => {
      if (!stop.signal.aborted) await learn(message, await engine, stop.signal, turn);
    }).catch((error) => scope.postMessage({ id: message.id, failed: messageOf(error) }));
    current = { stop, ended };
  };
}

/** Trains, and posts a moment every tenth of a second, the first before a step was done. */
async function learn(
  { id, spec, correlation, seed, steps }: Order,
  { engine, name, why }: Chosen,
  signal: AbortSignal,
  turn: () => Promise<void>,
): Promise<void> {
  scope.postMessage({ id, engine: name, why });
  const model = await compile(spec, { engine, seed });
  try {
    const data = synthetic({ correlation, rows: trained, seed });
    const held = synthetic({ correlation, rows: judged, seed, part: "validation" });
    const few = synthetic({ correlation, rows: gated, seed, part: "validation" });
    const post = async (step: number, rate: number) =>
      scope.postMessage({ id, moment: { step, rate, ...await drawn(model, held, few) } });
    await post(0, 0);
    await turn();
    let [last, rows, rate] = [performance.now(), 0, 0];
    for await (const { step } of train(model, data, { steps, batch, optimiser: adam(0.01), signal })) {
      rows += batch;
      const passed = performance.now() - last;
      if (passed < pace && step < steps) continue;
      const now = rows / passed * 1000;
      rate = rate === 0 ? now : 0.9 * rate + 0.1 * now; // one moment's own jumps
      await post(step, rate);
      await turn();
      if (signal.aborted) break;
      [last, rows] = [performance.now(), 0];
    }
  } finally {
    model.dispose();
  }
}

/** The losses and the mean weights of gates. */
async function drawn(model: Model, held: Rows, few: Rows): Promise<Pick<Moment, "loss" | "gates">> {
  const { loss } = await evaluate(model as Model<keyof PerTask & string>, held);
  return { loss, gates: await meanWeights(model, few) };
}
