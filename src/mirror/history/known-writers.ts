/** Which transactional producers of a source are lanes in history mode: their ids were allocated by the cluster and carry no prefix, so
 *  each is announced in a topic there before its first batch ("A writer is announced before it writes"). Whoever meets an unknown
 *  producer in a batch reads that topic to its end *after* that: it then holds the announcement, or there will never be one, because a
 *  cluster allocates an id once. */

import type { LaneKey } from "../offset-ports.ts";
import type { Source } from "../ports.ts";

/** Foreign producers remembered; one that is forgotten is asked about again. */
const FOREIGN_MAX = 10_000;

/** Of one source; shared by the lanes that read it. */
export class KnownWriters {
  readonly #source: Pick<Source, "laneOfWriter">;
  readonly #lanes = new Map<bigint, LaneKey>();
  readonly #foreign = new Set<bigint>();

  constructor(source: Pick<Source, "laneOfWriter">) {
    this.#source = source;
  }

  /** Whether `laneOf` can be asked about the producer. */
  knows(producerId: bigint): boolean {
    return this.#lanes.has(producerId) || this.#foreign.has(producerId);
  }

  /** Finds out about a producer whose batch was read. @throws {MirrorError} `SOURCE_UNAVAILABLE` */
  async learn(producerId: bigint): Promise<void> {
    const lane = await this.#source.laneOfWriter(producerId);
    if (lane !== undefined) {
      this.#lanes.set(producerId, lane);
      return;
    }
    const [oldest] = this.#foreign;
    if (oldest !== undefined && this.#foreign.size >= FOREIGN_MAX) this.#foreign.delete(oldest);
    this.#foreign.add(producerId);
  }

  /** The lane that the producer writes; undefined when it is none. */
  laneOf(producerId: bigint): LaneKey | undefined {
    return this.#lanes.get(producerId);
  }
}
