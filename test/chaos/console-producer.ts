/** Kafka's own Java console producer, fed with lines: batches as a stock client makes them. */

import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { kafkaJars } from "../peers/kafka/jars.ts";
import { between, streamOf } from "./chance.ts";
import type { ProducerOptions } from "./kafkajs-producers.ts";
import { filler, nextRecord } from "./sends.ts";

/** Lines are written in bursts. */
const PAUSE_MS = [40, 200] as const;
const BURST = [1, 30] as const;
const VALUE_BYTES = [0, 700] as const;
/** What a null is written as. */
const NULL = "(null)";

/** How the producer makes batches. */
export interface ConsoleBatches {
  readonly codec: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  readonly batchBytes: number;
  readonly lingerMs: number;
}

/** Writes lines until told to end; the records are acknowledged once the producer has ended without an error. */
export async function runConsole(options: ProducerOptions, batches: ConsoleBatches): Promise<void> {
  const { classPath } = await kafkaJars();
  const jvm = ["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
  const logging = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classPath];
  const args = [...jvm, ...logging, "org.apache.kafka.tools.ConsoleProducer", ...consoleArguments(options, batches)];
  const child = spawn("java", args, { stdio: ["pipe", "ignore", "pipe"] });
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  child.stderr.on("data", (piece: Buffer) => {
    said = (said + piece.toString()).slice(-2_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      process.off("exit", kill);
      if (code === 0 && !/ERROR|Exception/.test(said)) resolve();
      else reject(new Error(`the console producer ended with ${code}: ${said}`));
    });
  });
  // An end before its time is told by `ended`; writing to it then is no second failure.
  child.stdin.on("error", () => {});
  const ids = await Promise.race([writeLines(options, child.stdin), ended.then(() => [])]);
  child.stdin.end();
  await ended;
  options.ledger.settle(ids, "acknowledged");
}

async function writeLines(
  { seed, name, ledger, signal }: ProducerOptions,
  stdin: NodeJS.WritableStream,
): Promise<readonly number[]> {
  const random = streamOf(seed, name);
  const text = filler(random);
  const ids: number[] = [];
  while (!signal.aborted) {
    for (let left = between(random, ...BURST); left > 0; left--) {
      const id = ledger.next();
      ids.push(id);
      const { key, value, headers } = nextRecord(random, text, between(random, ...VALUE_BYTES));
      const pairs = Object.entries({ id: String(id), ...headers }).flatMap(([header, values]) =>
        [values].flat().map((one) => `${header}:${one}`),
      );
      stdin.write(`${pairs.join(",")}\t${key ?? NULL}\t${value ?? NULL}\n`);
    }
    await delay(between(random, ...PAUSE_MS));
  }
  return ids;
}

function consoleArguments({ place }: ProducerOptions, batches: ConsoleBatches): readonly string[] {
  const reader = ["parse.headers=true", "parse.key=true", `null.marker=${NULL}`];
  return [
    "--bootstrap-server",
    place.bootstrap.join(","),
    "--topic",
    place.topic,
    ...reader.flatMap((one) => ["--reader-property", one]),
    "--compression-codec",
    batches.codec,
    "--batch-size",
    String(batches.batchBytes),
    "--timeout",
    String(batches.lingerMs),
    "--request-required-acks",
    "all",
  ];
}
