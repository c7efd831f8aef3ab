import { type Engine, load, type Model, save } from "@gatehouse/gatehouse";
import { type HistoryState, loadHistory, saveHistory } from "@gatehouse/gatehouse/history";
import { type Task, tasks } from "./log.ts";

/** A model as it is saved: `model`, and `history` beside it, where it reads what is known of the past. */
export interface Saved {
  readonly model: Model<Task>;
  readonly past: HistoryState | undefined;
}

/** Saves a model with what is known of the past. */
export async function saveWithPast(path: string, { model, past }: Saved): Promise<void> {
  await save(model, `${path}/model`);
  if (past !== undefined) await saveHistory(past, `${path}/history`);
}

/**
 * Loads a model with what is known of the past.
 *
 * @param hasPast True if it reads what is known of the past.
 */
export async function loadWithPast(path: string, hasPast: boolean, engine: Engine): Promise<Saved> {
  const past = hasPast ? await loadHistory(`${path}/history`) : undefined;
  return { model: await load(`${path}/model`, { engine, tasks }), past };
}
