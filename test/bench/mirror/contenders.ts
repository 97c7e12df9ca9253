/** Who copies: Tributary's worker as a user starts it, MirrorMaker 2 as shipped and tuned, and a bare fetch-and-produce loop. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MirrorMaker } from "../../peers/mirror-maker.ts";
import { freePorts } from "../../peers/ports.ts";
import { KAFKA_JVM, type Side } from "./brokers.ts";

/** `-eos`: with its exactly-once support; Tributary always is. */
export type ContenderName = "tributary" | "relay" | "mm2-shipped" | "mm2-shipped-eos" | "mm2-tuned" | "mm2-tuned-eos";

/** As tables call them. */
export const TITLES: Readonly<Record<ContenderName, string>> = {
  tributary: "Tributary, exactly once",
  relay: "bare fetch and produce",
  "mm2-shipped": "MirrorMaker 2 as shipped",
  "mm2-shipped-eos": "MirrorMaker 2 as shipped, exactly once",
  "mm2-tuned": "MirrorMaker 2 tuned",
  "mm2-tuned-eos": "MirrorMaker 2 tuned, exactly once",
};

/** A mirror process. */
export interface Contender extends AsyncDisposable {
  readonly pid: number;
  readonly targetTopicOf: (topic: string) => string;
  /** What it said, for an error. */
  readonly log: () => string;
}

/** What to copy. */
export interface Job {
  readonly source: Side;
  readonly target: Side;
  readonly topic: string;
  readonly partitions: number;
}

/** Those that are started anew for each case, which takes a second. */
export type NodeContenderName = Extract<ContenderName, "tributary" | "relay">;

/** MirrorMaker 2 takes ten seconds to start, and serves all cases of a codec. */
export type MirrorMakerName = Exclude<ContenderName, NodeContenderName>;

/** Whether it runs in this project's runtime. */
export function isNode(name: ContenderName): name is NodeContenderName {
  return name === "tributary" || name === "relay";
}

/** Where a node contender's mirrored topic is. */
function targetTopicOf(name: NodeContenderName, topic: string): string {
  return `${name}.${topic}`;
}

/** Starts one; it copies within a second or two. */
export function startNode(name: NodeContenderName, job: Job): Contender {
  return name === "tributary" ? startTributary(job) : startRelay(job);
}

function startTributary({ source, target, topic }: Job): Contender {
  const directory = mkdtempSync(join(tmpdir(), "bench-mirror-"));
  mkdirSync(join(directory, "regions"));
  for (const [region, side] of [["source", source] as const, ["target", target] as const]) {
    writeFileSync(join(directory, "regions", `${region}.yaml`), `brokers: ["${side.kafka.bootstrap.join(",")}"]\n`);
  }
  const file = join(directory, "bench.yaml");
  const mirror = `{ name: bench, from: source, to: target, topics: { include: ["${topic}"] }, rename: "tributary.{topic}" }`;
  writeFileSync(file, `version: 1\nname: bench\nregions: [source, target]\nmirrors:\n  - ${mirror}\n`);
  const cli = join(import.meta.dirname, "../../../dist/cli/main.js");
  const args = [cli, "mirror", "run", "--attached", "-t", file, "--state", join(directory, "state")];
  return nodeContender("tributary", args, directory);
}

function startRelay({ source, target, topic, partitions }: Job): Contender {
  const directory = mkdtempSync(join(tmpdir(), "bench-relay-"));
  const [from, to] = [source.kafka.bootstrap[0] ?? "", target.kafka.bootstrap[0] ?? ""];
  const script = join(import.meta.dirname, "relay.ts");
  const args = [script, from, to, topic, targetTopicOf("relay", topic), String(partitions)];
  return nodeContender("relay", args, directory);
}

/** Processes that run, or are stopped: those would not notice that this one has ended. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function nodeContender(name: NodeContenderName, args: readonly string[], directory: string): Contender {
  const logPath = join(directory, "log");
  const log = openSync(logPath, "a");
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", log, "ipc"] });
  closeSync(log);
  running.add(child);
  child.once("exit", () => running.delete(child));
  return {
    pid: child.pid ?? -1,
    targetTopicOf: (topic) => targetTopicOf(name, topic),
    log: () => readFileSync(logPath, "utf8"),
    async [Symbol.asyncDispose]() {
      await ended(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** What a MirrorMaker process serves. */
export interface MirrorMakerJob {
  readonly source: Side;
  readonly target: Side;
  readonly topics: readonly string[];
  /** Name of the codec; a tuned MirrorMaker 2 compresses again with it. */
  readonly codec: string;
}

/** Starts one. It needs some seconds more until it copies; stopped before, it would not survive. */
export async function startMirrorMaker(name: MirrorMakerName, job: MirrorMakerJob): Promise<Contender> {
  const [port] = await freePorts(1);
  // Its own for each codec: the one before was killed, and its group would wait for it as long as for one that is stopped.
  const alias = `${name}-${job.codec}`;
  const properties = { ...mirrorMakerProperties(name, alias, job), listeners: `http://127.0.0.1:${port}` };
  const peer = await MirrorMaker.start({
    source: { alias, bootstrap: job.source.kafka.bootstrap },
    target: { alias: "target", bootstrap: job.target.kafka.bootstrap },
    heapMiB: 2_048,
    jvm: KAFKA_JVM,
    properties,
  });
  return {
    pid: peer.pid,
    targetTopicOf: (topic) => `${alias}.${topic}`,
    log: () => peer.log,
    [Symbol.asyncDispose]: () => peer.close(),
  };
}

/** Nobody is thrown out of a group, and nothing in flight given up, because the process is stopped while others are measured. */
const FROZEN_MS_MAX = String(900_000);

/** Tuned: large fetches and batches, a linger, as many records a poll as fit, a task per core, the source's codec. */
export function mirrorMakerProperties(
  name: MirrorMakerName,
  alias: string,
  { topics, codec }: Pick<MirrorMakerJob, "topics" | "codec">,
): Readonly<Record<string, string>> {
  const isTuned = name.startsWith("mm2-tuned");
  const isExactlyOnce = name.endsWith("-eos");
  return {
    topics: topics.join(","),
    groups: "none",
    "target.session.timeout.ms": FROZEN_MS_MAX,
    "target.rebalance.timeout.ms": FROZEN_MS_MAX,
    "target.producer.transaction.timeout.ms": FROZEN_MS_MAX,
    "target.producer.delivery.timeout.ms": FROZEN_MS_MAX,
    ...(isTuned && {
      "tasks.max": "2",
      [`${alias}.consumer.max.poll.records`]: "20000",
      [`${alias}.consumer.fetch.max.bytes`]: String(64 << 20),
      [`${alias}.consumer.max.partition.fetch.bytes`]: String(8 << 20),
      [`${alias}.consumer.receive.buffer.bytes`]: String(1 << 20),
      "target.producer.batch.size": String(256 << 10),
      "target.producer.linger.ms": "20",
      "target.producer.buffer.memory": String(128 << 20),
      "target.producer.compression.type": codec,
    }),
    ...(isExactlyOnce && {
      "dedicated.mode.enable.internal.rest": "true",
      "target.exactly.once.source.support": "enabled",
      [`${alias}.consumer.isolation.level`]: "read_committed",
    }),
  };
}
