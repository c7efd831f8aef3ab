import { kindOf } from "../errors/kinds.ts";
import { holding, isNumber, isText, listOf, maybe, type Test } from "../errors/shapes.ts";

const numbers = listOf(isNumber);
const numberOrNull: Test = (found) => found === null || isNumber(found);

const isUse = holding({
  gate: isText,
  level: isNumber,
  stream: isText,
  experts: listOf(isText),
  mean: numbers,
  top: numbers,
  load: numbers,
  deviation: isNumber,
  entropy: numberOrNull,
  evenness: numberOrNull,
  entropyOfMean: numberOrNull,
  effective: numberOrNull,
  capacity: maybe(holding({ experts: numbers, dropped: isNumber, batch: isNumber })),
});

const isSegment = holding({
  value: (found) => found === null || isText(found),
  reserved: maybe(isText),
  rows: isNumber,
  gates: listOf(isUse),
});

const isReport = holding({
  gates: listOf(isUse),
  warnings: maybe(listOf(holding({ message: isText }))),
  by: maybe(isText),
  segments: maybe(listOf(isSegment)),
});

/**
 * Makes sure that something is a report on gates, or the part of one that is shown.
 *
 * @throws {TypeError} if it is not.
 */
export function checkReport(action: string, found: unknown): void {
  if (isReport(found)) return;
  throw new TypeError(`Cannot ${action}: wanted a report, as gateReport() returns it, found ${kindOf(found)}`);
}

/** Returns true if something is a list of the weights of gates. */
export const areWeights: Test = listOf(
  holding({ name: isText, experts: numbers, note: maybe(isText), names: maybe(listOf(isText)) }),
);

/** Returns true if something is a list of series of losses. */
export const areSeries: Test = listOf(
  holding({
    name: isText,
    task: maybe(isText),
    points: listOf(holding({ step: isNumber, loss: isNumber, low: maybe(isNumber), high: maybe(isNumber) })),
  }),
);

/** Returns true if something is a list of calibration curves by name. */
export const areCurves: Test = listOf(
  holding({ name: isText, bins: listOf(holding({ predicted: isNumber, observed: isNumber, weight: isNumber })) }),
);

/** Returns true if something is a list of charts. */
export const areCharts: Test = listOf(
  holding({ title: isText, description: isText, height: isNumber, body: isText }),
);
