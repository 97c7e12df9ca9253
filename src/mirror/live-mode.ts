/** Live mode: the derived producer id, sequence = position, and the target's memory of it. Also carries at-least-once lanes, which
 *  use no producer id at all. */

import { assertInvariant } from "../core/errors.ts";
import { type BatchView, NO_PRODUCER_ID, stampBatch } from "../wire/record-batch.ts";
import { IN_FLIGHT_MAX } from "./ack-window.ts";
import { type CopyContext, type CopyMode, publish, publishSkipped, type Sent } from "./copy-mode.ts";
import { MirrorError, type TargetFault } from "./errors.ts";
import { later } from "./offset-order.ts";
import type { AppendOutcome } from "./ports.ts";
import { sequenceOf } from "./target-scan.ts";

/** Earlier than any record. */
const NEVER_MS = -(2n ** 63n);

/** See the file's comment. */
export class LiveMode implements CopyMode {
  readonly #context: CopyContext;
  readonly #isExactlyOnce: boolean;
  /** Of the leader that takeover looked at: what goes to another one is refused ("No batch follows a look at another leader"). */
  readonly #targetEpoch: number;
  /** Until when the target surely remembers the producer. */
  #trustedUntilMs: number;
  /** Older batches do not fit into live mode; it leaves half of the expiration for the way to the target and back. */
  #liveMs = NEVER_MS;
  /** The target's retention takes older ones. */
  #keptMs = NEVER_MS;

  constructor(context: CopyContext) {
    const { options, deps, limits } = context;
    this.#context = context;
    this.#isExactlyOnce = options.delivery === "exactly-once";
    this.#targetEpoch = deps.target.history?.leaderEpoch(options.targetPartition) ?? -1;
    this.#trustedUntilMs = deps.clock.nowMs() + limits.producerIdExpirationMs / 2;
  }

  /** Without idempotence nothing but one batch at a time keeps the order when one of them fails. */
  get inFlightMax(): number {
    const { deps, isAlone } = this.#context;
    if (!this.#isExactlyOnce) return 1;
    return isAlone() ? (deps.hooks?.inFlightAlone ?? 1) : IN_FLIGHT_MAX;
  }

  beginChunk(): void {
    const { deps, limits } = this.#context;
    const nowMs = deps.clock.nowMs();
    if (this.#isExactlyOnce) this.#liveMs = BigInt(Math.floor(nowMs - limits.producerIdExpirationMs / 2));
    if (limits.retentionMs !== undefined) this.#keptMs = BigInt(Math.floor(nowMs - limits.retentionMs));
  }

  admit({ maxTimestamp, baseOffset }: BatchView): void {
    if (maxTimestamp >= later(this.#keptMs, this.#liveMs)) return;
    const { options, limits, counts } = this.#context;
    if (maxTimestamp < this.#keptMs) counts.expiredBatches++;
    if (maxTimestamp >= this.#liveMs) return;
    const { topic, partition } = options.sourcePartition;
    const { producerIdExpirationMs } = limits;
    const at = { topic, partition, offset: baseOffset };
    throw new MirrorError({ code: "HISTORY_NEEDED", ...at, maxTimestampMs: maxTimestamp, producerIdExpirationMs });
  }

  /** A lane that was idle (or its process frozen) for long may have been forgotten by the target: that is a doubt. */
  prepare(): undefined {
    if (this.#isExactlyOnce && this.#context.deps.clock.nowMs() > this.#trustedUntilMs)
      throw new MirrorError(this.#doubt("the target may have forgotten the producer"));
  }

  send(batch: BatchView, position: bigint): Promise<AppendOutcome> {
    const { deps, options } = this.#context;
    this.#stamp(batch, position);
    return deps.target.append(options.targetPartition, batch);
  }

  #stamp(batch: BatchView, position: bigint): void {
    if (!this.#isExactlyOnce) {
      stampBatch(batch, { producerId: NO_PRODUCER_ID, producerEpoch: -1, baseSequence: -1 });
      return;
    }
    const { producerId } = this.#context.options;
    const { era } = this.#context.memory;
    assertInvariant(producerId >= 0n && era.epoch >= 0, "Exactly-once batches carry a producer id and an epoch");
    stampBatch(batch, { producerId, producerEpoch: era.epoch, baseSequence: sequenceOf(position, era) });
  }

  acked(sent: Sent, baseOffset: bigint): TargetFault | undefined {
    const { memory, limits } = this.#context;
    if (baseOffset < memory.map.progress.targetNext) return this.#doubt("acknowledged at an offset that is taken");
    publish(this.#context, sent, baseOffset, this.#targetEpoch);
    const trustedMs = sent.maxTimestampMs + limits.producerIdExpirationMs / 2;
    this.#trustedUntilMs = Math.max(this.#trustedUntilMs, trustedMs);
    this.#context.onAck();
    this.#context.onProgress();
    return undefined;
  }

  passed(nextOffset: bigint, leaderEpoch: number): void {
    publishSkipped(this.#context, nextOffset, leaderEpoch);
  }

  isTurnDue(): boolean {
    return false;
  }

  turnsInMs(): undefined {
    return undefined;
  }

  async turn(): Promise<boolean> {
    return false;
  }

  async finish(): Promise<void> {}

  #doubt(why: string): TargetFault {
    const { topic, partition } = this.#context.options.targetPartition;
    return { code: "TARGET_DOUBT", topic, partition, why };
  }
}
