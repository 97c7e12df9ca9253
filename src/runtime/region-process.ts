/** One embedded region in this process: its brokers, its offloader, its lock and its control channel. */

import { join } from "node:path";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeNetwork } from "../adapters/node-network.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import { EmbeddedRegion } from "../broker/embedded-region.ts";
import type { SegmentInfo } from "../broker/log/segment-files.ts";
import { hasFaultCode } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Storage } from "../core/storage.ts";
import { ControlServer } from "./control-server.ts";
import { type LockFile, lockDirectory } from "./lock-file.ts";
import { identityOf } from "./process-identity.ts";
import type { RegionSpec } from "./region-spec.ts";
import { type RegionRecord, StateDirectory } from "./state-directory.ts";
import { TierRunner } from "./tier-runner.ts";

/** What a region process stands on. */
export interface RegionProcessDeps {
  readonly logger: Logger;
  /** Called once when `POST /shutdown` asks this process to end; closing is up to the caller. */
  readonly onShutdown: () => void;
}

/** Runs from `open` to `close`. */
export class RegionProcess implements AsyncDisposable {
  readonly record: RegionRecord;
  readonly #state: StateDirectory;
  readonly #parts: RegionParts;
  #closing: Promise<void> | undefined;

  private constructor(record: RegionRecord, state: StateDirectory, parts: RegionParts) {
    this.record = record;
    this.#state = state;
    this.#parts = parts;
  }

  /** Starts the region; its record is written once its brokers listen.
   *  @throws {RuntimeError} `STATE_LOCKED` @throws {NetworkError} `NETWORK_PORT_TAKEN`
   *  @throws {StorageError} when its directory cannot be used */
  static async open(spec: RegionSpec, deps: RegionProcessDeps): Promise<RegionProcess> {
    const storage = nodeStorage();
    const state = new StateDirectory({ root: spec.stateRoot, topology: spec.topology }, { storage });
    await using cleanup = new AsyncDisposableStack();
    const lock = lockDirectory(state.dataPath(spec.region), storage);
    cleanup.defer(() => lock.release());
    const tier = await TierRunner.open(spec, {
      ...deps,
      statePath: state.path,
      clock: nodeClock(),
      random: nodeRandom(),
    });
    cleanup.defer(() => tier.close());
    const region = await openRegion(spec, { state, storage, tier, logger: deps.logger });
    cleanup.defer(() => region.close());
    tier.start(region);
    const record = recordOf(spec, region, state);
    const server = await ControlServer.open(
      record.socketPath,
      routes(record, { region, tier, onShutdown: deps.onShutdown }),
    );
    cleanup.defer(() => server.close());
    state.writeRegion(record);
    cleanup.move();
    return new RegionProcess(record, state, { lock, tier, region, server });
  }

