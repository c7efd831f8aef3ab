/** The rules by which graphs are rewritten for an engine: what pays off on it, as measured. The numbers stay the same. */
export interface Rules {
  /**
   * One-hot columns are not made where their codes have at least so many places on average: the rows of the table that
   * they are multiplied with are gathered and summed instead. See {@linkcode gather}.
   */
  readonly gatherFrom: number;
  /**
   * Only the experts that a row's gates choose are computed for it where there are at least `ratio` experts for each that
   * is chosen, and each that is chosen saves at least `saved` multiply-adds, of `size (experts / chosen - 1)` where an
   * expert's matrices have `size` elements. See {@linkcode route}.
   */
  readonly routeFrom: { readonly ratio: number; readonly saved: number };
}

/** The rules under which everything is rewritten that can be. */
export const everything: Rules = { gatherFrom: 1, routeFrom: { ratio: 0, saved: -Infinity } };

/** The rules of engines that bring none. */
export const cautious: Rules = { gatherFrom: Infinity, routeFrom: { ratio: Infinity, saved: Infinity } };
