/** Apache Kafka's own producer, consumer and tools on transactions of an embedded region, epochs raised with each (KIP-890). */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { openRegion, temporaryDirectory } from "../integration/broker/region-on-disk.ts";
import { apacheKafkaMissing, kafkaJars } from "./kafka/jars.ts";

const run = promisify(execFile);
const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;
const RECORDS = 2_000;

test("Apache Kafka's transactional producer, committed consumer and transaction tool work on an embedded region", {
  skip,
  timeout,
}, async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const { classPath } = await kafkaJars();
  const bootstrap = region.endpoints.map(({ host, port }) => `${host}:${port}`).join(",");
  const java = async (tool: string, ...args: readonly string[]): Promise<string> => {
    const all = [
      "-Xmx256m",
      "-cp",
      classPath,
      `org.apache.kafka.tools.${tool}`,
      "--bootstrap-server",
      bootstrap,
      ...args,
    ];
    const { stdout } = await run("java", all, { maxBuffer: 2 ** 26 });
    return stdout;
  };
  const transactions = ["--transactional-id", "perf", "--transaction-duration-ms", "100"];
  const load = ["--num-records", String(RECORDS), "--record-size", "100", "--throughput", "2000"];
  await java("ProducerPerformance", "--topic", "orders", ...load, ...transactions);
  const described = await java("TransactionsCommand", "describe", "--transactional-id", "perf");
  const [, , , epoch, state] = (described.split("\n")[1] ?? "").split("\t").map((cell) => cell.trim());
  assert.equal(state, "CompleteCommit");
  assert.ok(Number(epoch) >= 3, `an epoch for each transaction: ${epoch}`);
  assert.match(await java("TransactionsCommand", "list"), /^perf\s+\d+\s+\d+\s+CompleteCommit/m);
  const committed = ["--command-property", "isolation.level=read_committed", "--timeout-ms", "10000"];
  const range = ["--topic", "orders", "--from-beginning", "--max-messages", String(RECORDS)];
  const read = await java("consumer.ConsoleConsumer", ...range, ...committed);
  assert.equal(read.split("\n").filter((line) => line.length === 100).length, RECORDS);
});
