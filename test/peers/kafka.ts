/** Apache Kafka as a test peer: KRaft clusters of one or three nodes on free loopback ports, each node a process that
 *  can be stopped, killed and started again. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type KafkaJars, kafkaJars } from "./kafka/jars.ts";
import { answersApiVersions, freePorts } from "./ports.ts";

/** A node listens after 2 to 6 s on an idle machine; two minutes bear a busy one. */
const READY_TIMEOUT_MS = 120_000;
const READY_POLL_MS = 100;
/** A controlled shutdown of a lone node that waits for a quorum can take long; then it is killed. */
const STOP_TIMEOUT_MS = 20_000;

/** Settings of a cluster; everything has a default. */
export interface ApacheKafkaOptions {
  /** 1 (default), or 3 for elections and replication. */
  readonly nodes?: 1 | 3;
  /** `server.properties` of every broker, over the defaults. */
  readonly properties?: Readonly<Record<string, string>>;
  /** `server.properties` of one broker, over all else. */
  readonly propertiesOf?: (brokerId: number) => Readonly<Record<string, string>>;
  /** More listeners than PLAINTEXT, such as `SASL_SSL://127.0.0.1:9093`, of a cluster with one node. */
  readonly listeners?: readonly string[];
  /** Heap of each node in MiB. 256 carries a million small records with ease. */
  readonly heapMiB?: number;
  /** Arguments of each JVM over the defaults, which are for short lives, for measurements as shipped. */
  readonly jvm?: readonly string[];
}

interface Node {
  readonly id: number;
  readonly port: number;
  readonly directory: string;
  process: ChildProcess | undefined;
}

/** One running cluster; use with `await using`. */
export class ApacheKafka {
  /** 22 characters, as Kafka shows it. */
  readonly clusterId: string;
  /** The PLAINTEXT listener of each broker, by broker id from 1. */
  readonly endpoints: ReadonlyMap<number, { readonly host: string; readonly port: number }>;
  readonly #jars: KafkaJars;
  readonly #heapMiB: number;
  readonly #jvm: readonly string[];
  readonly #directory: string;
  readonly #nodes: readonly Node[];

