/** A region of the world: an embedded region that can crash and come back on what its disk kept. */

import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import type { Clock } from "../../src/core/clock.ts";
import { TributaryError, toError } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { Endpoint, Network } from "../../src/core/network.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import type { RegionName, Shape } from "./plan.ts";

/** Ports of the brokers: fixed, because a region comes back on the same ones. */
const FIRST_PORTS: Readonly<Record<RegionName, number>> = { east: 9_101, west: 9_201 };
/** Replicas leave the in-sync set after this long; a tenth of Kafka's default, so that elections fit into a run. */
const REPLICA_LAG_MS = 600;
/** How often brokers look for producers to forget. */
const EXPIRY_CHECK_MS = 1_000;
/** How often everything is brought to the disk: a crash of the machine loses what came later. */
const FLUSH_MS = 500;

/** What a region stands on. */
export interface SimRegionDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Decides how much of what was not synced survives. */
  readonly crashRandom: Random;
  readonly network: Network;
  readonly logger: Logger;
}

/** Up or down. */
export class SimRegion {
  readonly name: RegionName;
  readonly disk = new MemoryStorage();
  readonly #shape: Shape;
  readonly #deps: SimRegionDeps;
  #region: EmbeddedRegion | undefined;

  constructor(name: RegionName, shape: Shape, deps: SimRegionDeps) {
    this.name = name;
    this.#shape = shape;
    this.#deps = deps;
  }

  /** Opens the region on what is on its disk. */
  async start(): Promise<void> {
    const { clock, random, network, logger } = this.#deps;
    const deps = { storage: this.disk, clock, random, network, logger };
    this.#region = await EmbeddedRegion.open(this.#options, deps);
  }

  /** The region; undefined while it is down. */
  get up(): EmbeddedRegion | undefined {
    return this.#region;
  }

  /** The region that is up. */
  get embedded(): EmbeddedRegion {
    if (this.#region === undefined) throw new Error(`region ${this.name} is down`);
    return this.#region;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#options.ports.map((port) => ({ host: this.name, port }));
  }

  /** The process dies and all its connections with it; of unsynced bytes everything survives, or any part. */
  async crash(keeps: "written" | "synced"): Promise<void> {
    const region = this.#region;
    if (region === undefined) return;
    this.#region = undefined;
    const { crashRandom } = this.#deps;
    this.disk.crash(({ syncedBytes, sizeBytes }) =>
      keeps === "written" ? sizeBytes : syncedBytes + randomInt(crashRandom, sizeBytes - syncedBytes + 1),
    );
    // The handles died with the process: what the old region still tries fails, as it must.
    await region.close().catch((error: unknown) => {
      if (!(error instanceof TributaryError)) throw toError(error);
    });
  }

  async close(): Promise<void> {
    await this.#region?.close();
    this.#region = undefined;
  }

  get #options() {
    const { brokers, followDelayMs, uncleanElections, expirationMs } = this.#shape;
    const count = brokers[this.name];
    return {
      directory: `/${this.name}`,
      clusterId: `cluster-${this.name}`,
      host: this.name,
      brokers: count,
      ports: Array.from({ length: count }, (_, i) => FIRST_PORTS[this.name] + i),
      followDelayMs,
      flushIntervalMs: FLUSH_MS,
      topicDefaults: { "unclean.leader.election.enable": String(uncleanElections) },
      brokerConfigs: {
        "replica.lag.time.max.ms": String(REPLICA_LAG_MS),
        "producer.id.expiration.ms": String(expirationMs),
        "producer.id.expiration.check.interval.ms": String(EXPIRY_CHECK_MS),
      },
    };
  }
}
