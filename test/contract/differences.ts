/** Where the embedded region answers differently from Apache Kafka on purpose. Everything else that differs is a bug:
 *  the suite fails on a difference that is not listed here, and on an entry here that no longer differs. */

/** Fields of one case that are meant to differ. */
export interface Difference {
  /** Name of the case. */
  readonly case: string;
  /** Labels of the answers concerned. */
  readonly label: RegExp;
  /** Paths of the fields concerned. */
  readonly path: RegExp;
  /** Why it is so, and why no client minds. */
  readonly reason: string;
}

/** All of them. */
export const DIFFERENCES: readonly Difference[] = [
  {
    case: "records of an open transaction may be deleted, and the last stable offset stays in the log",
    label: /^open$/,
    path: /lastStableOffset$/,
    reason:
      "Kafka answers the base of the batch that holds the log's start, an offset that it does not serve any more; ours is the start",
  },
];
