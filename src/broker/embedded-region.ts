/** An embedded region: a Kafka cluster of several brokers inside one process, for development, tests and rehearsal.
 *
 *  It is a one-machine cluster by intent: every partition has one log on disk, its replicas are positions in it. */

import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Endpoint, Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { Storage } from "../core/storage.ts";
import { BrokerNode } from "./broker-node.ts";
import { type ArchivedTopic, Cluster, type Topic } from "./cluster.ts";
import { Dispatcher } from "./dispatch.ts";
import { RegionError } from "./errors.ts";
import { Faults } from "./faults.ts";
import { FetchSessions } from "./fetch-sessions.ts";
import { GroupCoordinator } from "./groups/coordinator.ts";
import { OffsetStore } from "./groups/offset-store.ts";
import { HANDLERS } from "./handlers.ts";
import type { PartitionLog } from "./log/partition-log.ts";
import { Maintenance } from "./maintenance.ts";
import type { Partition } from "./partition.ts";
import type { ColdStore } from "./ports.ts";
import { readOnlyHandlers } from "./read-only.ts";
import { type RegionOptions, type ResolvedRegionOptions, resolvedOptions } from "./region-options.ts";
import { BrokerServer } from "./server.ts";
import { TransactionCoordinator } from "./transactions/coordinator.ts";

/** What a region stands on. */
export interface RegionDeps {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  /** Asked for offsets whose local segments are gone. */
  readonly coldStore?: ColdStore;
  /** Keeps the offsets of groups, when they are to outlive the rest. Default: `storage`, as everything else. */
  readonly groupStorage?: Storage;
}

/** Where one broker is reached. */
export interface BrokerEndpoint extends Endpoint {
  readonly brokerId: number;
}

interface Parts {
  readonly options: ResolvedRegionOptions;
  readonly deps: RegionDeps;
  readonly nodes: ReadonlyMap<number, BrokerNode>;
  readonly cluster: Cluster;
  readonly store: OffsetStore;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
}

/** Open from `open` to `close`. Brokers may be stopped and started meanwhile. */
export class EmbeddedRegion {
  /** Scripted misbehaviour, for all brokers. */
  readonly faults = new Faults();
  readonly #parts: Parts;
  readonly #fetchSessions: FetchSessions;
  readonly #dispatcher: Dispatcher;
  readonly #servers = new Map<number, BrokerServer>();
  /** Brokers that are about to listen: who starts one twice waits for the same start. */
  readonly #starting = new Map<number, Promise<void>>();
  readonly #maintenance: Maintenance;
  #isClosed = false;