  /** Stops in order: nobody finds it any more, offloading ends, brokers close and flush, the lock is free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { lock, tier, region, server } = this.#parts;
    this.#state.forget(`region.${this.record.region}`);
    await tier.close();
    await region.close();
    lock.release();
    await server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

interface RegionParts {
  readonly lock: LockFile;
  readonly tier: TierRunner;
  readonly region: EmbeddedRegion;
  readonly server: ControlServer;
}

interface OpenDeps {
  readonly state: StateDirectory;
  readonly storage: Storage;
  readonly tier: TierRunner;
  readonly logger: Logger;
}

/** Listens on the wanted ports; without a wish on those of the last time, so that clients find the region again, or on any. */
async function openRegion(spec: RegionSpec, deps: OpenDeps): Promise<EmbeddedRegion> {
  const { port, brokers } = spec;
  const portsPath = join(deps.state.path, "data", `${spec.region}.ports`);
  if (port !== undefined) {
    return openOn(
      spec,
      deps,
      Array.from({ length: brokers }, (_, index) => port + index),
    );
  }
  const remembered = deps.state.readJson<readonly number[]>(portsPath);
  if (remembered?.length === brokers) {
    try {
      return await openOn(spec, deps, remembered);
    } catch (error) {
      if (!hasFaultCode(error, "NETWORK_PORT_TAKEN")) throw error;
    }
  }
  const region = await openOn(spec, deps, undefined);
  const ports = region.endpoints.map((endpoint) => endpoint.port);
  deps.storage.writeFile(portsPath, Buffer.from(JSON.stringify(ports)));
  return region;
}

function openOn(spec: RegionSpec, deps: OpenDeps, ports: readonly number[] | undefined): Promise<EmbeddedRegion> {
  return EmbeddedRegion.open(
    {
      brokers: spec.brokers,
      host: spec.host,
      directory: deps.state.dataPath(spec.region),
      ...(ports === undefined ? {} : { ports }),
      topicDefaults: spec.topicDefaults,
      brokerConfigs: {
        "num.partitions": String(spec.partitions),
        "default.replication.factor": String(spec.replicationFactor),
      },
    },
    {
      storage: deps.storage,
      clock: nodeClock(),
      random: nodeRandom(),
      network: nodeNetwork(),
      logger: deps.logger,
      ...(deps.tier.coldStore === undefined ? {} : { coldStore: deps.tier.coldStore }),
    },
  );
}

function recordOf(spec: RegionSpec, region: EmbeddedRegion, state: StateDirectory): RegionRecord {
  return {
    region: spec.region,
    process: identityOf(),
    clusterId: region.clusterId,
    brokers: region.endpoints,
    socketPath: state.socketPath(`region.${spec.region}`),
    startedMs: nodeClock().nowMs(),
  };
}

interface RouteDeps {
  readonly region: EmbeddedRegion;
  readonly tier: TierRunner;
  readonly onShutdown: () => void;
}

function routes(record: RegionRecord, { region, tier, onShutdown }: RouteDeps) {
  return {
    "GET /status": () => ({ ...record, runningBrokers: region.runningBrokers, tier: tier.status }),
    "POST /brokers/:id/stop": ([id]: readonly string[]) => region.stopBroker(Number(id)),
    "POST /brokers/:id/start": ([id]: readonly string[]) => region.startBroker(Number(id)),
    "GET /tier/segments/:topic/:partition": ([topic, index]: readonly string[]) => ({
      segments:
        region
          .partitionLog(topic ?? "", Number(index))
          ?.closedSegments()
          .map(segmentFacts) ?? [],
    }),
    "POST /tier/offload": async () => ({ ...(await tier.offloadNow()), cold: coldRanges(region) }),
    // Answers first: the caller waits for the answer, then for the process.
    "POST /shutdown": () => void setImmediate(onShutdown),
  };
}

/** A closed segment of a region's log, as its control channel tells it. */
export interface SegmentFacts {
  readonly baseOffset: string;
  readonly nextOffset: string;
  readonly sizeBytes: number;
  readonly maxTimestampMs: number;
}

function segmentFacts({ baseOffset, nextOffset, sizeBytes, maxTimestampMs }: SegmentInfo): SegmentFacts {
  const offsets = { baseOffset: String(baseOffset), nextOffset: String(nextOffset) };
  return { ...offsets, sizeBytes, maxTimestampMs: Number(maxTimestampMs) };
}

/** Offsets that brokers hold only in the object store. */
export interface ColdRange {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: bigint;
  /** The last offset in it. */
  readonly lastOffset: bigint;
}

function coldRanges(region: EmbeddedRegion): readonly ColdRange[] {
  return region.topics().flatMap(({ name, partitions }) =>
    partitions
      .filter(({ log }) => log.localStartOffset > log.startOffset)
      .map(({ index, log }) => ({
        topic: name,
        partition: index,
        baseOffset: log.startOffset,
        lastOffset: log.localStartOffset - 1n,
      })),
  );
}
