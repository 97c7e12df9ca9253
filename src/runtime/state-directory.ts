/** The directory in which the processes of one topology find each other: who runs, where it listens, what it keeps.
 *
 *  ```
 *  .tributary/<topology>/
 *    region.<name>.json   a running region: pid, endpoints, control socket      (gone after a clean stop)
 *    region.<name>.sock   its control socket
 *    region.<name>.log    what its process said
 *    worker.json .sock    the running mirror worker: pid, status socket         (gone after a clean stop)
 *    worker.name          what it calls itself, the same after every restart
 *    data/<name>/         a region's log directory, with its lock beside it
 *    cold/...             object stores with a relative path
 *  ``` */

import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { toError } from "../core/errors.ts";
import type { Endpoint } from "../core/network.ts";
import { type Random, randomUuid } from "../core/random.ts";
import type { Storage } from "../core/storage.ts";
import { RuntimeError } from "./errors.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

/** The name of a process in the directory: `worker`, or a region's. */
export type ProcessName = "worker" | `region.${string}`;

/** Longest path of a unix socket that every platform takes (`sun_path` is 104 bytes on macOS, 108 on Linux). */
const SOCKET_PATH_MAX = 100;

/** A broker of a running region. */
export interface BrokerEndpoint extends Endpoint {
  readonly brokerId: number;
}

/** A running embedded region. */
export interface RegionRecord {
  readonly region: string;
  readonly process: ProcessIdentity;
  readonly clusterId: string;
  readonly brokers: readonly BrokerEndpoint[];
  readonly socketPath: string;
  readonly startedMs: number;
}

/** A running mirror worker. */
export interface WorkerRecord {
  readonly process: ProcessIdentity;
  readonly mirrors: readonly string[];
  readonly socketPath: string;
  readonly startedMs: number;
}

/** Paths and records of one topology. */
export class StateDirectory {
  /** Absolute. */
  readonly path: string;
  readonly #storage: Storage;

  /** `root` is `.tributary` as a rule. Creates nothing until something is written. */
  constructor(options: { readonly root: string; readonly topology: string }, deps: { readonly storage: Storage }) {
    this.path = resolve(options.root, options.topology);
    this.#storage = deps.storage;
  }

  /** The region's log directory. */
  dataPath(region: string): string {
    return join(this.path, "data", region);
  }
  /** What a process of this name wrote to its stderr. */
  logPath(name: ProcessName): string {
    return join(this.path, `${name}.log`);
  }
  /** A path for a control socket: in the directory, or in the system's temporary one when that would be too long. */
  socketPath(name: ProcessName): string {
    const path = join(this.path, `${name}.sock`);
    if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path;
    const hash = createHash("sha256").update(path).digest("hex").slice(0, 16);
    return join(tmpdir(), `tributary-${hash}.sock`);
  }

  /** Makes the directory and proves that it can be written. @throws {RuntimeError} `STATE_UNWRITABLE` */
  create(): void {
    const probe = join(this.path, `probe.${process.pid}`);
    try {
      this.#storage.makeDirectory(this.path);
      this.#storage.writeFile(probe, new Uint8Array());
      this.#storage.remove(probe);
    } catch (cause) {
      const why = toError(cause).message;
      const message = `state directory cannot be written: ${why}; choose another with --state`;
      throw new RuntimeError({ code: "STATE_UNWRITABLE", path: this.path, why }, { message, cause });
    }
  }

  /** Records of regions whose process lives. */
  regions(): readonly RegionRecord[] {
    const files = this.#storage.list(this.path).filter((file) => /^region\..+\.json$/.test(file));
    return files.flatMap((file) => this.#read<RegionRecord>(join(this.path, file)) ?? []);
  }

  /** The record of a region whose process lives. @throws {RuntimeError} `STATE_CORRUPT` */
  region(region: string): RegionRecord | undefined {
    return this.#read<RegionRecord>(join(this.path, `region.${region}.json`));
  }

  /** The record of a worker that lives. @throws {RuntimeError} `STATE_CORRUPT` */
  worker(): WorkerRecord | undefined {
    return this.#read<WorkerRecord>(join(this.path, "worker.json"));
  }

  /** Tells others that this region runs. */
  writeRegion(record: RegionRecord): void {
    this.#write(join(this.path, `region.${record.region}.json`), record);
  }

  /** Tells others that this worker runs. */
  writeWorker(record: WorkerRecord): void {
    this.#write(join(this.path, "worker.json"), record);
  }

  /** What the worker of this directory calls itself: chosen once, by chance. */
  workerName(random: Random): string {
    const path = join(this.path, "worker.name");
    if (!this.#storage.exists(path)) {
      this.#storage.makeDirectory(this.path);
      this.#storage.writeFile(path, Buffer.from(randomUuid(random)));
    }
    return this.#storage.readFile(path).toString().trim();
  }

  /** Forgets that a process runs. Idempotent. */
  forget(name: ProcessName): void {
    this.#storage.remove(join(this.path, `${name}.json`));
    this.#storage.remove(this.socketPath(name));
  }

  /** Replaces a file of the directory atomically. */
  #write(path: string, value: unknown): void {
    this.#storage.makeDirectory(this.path);
    this.#storage.writeFile(path, Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
  }

  #read<T extends { readonly process: ProcessIdentity }>(path: string): T | undefined {
    const value = this.readJson<T>(path);
    if (value === undefined) return undefined;
    if (typeof value?.process?.pid !== "number") throw corrupt(path);
    return isAlive(value.process) ? value : undefined;
  }

  /** A JSON file of the directory, undefined when there is none. @throws {RuntimeError} `STATE_CORRUPT` */
  readJson<T>(path: string): T | undefined {
    if (!this.#storage.exists(path)) return undefined;
    try {
      return JSON.parse(this.#storage.readFile(path).toString()) as T;
    } catch (cause) {
      throw corrupt(path, cause);
    }
  }

  /** Removes the directory with all data in it. Call only when nothing runs any more. */
  wipe(): void {
    this.#storage.remove(this.path);
  }
}

function corrupt(path: string, cause?: unknown): RuntimeError {
  const message = `state file is damaged (${path}); remove it, and end the process it told of if that still runs`;
  return new RuntimeError({ code: "STATE_CORRUPT", path }, { message, cause });
}
