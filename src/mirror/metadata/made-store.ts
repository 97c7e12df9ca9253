/** Keeps what mirrors have made on a target; see topology/made.ts for what is kept and when. */

import type { MadeRecord } from "../../topology/made.ts";

/** One target's records, shared by all workers. Implemented by the adapter over the target's internal topic. */
export interface MadeStore {
  /** All records now, other workers' included. Rejects when the target does not answer. */
  list(): Promise<readonly MadeRecord[]>;
  /** Resolves when all are stored by all in-sync replicas; harmless to repeat. */
  put(records: readonly MadeRecord[]): Promise<void>;
  /** Forgets facts; harmless to repeat. */
  remove(records: readonly MadeRecord[]): Promise<void>;
}
