/** The independent reader: kcat (librdkafka), read_committed, checksums on. Nobody here wrote any of it. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { FORMAT, KcatParser, type ReadRecord } from "./kcat-records.ts";

/** A topic of a cluster. */
export interface TopicPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
}

/** Some hundred MB at most; minutes mean that nothing moves. */
const READ_TIMEOUT_MS = 300_000;
/** A broker that goes is met again within a second of its return. */
const SETTINGS = [
  "isolation.level=read_committed",
  "check.crcs=true",
  "reconnect.backoff.max.ms=500",
  "topic.metadata.refresh.fast.interval.ms=100",
  "fetch.wait.max.ms=100",
];

/** Why nothing can be read here, or undefined. */
export function readerMissing(): string | undefined {
  if (spawnSync("kcat", ["-V"], { stdio: "ignore" }).status === 0) return undefined;
  return "no kcat on the PATH, which reads both sides independently (Debian package kcat)";
}

/** Every committed record of the topic by partition, in order of offset. @throws {Error} what kcat said */
export async function readTopic(place: TopicPlace, partitions: number): Promise<readonly (readonly ReadRecord[])[]> {
  const read: ReadRecord[][] = Array.from({ length: partitions }, () => []);
  const child = kcat(place, ["-e", "-E"], READ_TIMEOUT_MS);
  const parser = new KcatParser();
  let failure: unknown;
  child.stdout?.on("data", (piece: Buffer) => {
    try {
      for (const record of parser.push(piece)) read[record.partition]?.push(record);
    } catch (error) {
      failure = error;
      child.kill("SIGKILL");
    }
  });
  const said = await saidAtEnd(child);
  if (failure !== undefined) throw failure;
  if (child.exitCode !== 0) throw new Error(`kcat ended with ${child.exitCode ?? child.signalCode}: ${said}`);
  if (parser.pendingBytes !== 0) throw new Error(`kcat ended within a record of ${place.topic}`);
  return read;
}

/** A reader that stays at the end. */
export interface Tail extends AsyncDisposable {
  /** Why it reads no more, or undefined. */
  readonly failure: string | undefined;
}

/** Hands every committed record over as it appears, until it is disposed of. */
export function tailTopic(place: TopicPlace, take: (record: ReadRecord) => void): Tail {
  const child = kcat(place, ["-E", "-u"]);
  const parser = new KcatParser();
  let ending = false;
  let failure: string | undefined;
  const ended = saidAtEnd(child).then((said) => {
    if (!ending) failure ??= `the reader of ${place.topic} ended with ${child.exitCode}: ${said}`;
  });
  child.stdout?.on("data", (piece: Buffer) => {
    try {
      for (const record of parser.push(piece)) take(record);
    } catch (error) {
      failure = String(error);
      child.kill("SIGKILL");
    }
  });
  return {
    get failure() {
      return failure;
    },
    async [Symbol.asyncDispose]() {
      ending = true;
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function kcat({ bootstrap, topic }: TopicPlace, args: readonly string[], timeout = 0): ChildProcess {
  const settings = SETTINGS.flatMap((one) => ["-X", one]);
  const what = ["-C", "-q", "-b", bootstrap.join(","), "-t", topic, "-o", "beginning", "-f", FORMAT];
  const child = spawn("kcat", [...what, ...args, ...settings], { stdio: ["ignore", "pipe", "pipe"], timeout });
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));
  return child;
}

/** Resolves with the end of its stderr once all its output has been read. */
function saidAtEnd(child: ChildProcess): Promise<string> {
  let said = "";
  child.stderr?.on("data", (piece: Buffer) => {
    said = (said + piece.toString()).slice(-1_000);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(said.trim()));
  });
}
