/** An old Apache Kafka as a test peer: one broker and its ZooKeeper, each a process on free loopback ports. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type OldVersion, oldKafkaClassPath } from "./kafka/old/jars.ts";
import { answersApiVersions, freePorts } from "./ports.ts";

/** A broker listens after 3 to 6 s on an idle machine; two minutes bear a busy one. */
const READY_TIMEOUT_MS = 120_000;
const READY_POLL_MS = 100;
const HEAP_MIB = 256;

/** What to run. */
export interface ZooKeeperKafkaOptions {
  readonly version: OldVersion;
  /** `server.properties` over the defaults. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** One running cluster; use with `await using`. */
export class ZooKeeperKafka implements AsyncDisposable {
  /** `host:port` of the broker. */
  readonly bootstrap: readonly string[];
  readonly endpoints: readonly { readonly host: string; readonly port: number }[];
  readonly #classPath: string;
  readonly #directory: string;
  readonly #zooKeeperPort: number;
  readonly #processes: ChildProcess[] = [];

  private constructor(classPath: string, directory: string, [brokerPort = 0, zooKeeperPort = 0]: readonly number[]) {
    this.#classPath = classPath;
    this.#directory = directory;
    this.#zooKeeperPort = zooKeeperPort;
    this.endpoints = [{ host: "127.0.0.1", port: brokerPort }];
    this.bootstrap = [`127.0.0.1:${brokerPort}`];
  }

  /** Starts a fresh cluster and waits until its broker answers. */
  static async start({ version, properties = {} }: ZooKeeperKafkaOptions): Promise<ZooKeeperKafka> {
    const classPath = await oldKafkaClassPath(version);
    const directory = mkdtempSync(join(tmpdir(), "zookeeper-kafka-"));
    const cluster = new ZooKeeperKafka(classPath, directory, await freePorts(2));
    try {
      await cluster.#startZooKeeper();
      await cluster.#startBroker(properties);
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** Kills both processes and removes all data. Idempotent. */
  async close(): Promise<void> {
    for (const child of this.#processes.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGKILL");
      await gone;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startZooKeeper(): Promise<void> {
    const lines = {
      dataDir: join(this.#directory, "zookeeper"),
      clientPort: String(this.#zooKeeperPort),
      clientPortAddress: "127.0.0.1",
      "admin.enableServer": "false",
    };
    const child = this.#spawn("org.apache.zookeeper.server.quorum.QuorumPeerMain", lines, "zookeeper");
    await this.#ready(child, "zookeeper", () => listens(this.#zooKeeperPort));
  }

  async #startBroker(properties: Readonly<Record<string, string>>): Promise<void> {
    const port = this.endpoints[0]?.port ?? 0;
    const lines = {
      "broker.id": "1",
      "zookeeper.connect": `127.0.0.1:${this.#zooKeeperPort}`,
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      "log.dirs": join(this.#directory, "data"),
      "offsets.topic.replication.factor": "1",
      "offsets.topic.num.partitions": "4",
      "transaction.state.log.replication.factor": "1",
      "transaction.state.log.min.isr": "1",
      "transaction.state.log.num.partitions": "4",
      "group.initial.rebalance.delay.ms": "0",
      "log.cleaner.dedupe.buffer.size": "16777216",
      ...properties,
    };
    const child = this.#spawn("kafka.Kafka", lines, "broker");
    await this.#ready(child, "broker", () => answersApiVersions(port, 1_000));
  }

  #spawn(mainClass: string, properties: Readonly<Record<string, string>>, name: string): ChildProcess {
    const file = join(this.#directory, `${name}.properties`);
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}`);
    writeFileSync(file, `${lines.join("\n")}\n`);
    const log = openSync(join(this.#directory, `${name}.log`), "a");
    const jvm = [`-Xmx${HEAP_MIB}m`, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
    const logging = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
    const child = spawn("java", [...jvm, ...logging, "-cp", this.#classPath, mainClass, file], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#processes.push(child);
    running.add(child);
    child.once("exit", () => running.delete(child));
    return child;
  }

  async #ready(child: ChildProcess, name: string, answers: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await answers())) {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      if (hasEnded || performance.now() > deadline) {
        const tail = readFileSync(join(this.#directory, `${name}.log`), "utf8").slice(-2_000);
        throw new Error(`old Kafka's ${name} ${hasEnded ? "ended" : "does not answer"}:\n${tail}`);
      }
      await delay(READY_POLL_MS);
    }
  }
}

/** Processes started here and still running; they must not outlive the test process. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
