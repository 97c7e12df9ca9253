/** What a batch costs on the hot path, and what records cost when they have to be looked at. */

import { createRequire } from "node:module";
import { type PlanRules, planBatch } from "../../src/mirror/plan.ts";
import type { CodecId } from "../../src/wire/compression/codec.ts";
import { codecFor } from "../../src/wire/compression/codecs.ts";
import { type BatchView, batchesIn, stampBatch } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch, type RecordInput } from "../../src/wire/records.ts";
import { medianCost, printRows, type Row } from "./measure.ts";

const RECORDS_PER_BATCH = 160;
const BATCHES = 64;

/** JSON-like values: text that compresses about as well as events do. */
function records(count: number, valueBytes: number): readonly RecordInput[] {
  return Array.from({ length: count }, (_, i) => {
    const text = `{"id":${i},"origin":"SFO","delay":${(i * 37) % 180},"note":"${((i * 2_654_435_761) >>> 0).toString(36)}"}`;
    return {
      timestampMs: 1_750_000_000_000n + BigInt(i),
      key: Buffer.from(`key-${i % 50}`),
      value: Buffer.from(text.padEnd(valueBytes, text).slice(0, valueBytes)),
    };
  });
}

/** One fetch response's bytes. */
function fetched(codec: CodecId, valueBytes: number): Buffer {
  const batch = encodeBatch(records(RECORDS_PER_BATCH, valueBytes), { codec }).bytes;
  return Buffer.concat(Array.from({ length: BATCHES }, () => batch));
}

/** Header walk, plan, producer stamp and derived CRC of each batch: all the mirror does to bytes it forwards. */
export async function benchBatches(): Promise<void> {
  const rounds = 400;
  const rows: Row[] = [];
  for (const valueBytes of [100, 1_024]) {
    const buffer = fetched(0, valueBytes);
    const rules: PlanRules = { provenance: "all", reverseProducerId: -2n, filter: undefined, maxBatchBytes: 1 << 20 };
    const cost = await medianCost(() => {
      let sequence = 0;
      for (let i = 0; i < rounds; i++) {
        for (const batch of batchesIn(buffer)) {
          planBatch(batch, rules, 0n, false);
          stampBatch(batch, { producerId: 1n << 60n, producerEpoch: 0, baseSequence: sequence });
          sequence = (sequence + batch.recordCount) % 2 ** 31;
        }
      }
    });
    const batches = rounds * BATCHES;
    rows.push({
      what: `scan, plan, stamp, CRC patch; ${Math.round(buffer.length / BATCHES / 1024)} KiB batches`,
      value: (cost.wallSeconds / batches) * 1e9,
      unit: "ns/batch",
      budget: "< 1000",
    });
  }
  printRows("Forward path, per batch", rows);
}

interface KafkajsRecordBatch {
  readonly decode: (decoder: unknown) => Promise<unknown>;
}

/** Decoding and encoding beside kafkajs's own decoder, same bytes, same process. */
export async function benchRecords(): Promise<void> {
  const require = createRequire(import.meta.url);
  const Decoder = require("kafkajs/src/protocol/decoder.js") as new (buffer: Buffer) => { readInt64(): unknown };
  const decodeBatch = require("kafkajs/src/protocol/recordBatch/v0/decoder.js") as (
    decoder: unknown,
  ) => Promise<KafkajsRecordBatch>;
  const rows: Row[] = [];
  for (const valueBytes of [100, 1_024]) {
    const input = records(RECORDS_PER_BATCH, valueBytes);
    const batch = encodeBatch(input);
    const perRound = 300;
    const count = perRound * RECORDS_PER_BATCH;
    const ours = await medianCost(() => {
      for (let i = 0; i < perRound; i++) decodeRecords(batch);
    });
    const theirs = await medianCost(async () => {
      for (let i = 0; i < perRound; i++) {
        await decodeBatch(new Decoder(batch.bytes));
      }
    });
    rows.push({
      what: `decode, ${valueBytes} B values`,
      value: count / ours.wallSeconds / 1e6,
      unit: "M records/s",
      peer: { name: "kafkajs", value: count / theirs.wallSeconds / 1e6 },
    });
    const encode = await medianCost(() => {
      for (let i = 0; i < perRound; i++) encodeBatch(input);
    });
    rows.push({ what: `encode, ${valueBytes} B values`, value: count / encode.wallSeconds / 1e6, unit: "M records/s" });
  }
  printRows("Records", rows);
}

/** Compression codecs on the records section of a batch. */
export async function benchCodecs(): Promise<void> {
  const section: BatchView = encodeBatch(records(1_000, 1_024));
  const plain = section.recordBytes;
  const rows: Row[] = [];
  for (const id of [1, 2, 3, 4] as const) {
    const codec = codecFor(id);
    const packed = codec.compress(plain);
    const rounds = 5;
    const pack = await medianCost(() => {
      for (let i = 0; i < rounds; i++) codec.compress(plain);
    });
    const unpack = await medianCost(() => {
      for (let i = 0; i < rounds; i++) codec.decompress(packed);
    });
    const gigabytes = (rounds * plain.length) / 1e9;
    rows.push({
      what: `${codec.name} compress, ratio ${(plain.length / packed.length).toFixed(1)}`,
      value: gigabytes / pack.wallSeconds,
      unit: "GB/s",
    });
    rows.push({ what: `${codec.name} decompress`, value: gigabytes / unpack.wallSeconds, unit: "GB/s" });
  }
  printRows("Compression, 1 MiB of 1 KiB records", rows);
}
