/** A process that writes 1,000 records a second and reads them on both sides: `probe.ts SOURCE TARGET TOPIC TARGET_TOPIC`. */

import { setTimeout as delay } from "node:timers/promises";
import { fetchFrom } from "../../../src/client/fetch.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { logBounds } from "../../../src/client/list-offsets.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";
import { appendAll } from "./append.ts";
import { deps } from "./brokers.ts";
import { PROBE_RECORDS, PROBE_WARM_UP_RECORDS, type ProbeAnswer } from "./latency.ts";

const PER_SECOND = 1_000;
const RECORD_BYTES = 1_024;
/** What has not arrived by then never will; it then misses in the answer, which is told by its length. */
const PATIENCE_MS = 20_000;
/** `max.in.flight.requests.per.connection`, and what fits into `batch.size`. */
const IN_FLIGHT = 5;
const BATCH_RECORDS = 15;
const MARK = "probe-";

const [from = "", to = "", topic = "", targetTopic = ""] = process.argv.slice(2);

function open(address: string): Promise<KafkaClient> {
  const [host = "", port = ""] = address.split(":");
  return KafkaClient.open({ bootstrap: [{ host, port: Number(port) }], clientId: "probe" }, deps);
}

/** Notes when each record of ours can be read. */
async function tail(client: KafkaClient, name: string, seenMs: Float64Array): Promise<never> {
  const [bounds] = await logBounds(client, [{ topic: name, index: 0 }], { isolation: "read_committed" });
  let fetchOffset = bounds?.endOffset ?? 0n;
  for (;;) {
    const where = { topic: name, topicId: ZERO_UUID, index: 0, fetchOffset, maxBytes: 1 << 20 };
    const partitions = [{ ...where, lastFetchedEpoch: -1, currentLeaderEpoch: -1 }];
    const options = { maxWaitMs: 500, minBytes: 1, maxBytes: 1 << 20, isolation: "read_committed" } as const;
    const [answer] = await fetchFrom(client, 1, { ...options, partitions });
    const nowMs = performance.now();
    if (answer === undefined || answer.errorCode !== 0) throw new Error(`${name}: error ${answer?.errorCode}`);
    for (const batch of batchesIn(answer.records)) {
      fetchOffset = batch.lastOffset + 1n;
      if (batch.isControl) continue;
      for (const { key } of decodeRecords(batch)) {
        const text = key === null ? "" : Buffer.from(key).toString("latin1");
        const place = Number(text.slice(MARK.length));
        if (text.startsWith(MARK) && seenMs[place] === 0) seenMs[place] = nowMs;
      }
    }
  }
}

/** As a stock producer without linger: one record a request, unless five are in flight; what comes meanwhile goes together. */
async function write(client: KafkaClient): Promise<void> {
  const value = Buffer.alloc(RECORD_BYTES, "added latency ");
  const total = PROBE_RECORDS;
  const waiting = new Set<Promise<unknown>>();
  const startMs = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * PER_SECOND) / 1_000));
    if (due > sent && waiting.size < IN_FLIGHT) {
      const timestampMs = BigInt(Date.now());
      const upTo = Math.min(due, sent + BATCH_RECORDS);
      const records = Array.from({ length: upTo - sent }, (_, index) => {
        return { timestampMs, key: Buffer.from(`${MARK}${sent + index}`), value };
      });
      sent = upTo;
      const partition = { topic, topicId: ZERO_UUID, index: 0, records: encodeBatch(records).bytes };
      const one: Promise<void> = appendAll(client, 1, [partition]).finally(() => waiting.delete(one));
      waiting.add(one);
    } else await delay(1);
  }
  await Promise.all(waiting);
}

const [source, writer, target] = await Promise.all([open(from), open(from), open(to)]);
const total = PROBE_RECORDS;
const atSource = new Float64Array(total);
const atTarget = new Float64Array(total);
void tail(source, topic, atSource);
void tail(target, targetTopic, atTarget);
await delay(500);
await write(writer);
const deadline = performance.now() + PATIENCE_MS;
while (atTarget.includes(0) && performance.now() < deadline) await delay(20);
const addedMs: number[] = [];
for (let index = PROBE_WARM_UP_RECORDS; index < total; index++) {
  const [begin, end] = [atSource[index] ?? 0, atTarget[index] ?? 0];
  if (begin > 0 && end > 0) addedMs.push(Math.max(0, end - begin));
}
const answer: ProbeAnswer = { addedMs };
process.send?.(answer, () => process.exit(0));
