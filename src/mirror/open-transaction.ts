/** Tells when a forgotten transaction of the source keeps new records from a lane, and whose it is. */

import type { LaneFault } from "./errors.ts";
import { HeldWatch } from "./held-watch.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import type { SourceReader } from "./ports.ts";

/** Of one lane, over all its readers. */
export class OpenTransactionWatch {
  readonly #options: LaneOptions;
  readonly #deps: LaneDeps;
  readonly #heldWatch = new HeldWatch();
  #fault: LaneFault | undefined;

  constructor(options: LaneOptions, deps: LaneDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Set while a transaction is open for longer than the lane bears. */
  get fault(): LaneFault | undefined {
    return this.#fault;
  }

  /** Takes a look, now and then; answers the fault when it is new. @throws {MirrorError} `SOURCE_UNAVAILABLE` */
  async look(reader: SourceReader | undefined): Promise<LaneFault | undefined> {
    const { source, clock, logger } = this.#deps;
    const held = reader === undefined ? undefined : this.#heldWatch.look(reader, clock.nowMs());
    if (held === undefined || clock.nowMs() - held.sinceMs < this.#options.openTransactionMs) {
      if (this.#fault !== undefined) logger.info("transaction ended");
      this.#fault = undefined;
      return undefined;
    }
    if (this.#fault !== undefined) return undefined;
    const { topic, partition } = this.#options.sourcePartition;
    const { offset, sinceMs } = held;
    const open = await source.openTransaction(this.#options.sourcePartition, offset);
    const producerId = open?.producerId ?? -1n;
    this.#fault = { code: "SOURCE_TRANSACTION_OPEN", topic, partition, offset, producerId, sinceMs };
    logger.warn("open transaction holds the lane", { offset, producerId, heldOffsets: held.offsets });
    return this.#fault;
  }
}
