/** A process that only fetches batches and produces them as they are: what the brokers allow, and what any mirror costs at least. */

import { createTopics } from "../../../src/client/admin.ts";
import { type FetchedPartition, fetchFrom } from "../../../src/client/fetch.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { appendAll } from "./append.ts";
import { deps } from "./brokers.ts";

/** As much as the mirror asks for. */
const FETCH_BYTES = 2 * 1024 * 1024 - 64 * 1024;
const PARTITION_BYTES = 1024 * 1024 - 64 * 1024;
/** The process is stopped while others are measured: that is no reason to give up. */
const PATIENCE_MS = 1_800_000;
/** Requests in flight to the target, all partitions together. */
const IN_FLIGHT = 32;

const [from = "", to = "", topic = "", targetTopic = "", partitionsText = "1"] = process.argv.slice(2);
const partitions = Number(partitionsText);
process.on("disconnect", () => process.exit(0));

/** Batches of an answer one request each, since a request carries one batch per partition; the next answer is on its way meanwhile,
 *  and the memory of one that was sent is used again. */
async function run(): Promise<void> {
  const open = (address: string): Promise<KafkaClient> => {
    const [host = "", port = ""] = address.split(":");
    return KafkaClient.open({ bootstrap: [{ host, port: Number(port) }], clientId: "relay" }, deps);
  };
  const [source, target] = await Promise.all([open(from), open(to)]);
  await createTopics(target, [{ name: targetTopic, partitions, configs: { "retention.ms": "-1" } }]);
  const next = Array.from({ length: partitions }, () => 0n);
  const waiting = new Set<Promise<void>>();
  for (let coming = fetchNext(source, next); ; ) {
    const answers = await coming;
    const lists = answers.map(({ index, records }) => ({ index, batches: [...batchesIn(records)] }));
    for (const { index, batches } of lists) {
      const last = batches.at(-1);
      if (last !== undefined) next[index] = last.nextOffset;
    }
    coming = fetchNext(source, next);
    const requests: Promise<void>[] = [];
    for (let round = 0; lists.some(({ batches }) => round < batches.length); round++) {
      const parts = lists.flatMap(({ index, batches }) => {
        const batch = batches[round];
        if (batch === undefined) return [];
        batch.setBaseOffset(0n);
        return [{ topic: targetTopic, topicId: ZERO_UUID, index, records: batch.bytes }];
      });
      const sent: Promise<void> = appendAll(target, 1, parts).finally(() => waiting.delete(sent));
      requests.push(sent);
      waiting.add(sent);
      if (waiting.size >= IN_FLIGHT) await Promise.race(waiting);
    }
    void Promise.all(requests).then(() => {
      for (const answer of answers) answer.release();
    });
  }
}

function fetchNext(source: KafkaClient, next: readonly bigint[]): Promise<readonly FetchedPartition[]> {
  const where = { topic, topicId: ZERO_UUID, lastFetchedEpoch: -1, currentLeaderEpoch: -1, maxBytes: PARTITION_BYTES };
  const asked = next.map((fetchOffset, index) => ({ ...where, index, fetchOffset }));
  const options = { maxWaitMs: 500, minBytes: 1, maxBytes: FETCH_BYTES, isolation: "read_committed" } as const;
  return fetchFrom(source, 1, { ...options, timeoutMs: PATIENCE_MS, partitions: asked });
}

await run();
