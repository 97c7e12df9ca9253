/** Starts the embedded regions of a topology, each a process, and makes them the world of the main job. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { LogLevel } from "../adapters/pino-logger.ts";
import { control } from "../runtime/control-client.ts";
import { regionSpec } from "../runtime/region-spec.ts";
import type { RegionRecord, StateDirectory } from "../runtime/state-directory.ts";
import { startRegions, stopRegion } from "../runtime/supervisor.ts";
import type { Topology } from "../topology/model.ts";
import type { ColdRange } from "./check-cold.ts";
import { QuickstartError } from "./errors.ts";
import { mirrorWorld } from "./mirror-world.ts";
import type { RegionAccess } from "./region-access.ts";
import type { MainJobWorld, OffloadResult, WorkerProcess } from "./world.ts";

/** Where and how the regions run. */
export interface EmbeddedWorldOptions {
  readonly topology: Topology;
  readonly topologyFile: string;
  readonly state: StateDirectory;
  readonly stateRoot: string;
  /** The region that all others flow into. */
  readonly target: string;
  /** False: the regions may live on when this process ends. */
  readonly attached: boolean;
  readonly logLevel: LogLevel;
  readonly onReady: (ready: number, all: number) => void;
}

/** Regions that run, as a world. */
export interface EmbeddedWorld {
  readonly world: MainJobWorld;
  readonly records: readonly RegionRecord[];
  /** Stops every region, and the worker if it still runs. Idempotent. */
  close(): Promise<void>;
  /** Lets the regions live on when this process ends. */
  release(): void;
}

/** Starts all regions. @throws {TributaryError} what kept one from starting; the others are stopped then */
export async function openEmbeddedWorld(options: EmbeddedWorldOptions): Promise<EmbeddedWorld> {
  const { topology, state, stateRoot, attached, logLevel } = options;
  const specs = topology.regions.map((region) => regionSpec(topology, region, { stateRoot, attached, logLevel }));
  let ready = 0;
  const regions = await startRegions(specs, state, () => options.onReady(++ready, specs.length));
  const records = regions.map(({ record }) => record);
  const targetRecord = records.find(({ region }) => region === options.target);
  const sources = records.filter((record) => record !== targetRecord).map(accessOf);
  if (targetRecord === undefined) throw new RangeError(`no region ${options.target}`);
  const broker = targetRecord.brokers.at(-1)?.brokerId ?? 0;
  const command = (path: string): Promise<unknown> => control(targetRecord.socketPath, { method: "POST", path });
  const mirrored = mirrorWorld({
    topology,
    topologyFile: options.topologyFile,
    state,
    stateRoot,
    sources,
    target: accessOf(targetRecord),
    stopTargetBroker: async () => void (await command(`/brokers/${broker}/stop`)),
    startTargetBroker: async () => void (await command(`/brokers/${broker}/start`)),
    offload: () => offload(targetRecord, state),
  });
  let worker: Promise<WorkerProcess> | undefined;
  let isClosed = false;
  const startWorker = async (): Promise<WorkerProcess> => {
    // A job that was interrupted may still want a worker; nobody would end it any more.
    if (isClosed) throw new QuickstartError({ code: "QUICKSTART_ENDING" });
    worker = mirrored.startWorker();
    return worker;
  };
  return {
    world: { ...mirrored, startWorker },
    records,
    close: async () => {
      isClosed = true;
      await worker?.then(
        (started) => started.kill(),
        () => undefined, // told to whoever started it
      );
      await Promise.all(records.map(stopRegion));
    },
    release: () => {
      for (const region of regions) region.release();
    },
  };
}

function accessOf(record: RegionRecord): RegionAccess {
  return { region: record.region, bootstrap: record.brokers.map(({ host, port }) => `${host}:${port}`) };
}

interface TierStatus {
  readonly tier: { readonly segmentsOffloaded: number; readonly bytesOffloaded: number };
}

/** Offloads what is closed by now; passes that ran by themselves count too, so the figures come from the status. */
async function offload(target: RegionRecord, state: StateDirectory): Promise<OffloadResult> {
  await control(target.socketPath, { method: "POST", path: "/tier/offload" });
  const { tier } = await control<TierStatus>(target.socketPath, { method: "GET", path: "/status" });
  const ranges = missingLocally(join(state.dataPath(target.region), "logs"));
  return { segments: tier.segmentsOffloaded, bytes: tier.bytesOffloaded, ranges };
}

/** The head of each partition that no segment file holds any more. What the disk says, not what the region claims. */
function missingLocally(directory: string): readonly ColdRange[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const [, topic, partition] = /^(.+\.flights)-(\d+)$/.exec(entry.name) ?? [];
    if (!entry.isDirectory() || topic === undefined) return [];
    const bases = readdirSync(join(directory, entry.name))
      .filter((name) => /^\d{20}\.log$/.test(name))
      .map((name) => BigInt(name.slice(0, 20)))
      .sort((a, b) => Number(a - b));
    const [first = 0n] = bases;
    return first === 0n ? [] : [{ topic, partition: Number(partition), baseOffset: 0n, lastOffset: first - 1n }];
  });
}
