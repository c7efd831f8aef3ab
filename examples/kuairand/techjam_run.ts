import type { Columns } from "@gatehouse/gatehouse";
import { findFile } from "../../lib/datasets/find.ts";
import { pureFiles } from "./download.ts";
import { type Days, prepare } from "./inputs.ts";
import { measured, recordOf } from "./judged.ts";
import { learn } from "./learn.ts";
import { numbers, type Reading, readLogs, readTables } from "./log.ts";
import type { Plan } from "./plan.ts";
import { techjam, type TechjamScores, techjamScores, techjamTable } from "./techjam.ts";

const { train, validation, test } = techjam.days;
const days: Days = {
  train: [train.first, train.last],
  validation: [validation.first, validation.last],
  test: [test.first, test.last],
};

/**
 * Trains models and judges them by the protocol of TechJam 2026, on all days of the standard log, and shows their scores
 * beside those that were published.
 *
 * @throws {Error} if the files are not found, which says where to get them.
 */
export async function playTechjam(plan: Plan, reading: Reading): Promise<void> {
  const { wanted, inputs, seed, context: { say, record, signal } } = plan;
  const data = prepare(await allDays(reading), inputs, days);
  say(`${data.train.count} training, ${data.validation.count} validation and ${data.test.count} test rows`);
  const ours: Record<string, TechjamScores> = {};
  for (const name of wanted) {
    if (signal.aborted) break;
    const { model, how } = await learn(name, data, plan);
    try {
      (await measured(model, data.test, "test", how)).forEach((measure) => record(recordOf(measure)));
      const users = numbers({ count: data.test.count, columns: data.test.by! } as Columns, "user");
      const { long_view: scores } = await model.predict(data.test);
      const found = techjamScores(users, data.test.labels!.long_view, scores);
      ours[`${name}, ${inputs}, seed ${seed}`] = found;
      record({ model: name, inputs, seed, ...found });
    } finally {
      model.dispose();
    }
  }
  say(`\n${techjamTable(ours)}`);
}

/** Reads both standard logs as one. */
async function allDays(reading: Reading): Promise<Columns> {
  const paths = [];
  for (const name of [pureFiles.first, pureFiles.second]) {
    const { path, places } = await findFile("kuairand", name, reading.folder);
    if (path === undefined) {
      const wanted = "wanted --download, or --data FOLDER with the files of KuaiRand-Pure";
      throw new Error(`Cannot find all days of KuaiRand-Pure\n  at ${places.join(", ")}: found no ${name}, ${wanted}`);
    }
    paths.push(path);
  }
  return await readLogs(paths, await readTables(reading), { signal: reading.signal });
}