  private constructor(parts: Parts) {
    const { cluster, groups, transactions, deps, options } = parts;
    const { clock, random, logger, coldStore } = deps;
    this.#parts = parts;
    this.#fetchSessions = new FetchSessions(random);
    const stateful = { cluster, groups, transactions, fetchSessions: this.#fetchSessions };
    const handlers = options.readOnly === undefined ? HANDLERS : readOnlyHandlers(HANDLERS, options.readOnly);
    this.#dispatcher = new Dispatcher(
      handlers,
      { ...stateful, handlers, coldStore, clock, random, logger },
      this.faults,
    );
    this.#maintenance = new Maintenance(options, {
      ...{ cluster, groups, transactions, clock, logger },
      sync: () => this.sync(),
    });
  }

  /** Recovers what is in the directory and starts every broker.
   *  @throws {RegionError} `REGION_JOURNAL_CORRUPT`, `REGION_CLUSTER_MISMATCH`, `REGION_BAD_SETTING`
   *  @throws {NetworkError} `NETWORK_PORT_TAKEN`, `NETWORK_PORT_DENIED` @throws {StorageError} */
  static async open(options: RegionOptions, deps: RegionDeps): Promise<EmbeddedRegion> {
    const resolved = resolvedOptions(options);
    const { host, ports, directory, followDelayMs } = resolved;
    const nodes = new Map(
      ports.map((port, i) => [i + 1, new BrokerNode(i + 1, { host, port }, followDelayMs)] as const),
    );
    deps.storage.makeDirectory(directory);
    const cluster = Cluster.open({ ...resolved, brokers: nodes }, deps);
    const groupStorage = deps.groupStorage ?? deps.storage;
    groupStorage.makeDirectory(directory);
    const store = OffsetStore.open(`${directory}/groups.journal`, { ...deps, storage: groupStorage });
    const groups = new GroupCoordinator({ ...deps, cluster, store });
    const transactions = TransactionCoordinator.open(`${directory}/transactions.journal`, {
      ...{ ...deps, cluster },
      endOffsets: (end) => groups.endTransaction(end),
    });
    const region = new EmbeddedRegion({ options: resolved, deps, nodes, cluster, store, groups, transactions });
    try {
      for (const id of nodes.keys()) await region.#listen(id);
      region.#brokersChanged([...nodes.keys()], true);
    } catch (error) {
      await region.close();
      throw error;
    }
    return region;
  }

  get clusterId(): string {
    return this.#parts.cluster.clusterId;
  }
  /** Where each broker is reached, running or not, in order of id. */
  get endpoints(): readonly BrokerEndpoint[] {
    return [...this.#parts.nodes].map(([brokerId, { endpoint }]) => ({ brokerId, ...endpoint }));
  }
  /** Brokers that run, in order of id. */
  get runningBrokers(): readonly number[] {
    return [...this.#parts.nodes.values()].filter((node) => node.isRunning).map((node) => node.id);
  }
  /** Topics as they are now. */
  topics(): readonly Topic[] {
    return this.#parts.cluster.topics();
  }
  /** A partition with its leader, in-sync set and high watermark. */
  partition(topic: string, index: number): Partition | undefined {
    return this.#parts.cluster.partition(topic, index);
  }
  /** The only log of a partition. */
  partitionLog(topic: string, index: number): PartitionLog | undefined {
    return this.partition(topic, index)?.log;
  }
  /** Shows a topic whose records are all in the cold store, or what is new of it. For read-only regions, once they are open.
   *  @throws {Refusal} INVALID_TOPIC_EXCEPTION when its name collides with another topic's */
  showArchived(topic: ArchivedTopic): void {
    this.#parts.cluster.showArchived(topic);
  }
  /** The broker that keeps a group; -1 when none runs. */
  coordinatorOf(groupId: string): number {
    return this.#parts.groups.coordinatorOf(groupId);
  }
  /** The broker that keeps a transactional id; -1 when none runs. */
  transactionCoordinatorOf(transactionalId: string): number {
    return this.#parts.transactions.coordinatorOf(transactionalId);
  }
  /** What the region does by itself, for those who cannot wait for its timers. */
  get maintenance(): Pick<Maintenance, "applyRetention" | "expireProducers" | "dropLaggards" | "endLateTransactions"> {
    return this.#maintenance;
  }

  /** Stops one broker as a crash would: its connections are cut, other replicas in sync take over its partitions.
   *  Nothing happens when it is stopped. @throws {RegionError} `REGION_UNKNOWN_BROKER` */
  async stopBroker(brokerId: number): Promise<void> {
    this.#node(brokerId);
    const server = this.#servers.get(brokerId);
    if (server === undefined) return;
    this.#servers.delete(brokerId);
    // Cutting comes first: nobody may hear of what happens to the partitions from the broker that is gone.
    const closing = server.close();
    this.#fetchSessions.forget(brokerId);
    this.#brokersChanged([brokerId], false);
    await closing;
  }

  /** Starts a stopped broker on its former port; its replicas catch up and then count as in sync.
   *  @throws {RegionError} `REGION_UNKNOWN_BROKER`, `REGION_CLOSED` @throws {NetworkError} when the port was taken meanwhile */
  async startBroker(brokerId: number): Promise<void> {
    this.#node(brokerId);
    if (this.#isClosed) throw new RegionError({ code: "REGION_CLOSED", clusterId: this.clusterId });
    if (this.#servers.has(brokerId)) return;
    const starting = this.#starting.get(brokerId) ?? this.#start(brokerId);
    this.#starting.set(brokerId, starting);
    await starting.finally(() => this.#starting.delete(brokerId));
  }

  async #start(brokerId: number): Promise<void> {
    await this.#listen(brokerId);
    this.#brokersChanged([brokerId], true);
  }

  /** Changes how a broker's replicas follow: `held` ones fetch nothing while the broker goes on serving clients. */
  setFollowing(brokerId: number, following: { readonly delayMs?: number; readonly isHeld?: boolean }): void {
    const node = this.#node(brokerId);
    node.followDelayMs = following.delayMs ?? node.followDelayMs;
    node.isHeld = following.isHeld ?? node.isHeld;
    this.#parts.cluster.brokersChanged();
  }

  /** Waits until everything is on the disk. */
  async sync(): Promise<void> {
    await this.#parts.cluster.sync();
    await this.#parts.store.sync();
    await this.#parts.transactions.sync();
  }

  /** Cuts all connections and closes the files. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#maintenance.close();
    await Promise.all([...this.#servers.values()].map((server) => server.close()));
    this.#servers.clear();
    this.#parts.groups.close();
    this.#parts.transactions.close();
    await this.#parts.cluster.close();
    this.#parts.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #node(brokerId: number): BrokerNode {
    const node = this.#parts.nodes.get(brokerId);
    if (node === undefined)
      throw new RegionError({ code: "REGION_UNKNOWN_BROKER", brokerId, brokers: this.#parts.nodes.size });
    return node;
  }

  async #listen(brokerId: number): Promise<void> {
    const { cluster, deps } = this.#parts;
    const node = this.#node(brokerId);
    const server = await BrokerServer.open(
      {
        brokerId,
        endpoint: node.endpoint,
        frameBytesMax: cluster.brokerNumber("socket.request.max.bytes"),
        connectionsMax: cluster.brokerNumber("max.connections"),
      },
      { network: deps.network, dispatcher: this.#dispatcher, logger: deps.logger.child({ brokerId }) },
    );
    // A free port is chosen once; clients know it from then on.
    node.endpoint = { host: node.endpoint.host, port: server.endpoint.port };
    this.#servers.set(brokerId, server);
  }

  #brokersChanged(brokerIds: readonly number[], isRunning: boolean): void {
    for (const id of brokerIds) this.#node(id).isRunning = isRunning;
    this.#parts.deps.logger.info(isRunning ? "brokers started" : "brokers stopped", { brokers: brokerIds.join(",") });
    this.#parts.cluster.brokersChanged();
    this.#parts.groups.brokersChanged();
    this.#parts.transactions.brokersChanged();
  }
}
