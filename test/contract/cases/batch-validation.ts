/** Which batches a leader appends, which it refuses and how, and what it changes in those it takes. */

import { produce } from "../../../src/wire/apis/00-produce.ts";
import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { batch, flipped, withMagic } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const DELETE_HORIZON = 0x40;
const LOG_APPEND_TIME = 0x08;
const HOUR_MS = 3_600_000n;

type Try = readonly [label: string, bytes: Buffer];

/** Produces each, tells each answer, and at the end what the log holds. */
async function tryAll(probe: Probe, topic: string, tries: readonly Try[]): Promise<void> {
  for (const [label, bytes] of tries) probe.tell(label, await probe.produce(topic, bytes));
  probe.tell("log", await probe.fetch(topic));
}

export const batchValidationCases: readonly ContractCase[] = [
  {
    name: "leader checks base offset, epoch, number of batches and checksum of a produced batch",
    run: async (probe) => {
      const { name } = await probe.topic("frames");
      const sound = batch({ baseTimestamp: probe.nowMs, count: 3 });
      await tryAll(probe, name, [
        ["sound", sound],
        ["base offset 777", batch({ baseTimestamp: probe.nowMs, baseOffset: 777n })],
        ["leader epoch 42", batch({ baseTimestamp: probe.nowMs, leaderEpoch: 42 })],
        ["two batches", Buffer.concat([sound, sound])],
        ["flipped bit", flipped(sound)],
        ["flipped bit, compressed", flipped(batch({ baseTimestamp: probe.nowMs, gzip: true }))],
        ["compressed", batch({ baseTimestamp: probe.nowMs, count: 3, gzip: true })],
      ]);
    },
  },
  {
    name: "leader refuses batches whose counts and deltas contradict each other",
    run: async (probe) => {
      const { name } = await probe.topic("counts");
      const base = { baseTimestamp: probe.nowMs, count: 2 };
      await tryAll(probe, name, [
        ["last delta too large", batch({ ...base, lastOffsetDelta: 4 })],
        ["last delta too small", batch({ ...base, lastOffsetDelta: 0 })],
        ["count zero", batch({ ...base, count: 0, recordCount: 0, lastOffsetDelta: -1 })],
        ["count above the records", batch({ ...base, recordCount: 5, lastOffsetDelta: 4 })],
        ["count above the records, compressed", batch({ ...base, recordCount: 5, lastOffsetDelta: 4, gzip: true })],
        [
          "last delta too large, with a producer",
          batch({ ...base, lastOffsetDelta: 4, producerId: 5n, producerEpoch: 0, baseSequence: 0 }),
        ],
      ]);
    },
  },
  {
    name: "leader stores wrong inner deltas of an uncompressed batch as they are",
    run: async (probe) => {
      const { name } = await probe.topic("deltas");
      await tryAll(probe, name, [["deltas 5 and 6", batch({ baseTimestamp: probe.nowMs, count: 2, deltas: [5, 6] })]]);
    },
  },
  {
    name: "leader refuses wrong inner deltas of a compressed batch",
    run: async (probe) => {
      const { name } = await probe.topic("deltas-gzip");
      const bytes = batch({ baseTimestamp: probe.nowMs, count: 2, deltas: [5, 6], gzip: true });
      await tryAll(probe, name, [["deltas 5 and 6, compressed", bytes]]);
    },
  },
  {
    name: "leader refuses control batches and stores the delete-horizon bit as it is",
    run: async (probe) => {
      const { name } = await probe.topic("bits");
      const stamp = { baseTimestamp: probe.nowMs, producerId: 3n, producerEpoch: 0, baseSequence: 0 };
      await tryAll(probe, name, [
        ["control", batch({ ...stamp, attributes: CONTROL })],
        ["delete horizon", batch({ baseTimestamp: probe.nowMs, attributes: DELETE_HORIZON })],
      ]);
    },
  },
  {
    name: "leader refuses a transactional batch that no transactional id comes with",
    run: async (probe) => {
      const { name } = await probe.topic("txn-bit");
      const stamp = { baseTimestamp: probe.nowMs, producerId: 3n, producerEpoch: 0, baseSequence: 0 };
      await tryAll(probe, name, [["transactional", batch({ ...stamp, attributes: TRANSACTIONAL })]]);
    },
  },
  {
    name: "leader clears the append-time bit of a batch in a CreateTime topic and keeps its claimed maximum",
    run: async (probe) => {
      const { name } = await probe.topic("create-time");
      const old = { baseTimestamp: 1_000_000_000_000n, count: 2 };
      await tryAll(probe, name, [
        ["bit set", batch({ ...old, attributes: LOG_APPEND_TIME, maxTimestamp: probe.nowMs })],
        ["inflated maximum", batch({ ...old, maxTimestamp: probe.nowMs })],
        ["deflated maximum", batch({ ...old, maxTimestamp: 5n })],
        ["inflated maximum, compressed", batch({ ...old, maxTimestamp: probe.nowMs, gzip: true })],
      ]);
    },
  },
  {
    name: "leader replaces timestamps in a LogAppendTime topic",
    run: async (probe) => {
      const { name } = await probe.topic("append-time", { configs: { "message.timestamp.type": "LogAppendTime" } });
      await tryAll(probe, name, [
        ["create time", batch({ baseTimestamp: 1_000_000_000_000n, count: 2 })],
        ["create time, compressed", batch({ baseTimestamp: 1_000_000_000_000n, count: 2, gzip: true })],
        ["bit set", batch({ baseTimestamp: probe.nowMs, attributes: LOG_APPEND_TIME })],
      ]);
    },
  },
  {
    name: "leader refuses timestamps far in the future and takes any in the past",
    run: async (probe) => {
      const { name } = await probe.topic("window");
      const at = (baseTimestamp: bigint): Buffer => batch({ baseTimestamp });
      await tryAll(probe, name, [
        ["59 minutes ahead", at(probe.nowMs + HOUR_MS - 60_000n)],
        ["61 minutes ahead", at(probe.nowMs + HOUR_MS + 60_000n)],
        ["61 minutes ahead, compressed", batch({ baseTimestamp: probe.nowMs + HOUR_MS + 60_000n, gzip: true })],
        ["of 2001", at(986_000_000_000n)],
        ["zero", at(0n)],
        ["none", at(-1n)],
      ]);
    },
  },
  {
    name: "compacted topic refuses records without a key",
    run: async (probe) => {
      const { name } = await probe.topic("compacted", { configs: { "cleanup.policy": "compact" } });
      await tryAll(probe, name, [
        ["with key", batch({ baseTimestamp: probe.nowMs })],
        ["without key", batch({ baseTimestamp: probe.nowMs, key: null, count: 2 })],
        ["without key, compressed", batch({ baseTimestamp: probe.nowMs, key: null, gzip: true })],
      ]);
    },
  },
  {
    name: "leader refuses batches that are too large, cut, empty or of another magic",
    run: async (probe) => {
      const { name } = await probe.topic("sizes", { configs: { "max.message.bytes": "500" } });
      const sound = batch({ baseTimestamp: probe.nowMs });
      await tryAll(probe, name, [
        ["too large", batch({ baseTimestamp: probe.nowMs, valueBytes: 600 })],
        ["no bytes", Buffer.alloc(0)],
        ["cut", sound.subarray(0, sound.length - 3)],
        ["cut in the header", sound.subarray(0, 30)],
        ["magic 3", withMagic(sound, 3)],
      ]);
    },
  },
  {
    name: "produce names unknown partitions and topics, and refuses acks that do not exist",
    run: async (probe) => {
      const { name } = await probe.topic("places");
      const sound = batch({ baseTimestamp: probe.nowMs });
      probe.tell("partition 9", await probe.produce(name, sound, { partition: 9 }));
      probe.tell("unknown topic", await probe.produce(probe.named("nowhere"), sound));
      probe.tell("acks 2", await probe.produce(name, sound, { acks: 2 }));
      probe.tell("acks 1", await probe.produce(name, sound, { acks: 1 }));
      await probe.check("unknown topic id", produce, 13, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 1_000,
        topics: [{ topicId: UNKNOWN_ID, partitions: [{ index: 0, records: sound }] }],
      });
    },
  },
  {
    name: "produce answers the same at every version, by name and by id",
    run: async (probe) => {
      const { name, id } = await probe.topic("versions");
      const sound = batch({ baseTimestamp: probe.nowMs });
      for (let version = 3; version <= 13; version++) {
        const topic = version < 13 ? { name } : { topicId: id };
        await probe.check(`v${version}`, produce, version, {
          transactionalId: null,
          acks: -1,
          timeoutMs: 1_000,
          topics: [{ ...topic, partitions: [{ index: 0, records: sound }] }],
        });
      }
    },
  },
  {
    name: "produce with acks 0 has no answer, and the next request is answered in order",
    run: async (probe) => {
      const { name } = await probe.topic("silent");
      const connection = await probe.connect();
      const partitions = [{ index: 0, records: batch({ baseTimestamp: probe.nowMs, count: 2 }) }];
      connection.tell(produce, 9, { transactionalId: null, acks: 0, timeoutMs: 1_000, topics: [{ name, partitions }] });
      const end = await connection.ask(listOffsets, 6, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name, partitions: [{ index: 0, timestampMs: -1n }] }],
      });
      probe.tell("end", end);
    },
  },
];

/** A well-formed id that no topic has. */
const UNKNOWN_ID = "BBBBBBBBBBBBBBBBBBBBBQ" as import("../../../src/core/brand.ts").Uuid;
