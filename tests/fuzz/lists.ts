import { bag, binary, category, compile, cross, define, dense, encode, fit, hashed, mmoe, numeric } from "../../mod.ts";
import { type Rows, sequence, softmax } from "../../mod.ts";
import type { Engine } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { attempt, type End, ensure, type Kind, pick, several } from "./kind.ts";
import { textOf, withWrong } from "./wrong.ts";

/** Rows of a model of every kind of features, which it predicts. */
export const rowsOfLists: Kind = { share: 60, run };

const words = ["a", "b", "c", "d"];
const table = {
  age: [20, 30, 40, 50],
  job: words,
  user: words,
  tags: [["a", "b"], [], ["c"], ["a", "a", "d"]],
  shares: [[1, 2], [], [0], [1, 1, 1]],
  seen: [["a"], ["b", "c"], [], ["d"]],
  when: [["x"], ["y", "x"], [], ["x"]],
};
const features = fit({
  age: numeric(),
  band: numeric({ boundaries: [0.5] }),
  job: category({ unknowns: 2 }),
  user: hashed(5),
  both: cross(["job", "user"], { buckets: 7 }),
  tags: bag({ like: "job", weights: "shares" }),
  seen: sequence({ like: "user", group: "seen" }),
  when: sequence({ group: "seen" }),
}, { ...table, band: [0, 1, 0, 1] });
const spec = define(mmoe({ input: features, experts: 2, expert: dense(2), gate: softmax, tasks: { click: binary() } }));

async function run(source: Random, engine: Engine): Promise<End> {
  const many = 1 + source.bits() % 5;
  const drawn = several(many, () => source.bits() % 4);
  const columns = Object.fromEntries(
    Object.entries({ ...table, band: [0, 1, 0, 1] }).map(([name, list]) => [name, drawn.map((row) => list[row])]),
  );
  const { encoding: _, ...given } = encode(features, columns as typeof table);
  const damaged = source.uniform() < 0.9;
  const used = (damaged ? withWrong(given, source) : given) as Rows;
  if (!(typeof used === "object" && used !== null)) return "refused";
  const input = textOf(used);
  const model = await compile(spec, { engine, seed: pick(source, [1, 2]) });
  try {
    const found = await attempt(input, /^Cannot predict\b/, () => model.predict(used));
    ensure(found !== undefined || damaged, "valid rows were refused", input);
    if (found === undefined) return "refused";
    ensure(found.click.every(Number.isFinite), "predictions are not finite", input);
    return "valid";
  } finally {
    model.dispose();
  }
}
