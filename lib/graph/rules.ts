/** What pays off on an engine, as measured: graphs are rewritten for it by these rules. The numbers stay the same. */
export interface Rules {
  /**
   * One-hot columns are not made where their codes have at least so many places on average: the rows of the table that
   * they are multiplied with are gathered and summed instead. See {@linkcode gathered}.
   */
  readonly gatherFrom: number;
  /**
   * Only the experts that a row's gates choose are computed for it where there are at least `ratio` experts for each that
   * is chosen, and each that is chosen saves at least `saved` multiply-adds, of `size (experts / chosen - 1)` where an
   * expert's matrices have `size` elements. To reach an expert takes as long as the products of `reach` rows with its
   * matrices. See {@linkcode routed} and {@linkcode forFewRows}.
   */
  readonly routeFrom: { readonly ratio: number; readonly saved: number; readonly reach: number };
}

/** The rules under which all is rewritten that can be. */
export const everything: Rules = { gatherFrom: 1, routeFrom: { ratio: 0, saved: -Infinity, reach: 0 } };

/** The rules of engines that bring none. */
export const cautious: Rules = { gatherFrom: Infinity, routeFrom: { ratio: Infinity, saved: Infinity, reach: 0 } };

/**
 * The rules for batches of fewer rows than it takes to reach an expert: the rows are sent where they could not reach so
 * many experts that all are computed in less time.
 */
export function forFewRows(rules: Rules): Rules {
  const { routeFrom } = rules;
  return { ...rules, routeFrom: { ...routeFrom, ratio: Math.max(routeFrom.ratio, 1 + routeFrom.reach) } };
}
