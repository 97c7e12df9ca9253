/** Elections and changes of in-sync sets: each is on record before a partition takes it over. */

import type { Logger } from "../core/logger.ts";
import { StorageError } from "../core/storage.ts";
import { type ElectionRules, electedState, type PartitionState, preferredState } from "./election.ts";
import type { Partition } from "./partition.ts";

/** What elections stand on. */
export interface LeadershipDeps {
  readonly partitions: () => Iterable<Partition>;
  readonly isRunning: (brokerId: number) => boolean;
  /** Puts all changes on record in one write. @throws {StorageError} */
  readonly record: (changes: readonly (readonly [Partition, PartitionState])[]) => void;
  readonly logger: Logger;
}

/** Decides for all partitions of a region. */
export class Leadership {
  readonly #prefersFirstReplica: boolean;
  readonly #deps: LeadershipDeps;
  #mustElect = false;

  constructor(options: { readonly prefersFirstReplica: boolean }, deps: LeadershipDeps) {
    this.#prefersFirstReplica = options.prefersFirstReplica;
    this.#deps = deps;
  }

  /** True after an election that found no room on the disk. */
  get mustElect(): boolean {
    return this.#mustElect;
  }

  /** As `elect`; on a full disk leaders stay as they are, to be elected later. */
  tryElect(): void {
    try {
      this.elect();
      this.#mustElect = false;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#mustElect = true;
      this.#deps.logger.error("could not elect leaders", { error: error.message });
    }
  }

  /** Brings every partition's leader and in-sync set in line with the brokers that run. @throws {StorageError} */
  elect(): void {
    const changes: [Partition, PartitionState][] = [];
    for (const partition of this.#deps.partitions()) {
      const next = electedState(partition.state, this.#rules(partition));
      if (next !== partition.state) changes.push([partition, next]);
    }
    if (changes.length === 0) return;
    this.#deps.record(changes);
    for (const [partition, next] of changes) partition.adopt(next);
    const moved = changes.filter(([, next]) => next.leaderId >= 0).length;
    this.#deps.logger.info("elected leaders", { moved, leaderless: changes.length - moved });
  }

  /** Takes over an in-sync set that a partition proposes. On a full disk the set stays as it is on record, and the next
   *  append or fetch proposes again. */
  propose(partition: Partition, next: PartitionState): void {
    this.#change(partition, next);
    if (!this.#prefersFirstReplica) return;
    const preferred = preferredState(partition.state, this.#rules(partition));
    // A leader changes for preference only when the preferred replica lacks nothing: acks=1 data must not go for it.
    if (partition.replicaNext(preferred.leaderId) === partition.log.endOffset) this.#change(partition, preferred);
  }

  #change(partition: Partition, next: PartitionState): void {
    if (next === partition.state) return;
    try {
      this.#deps.record([[partition, next]]);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not change the in-sync set", { error: error.message });
      return;
    }
    partition.adopt(next);
  }

  #rules(partition: Partition): ElectionRules {
    return { isRunning: this.#deps.isRunning, uncleanElection: partition.settings.uncleanElection };
  }
}