  private constructor(
    options: ApacheKafkaOptions,
    deps: { jars: KafkaJars; directory: string; ports: readonly number[] },
  ) {
    this.clusterId = `A${randomBytes(16).toString("base64url").slice(1, 22)}`;
    this.#jars = deps.jars;
    this.#heapMiB = options.heapMiB ?? 256;
    this.#jvm = options.jvm ?? ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
    this.#directory = deps.directory;
    this.#nodes = Array.from({ length: options.nodes ?? 1 }, (_, index) => ({
      id: index + 1,
      port: deps.ports[index] ?? 0,
      directory: join(deps.directory, `node-${index + 1}`),
      process: undefined,
    }));
    this.endpoints = new Map(this.#nodes.map(({ id, port }) => [id, { host: "127.0.0.1", port }]));
  }

  /** `host:port` of every broker. */
  get bootstrap(): readonly string[] {
    return this.#nodes.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** Starts a fresh cluster and waits until every broker answers ApiVersions, which it does once it is unfenced. */
  static async start(options: ApacheKafkaOptions = {}): Promise<ApacheKafka> {
    const jars = await kafkaJars();
    const count = options.nodes ?? 1;
    const ports = await freePorts(count * 2);
    const directory = mkdtempSync(join(tmpdir(), "apache-kafka-"));
    const cluster = new ApacheKafka(options, { jars, directory, ports });
    cluster.#format(options, ports.slice(count));
    try {
      await Promise.all(cluster.#nodes.map((node) => cluster.startBroker(node.id)));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** Starts a stopped or killed broker on its old port and data, and waits until it answers. */
  async startBroker(id: number): Promise<void> {
    const node = this.#node(id);
    if (node.process !== undefined) return;
    const log = openSync(join(node.directory, "broker.log"), "a");
    const jvm = [`-Xmx${this.#heapMiB}m`, ...this.#jvm];
    const logging = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"];
    const args = [
      ...jvm,
      ...logging,
      "-cp",
      this.#jars.classPath,
      "kafka.Kafka",
      join(node.directory, "server.properties"),
    ];
    const child = spawn("java", args, { stdio: ["ignore", log, log] });
    closeSync(log);
    node.process = child;
    running.add(child);
    child.once("exit", () => {
      running.delete(child);
      if (node.process === child) node.process = undefined;
    });
    await this.#ready(node, child);
  }

  /** Ends a broker: `term` lets it hand over its partitions, `kill` is SIGKILL. Returns once the process is gone. */
  async stopBroker(id: number, how: "term" | "kill" = "term"): Promise<void> {
    const child = this.#node(id).process;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(how === "kill" ? "SIGKILL" : "SIGTERM");
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(overdue);
  }

  /** Kills every node and removes all data. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#nodes.map(({ id }) => this.stopBroker(id, "kill")));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #node(id: number): Node {
    const node = this.#nodes[id - 1];
    if (node === undefined) throw new RangeError(`no broker ${id}; brokers are 1 to ${this.#nodes.length}`);
    return node;
  }

  /** Writes what the format tool would: properties, the identity of each log directory, the features' checkpoint. */
  #format(options: ApacheKafkaOptions, controllerPorts: readonly number[]): void {
    const voters = this.#nodes.map(({ id }, index) => `${id}@127.0.0.1:${controllerPorts[index]}`).join(",");
    for (const [index, node] of this.#nodes.entries()) {
      const data = join(node.directory, "data");
      mkdirSync(data, { recursive: true });
      copyFileSync(this.#jars.bootstrapCheckpoint, join(data, "bootstrap.checkpoint"));
      const identity = {
        version: "1",
        "cluster.id": this.clusterId,
        "node.id": String(node.id),
        "directory.id": `A${randomBytes(16).toString("base64url").slice(1, 22)}`,
      };
      writeFileSync(join(data, "meta.properties"), propertiesText(identity));
      const own = [`PLAINTEXT://127.0.0.1:${node.port}`, `CONTROLLER://127.0.0.1:${controllerPorts[index]}`];
      const listeners = [...own, ...(options.listeners ?? [])].join(",");
      const properties = {
        ...defaults(this.#nodes.length),
        "node.id": String(node.id),
        "controller.quorum.voters": voters,
        listeners,
        "log.dirs": data,
        ...options.properties,
        ...options.propertiesOf?.(node.id),
      };
      writeFileSync(join(node.directory, "server.properties"), propertiesText(properties));
    }
  }

  async #ready(node: Node, child: ChildProcess): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await answersApiVersions(node.port, 1_000))) {
      if (child.exitCode !== null || child.signalCode !== null) throw this.#failure(node, "ended");
      if (performance.now() > deadline) throw this.#failure(node, `does not answer after ${READY_TIMEOUT_MS} ms`);
      await delay(READY_POLL_MS);
    }
  }

  #failure(node: Node, what: string): Error {
    const tail = readFileSync(join(node.directory, "broker.log"), "utf8").slice(-2_000);
    return new Error(`Apache Kafka broker ${node.id} on port ${node.port} ${what}:\n${tail}`);
  }
}

/** Brokers started here and still running; they must not outlive the test process. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Little memory, no waiting for group members, elections within seconds; otherwise Kafka's own defaults. */
function defaults(nodes: number): Readonly<Record<string, string>> {
  return {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": String(nodes),
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": String(nodes),
    "transaction.state.log.min.isr": nodes === 1 ? "1" : "2",
    "default.replication.factor": String(nodes),
    "min.insync.replicas": nodes === 1 ? "1" : "2",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "3000",
    "log.cleaner.dedupe.buffer.size": "16777216",
  };
}

function propertiesText(properties: Readonly<Record<string, string>>): string {
  return `${Object.entries(properties)
    .map(([key, value]) => `${key}=${value}`)
    .join("\n")}\n`;
}
