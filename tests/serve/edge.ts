/** A handler as edge runtimes have it: a bundle of one file, with its model in it. */
import { binary, category, compile, define, fit, numeric, reference } from "@gatehouse/gatehouse";
import { handler } from "@gatehouse/gatehouse/serve";

const input = fit({ age: numeric(), job: category() }, { age: [20, 40], job: ["smith", "clerk"] });
const spec = define({ input, tasks: { click: binary() } });

/** Answers requests to the model `shop`. */
export const answer = handler({ shop: await compile(spec, { engine: reference(), seed: 7 }) });
