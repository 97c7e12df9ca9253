/** What a region does by itself from time to time: retention, expiry, laggards, late transactions, flushing. */

import type { Clock, Timer } from "../core/clock.ts";
import { TributaryError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Cluster } from "./cluster.ts";
import type { GroupCoordinator } from "./groups/coordinator.ts";
import type { TransactionCoordinator } from "./transactions/coordinator.ts";

/** Groups expire after days; looking every ten minutes is Kafka's own interval. */
const GROUP_CHECK_MS = 600_000;

/** Longest delay of one timer; Node's own limit is 2^31 - 1 ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What maintenance looks after. */
export interface MaintenanceDeps {
  readonly cluster: Cluster;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Brings everything to the disk. */
  readonly sync: () => Promise<void>;
}

/** Runs until closed. */
export class Maintenance {
  readonly #deps: MaintenanceDeps;
  readonly #timers = new Map<string, Timer>();
  #isClosed = false;

  /** Starts all timers; `flushIntervalMs` undefined leaves writing out to the operating system, as Kafka does. */
  constructor(options: { readonly flushIntervalMs: number | undefined }, deps: MaintenanceDeps) {
    this.#deps = deps;
    const { cluster } = deps;
    this.#every("laggards", cluster.brokerNumber("replica.lag.time.max.ms") / 2, () => this.dropLaggards());
    this.#every("retention", cluster.brokerNumber("log.retention.check.interval.ms"), () => this.applyRetention());
    this.#every("producers", cluster.brokerNumber("producer.id.expiration.check.interval.ms"), () =>
      this.expireProducers(),
    );
    this.#every("groups", GROUP_CHECK_MS, () => deps.groups.expire(deps.clock.nowMs()));
    const lateCheckMs = cluster.brokerNumber("transaction.abort.timed.out.transaction.cleanup.interval.ms");
    this.#every("late transactions", lateCheckMs, () => this.endLateTransactions());
    const idCheckMs = cluster.brokerNumber("transaction.remove.expired.transaction.cleanup.interval.ms");
    this.#every("transactional ids", idCheckMs, () => deps.transactions.expire());
    if (options.flushIntervalMs !== undefined) this.#every("flush", options.flushIntervalMs, () => this.#flush());
  }

  /** Takes replicas that lag too long out of the in-sync sets, and elects leaders that could not be elected before. */
  dropLaggards(): void {
    this.#deps.cluster.retryElection();
    const lagMs = this.#deps.cluster.brokerNumber("replica.lag.time.max.ms");
    const nowMs = this.#deps.clock.monotonicMs();
    for (const topic of this.#deps.cluster.topics()) {
      for (const partition of topic.partitions) partition.dropLaggards(nowMs, lagMs);
    }
  }

  /** Deletes segments past time or size; one full disk must not keep the other logs from being cut. */
  applyRetention(): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const topic of this.#deps.cluster.topics()) {
      for (const partition of topic.partitions) {
        try {
          partition.log.applyRetention(nowMs, { highWatermark: partition.highWatermark });
        } catch (error) {
          if (!(error instanceof TributaryError)) throw error;
          this.#deps.logger.error("retention failed", {
            topic: topic.name,
            partition: partition.index,
            error: error.message,
          });
        }
      }
    }
  }

  /** Forgets producers whose last record is older than `producer.id.expiration.ms`. */
  expireProducers(): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const topic of this.#deps.cluster.topics()) {
      for (const partition of topic.partitions) partition.log.expireProducers(nowMs);
    }
  }

  /** Aborts transactions that are open for longer than their writers asked for. */
  endLateTransactions(): void {
    this.#deps.transactions.abortLate();
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #flush(): void {
    this.#deps.sync().catch((error: unknown) => {
      if (!(error instanceof TributaryError)) throw error;
      if (!this.#isClosed) this.#deps.logger.error("flush failed", { error: error.message });
    });
  }

  #every(name: string, intervalMs: number, run: () => void): void {
    if (this.#isClosed) return;
    const delayMs = Math.min(Math.max(1, intervalMs), TIMER_MS_MAX);
    const timer = this.#deps.clock.after(delayMs, () => {
      try {
        run();
      } catch (error) {
        // A full disk now may have room at the next turn.
        if (!(error instanceof TributaryError)) throw error;
        this.#deps.logger.error("maintenance failed", { what: name, error: error.message });
      }
      this.#every(name, intervalMs, run);
    });
    this.#timers.set(name, timer);
  }
}
