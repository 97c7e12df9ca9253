/** MirrorMaker 2 as a test peer: its dedicated mode, one process for one flow between two clusters. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { kafkaJars } from "./kafka/jars.ts";

/** Its connectors are up after 5 to 15 s on an idle machine; two minutes bear a busy one. */
const READY_TIMEOUT_MS = 120_000;
const READY_POLL_MS = 100;
/** It commits its positions and leaves the Connect group; then it is killed. */
const STOP_TIMEOUT_MS = 30_000;
/** What it logs once its workers run, at level info of its main class. */
const STARTED = "Kafka MirrorMaker started";

/** One end of the flow. */
export interface MirrorMakerCluster {
  readonly alias: string;
  /** `host:port` of brokers. */
  readonly bootstrap: readonly string[];
}

/** What to run. */
export interface MirrorMakerOptions {
  readonly source: MirrorMakerCluster;
  readonly target: MirrorMakerCluster;
  /** Lines of `mm2.properties` over the defaults below. The flow's own settings may stand without `source->target.`. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Heap in MiB; default 512. */
  readonly heapMiB?: number;
  /** Arguments of the JVM over the defaults, for measurements as shipped. */
  readonly jvm?: readonly string[];
}

/** One running process; use with `await using`. */
export class MirrorMaker {
  /** Of the JVM, for measurements. */
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(child: ChildProcess, directory: string) {
    this.pid = child.pid ?? -1;
    this.#child = child;
    this.#directory = directory;
  }

  /** Starts it and waits until its workers run; the first record is copied some seconds later. */
  static async start(options: MirrorMakerOptions): Promise<MirrorMaker> {
    const { classPath } = await kafkaJars();
    const directory = mkdtempSync(join(tmpdir(), "mirror-maker-"));
    const file = join(directory, "mm2.properties");
    writeFileSync(file, mirrorMakerProperties(options));
    const log = openSync(join(directory, "mm2.log"), "a");
    const jvm = options.jvm ?? ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
    const logging = [
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.mirror.MirrorMaker=info",
    ];
    const main = ["-cp", classPath, "org.apache.kafka.connect.mirror.MirrorMaker", file];
    const child = spawn("java", [`-Xmx${options.heapMiB ?? 512}m`, ...jvm, ...logging, ...main], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    running.add(child);
    child.once("exit", () => running.delete(child));
    const mirrorMaker = new MirrorMaker(child, directory);
    try {
      await mirrorMaker.#ready();
    } catch (error) {
      await mirrorMaker.close();
      throw error;
    }
    return mirrorMaker;
  }

  /** What it has said so far. */
  get log(): string {
    return readFileSync(join(this.#directory, "mm2.log"), "utf8");
  }

  /** Ends it: `term` lets it store its positions, `kill` is SIGKILL. Returns once the process is gone. Idempotent. */
  async stop(how: "term" | "kill" = "term"): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(how === "kill" ? "SIGKILL" : "SIGTERM");
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(overdue);
  }

  /** Kills it and removes what it left on disk. Idempotent. */
  async close(): Promise<void> {
    await this.stop("kill");
    rmSync(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ready(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!this.log.includes(STARTED)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw this.#failure("ended");
      if (performance.now() > deadline) throw this.#failure(`is not up after ${READY_TIMEOUT_MS} ms`);
      await delay(READY_POLL_MS);
    }
  }

  #failure(what: string): Error {
    return new Error(`MirrorMaker ${what}:\n${this.log.slice(-2_000)}`);
  }
}

/** Processes started here and still running; they must not outlive the test process. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** The file's text: one flow, one replica of everything it makes, and short intervals; otherwise its own defaults. */
export function mirrorMakerProperties({ source, target, properties = {} }: MirrorMakerOptions): string {
  const lines = {
    clusters: `${source.alias}, ${target.alias}`,
    [`${source.alias}.bootstrap.servers`]: source.bootstrap.join(","),
    [`${target.alias}.bootstrap.servers`]: target.bootstrap.join(","),
    [`${source.alias}->${target.alias}.enabled`]: "true",
    [`${target.alias}->${source.alias}.enabled`]: "false",
    [`${target.alias}->${source.alias}.emit.heartbeats.enabled`]: "false",
    "replication.factor": "1",
    "checkpoints.topic.replication.factor": "1",
    "heartbeats.topic.replication.factor": "1",
    "offset-syncs.topic.replication.factor": "1",
    "offset.storage.replication.factor": "1",
    "status.storage.replication.factor": "1",
    "config.storage.replication.factor": "1",
    "emit.checkpoints.interval.seconds": "1",
    "refresh.topics.interval.seconds": "1",
    "refresh.groups.interval.seconds": "1",
    "offset.flush.interval.ms": "1000",
    ...properties,
  };
  return Object.entries(lines)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");
}
