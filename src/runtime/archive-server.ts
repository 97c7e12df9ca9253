/** A read-only Kafka server over the archives in one object store, with no cluster behind it.
 *
 *  ```
 *  bucket --- catalog, heads ---> topics and their extents ---> a region of one broker, read-only
 *     '------- chunks ----------> ColdReader ----------------->    '--- Fetch, ListOffsets, groups ...
 *  ```
 *  Nothing is ever written to the store. Offsets that groups commit are kept in the state directory. */

import { join } from "node:path";
import { coldStoreOver } from "../adapters/cold-store.ts";
import { coldStoreUntil } from "../adapters/cold-store-until.ts";
import { MemoryStorage } from "../adapters/memory-storage.ts";
import { EmbeddedRegion } from "../broker/embedded-region.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Endpoint, Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { Storage } from "../core/storage.ts";
import type { ChunkFigures } from "../tier/chunk-reader.ts";
import { ColdReader } from "../tier/cold-reader.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { ArchiveWatch } from "./archive-watch.ts";
import { openColdReaders } from "./cold-readers.ts";
import { lockDirectory } from "./lock-file.ts";
import { placeGroups } from "./served-groups.ts";

/** What to serve. */
export interface ArchiveServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Says of each topic whether to show it. */
  readonly wants: (topic: string) => boolean;
  /** Only what this cluster archived. */
  readonly clusterId?: string | undefined;
  /** For committed offsets and chunks; one server at a time. */
  readonly stateDirectory: string;
  /** Bytes of chunks kept on the disk; 0 keeps none, absent the default. */
  readonly cacheBytesMax?: number | undefined;
  /** How often new segments are looked for. */
  readonly refreshMs: number;
  /** Shows everything as it was then, milliseconds since the epoch, records of that millisecond included: as `tier restore --at` would
   *  restore it. Undefined: as it is, and becomes. */
  readonly atMs?: number | undefined;
}

/** What a server stands on. */
export interface ArchiveServerDeps {
  /** Stays the caller's to close. */
  readonly store: ObjectStore;
  /** Of the state directory. */
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
}

/** Serves from `open` to `close`. */
export class ArchiveServer implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly #region: EmbeddedRegion;
  readonly #reader: ColdReader;
  readonly #watch: ArchiveWatch;
  readonly #ending: AsyncDisposableStack;

  private constructor(
    parts: { readonly region: EmbeddedRegion; readonly reader: ColdReader; readonly watch: ArchiveWatch },
    ending: AsyncDisposableStack,
  ) {
    this.#region = parts.region;
    this.#reader = parts.reader;
    this.#watch = parts.watch;
    this.#ending = ending;
    const [endpoint] = parts.region.endpoints;
    this.endpoint = { host: endpoint?.host ?? "", port: endpoint?.port ?? 0 };
  }

  /** Reads the catalog, then listens. @throws {StoreError} @throws {ArchiveError} `ARCHIVE_AMBIGUOUS` among others
   *  @throws {NetworkError} `NETWORK_PORT_TAKEN` @throws {RuntimeError} `STATE_LOCKED` @throws {StorageError} */
  static async open(options: ArchiveServerOptions, deps: ArchiveServerDeps): Promise<ArchiveServer> {
    const { storage, store, clock, logger } = deps;
    await using ending = new AsyncDisposableStack();
    const lock = lockDirectory(options.stateDirectory, storage);
    ending.defer(() => lock.release());
    const { cacheBytesMax } = options;
    const directory = join(options.stateDirectory, "chunks");
    const [reader = new ColdReader(deps)] = openColdReaders([{ store, cacheBytesMax }], directory, deps);
    const { atMs } = options;
    const untilMs = atMs === undefined ? undefined : atMs + 1;
    const watch = new ArchiveWatch({ ...options, untilMs }, { store, reader, clock, logger });
    await watch.look();
    const region = await EmbeddedRegion.open(
      {
        directory: options.stateDirectory,
        brokers: 1,
        host: options.host,
        ports: [options.port],
        readOnly: `this server only reads the archive in ${store.location}`,
        ...(watch.onlyClusterId === undefined ? {} : { clusterId: watch.onlyClusterId }),
      },
      {
        ...deps,
        // Topics are what the store says at each start; only what groups committed is kept.
        storage: new MemoryStorage(),
        groupStorage: storage,
        coldStore: coldStoreUntil(
          coldStoreOver([reader], (topicId) => watch.clusterOf(topicId)),
          (partition) => watch.endOf(partition),
        ),
      },
    );
    ending.defer(() => region.close());
    watch.start((topic) => region.showArchived(topic));
    ending.defer(() => watch.close());
    if (atMs !== undefined)
      for (const clusterId of watch.clusterIds) await placeGroups(region, { clusterId, atMs }, deps);
    return new ArchiveServer({ region, reader, watch }, ending.move());
  }

  /** The cluster id that clients see: of the one cluster that is archived here, or of none. */
  get clusterId(): string {
    return this.#region.clusterId;
  }

  /** Names of topics and numbers of partitions. */
  get topics(): readonly { readonly name: string; readonly partitions: number }[] {
    return this.#region.topics().map(({ name, partitions }) => ({ name, partitions: partitions.length }));
  }

  /** What reading took so far. */
  get figures(): ChunkFigures {
    return this.#reader.figures;
  }

  /** Looks for new topics and segments now. @throws {StoreError | ArchiveError} */
  refresh(): Promise<void> {
    return this.#watch.look();
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#ending.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
