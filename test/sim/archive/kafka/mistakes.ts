/** Mistakes that an offloader of a Kafka cluster could make, planted through the ports; each must break an invariant by name. */

import { deleteRecords } from "../../../../src/client/admin.ts";
import type { Storage } from "../../../../src/core/storage.ts";
import { decodeManifest } from "../../../../src/tier/manifest.ts";
import type { ArchiveEnd } from "../../../../src/tier/ports.ts";
import { deleteRecords as deleteRecordsApi } from "../../../../src/wire/apis/21-delete-records.ts";
import { crc32c } from "../../../../src/wire/crc32c.ts";
import { batchesIn } from "../../../../src/wire/record-batch.ts";
import { newestOf } from "./invariants.ts";
import {
  damage,
  inTurn,
  type KafkaJob,
  MARGIN_RECORDS,
  offloadKafka,
  PARQUET_DIRECTORY,
  repairFromCluster,
  toParquet,
} from "./jobs.ts";
import type { KafkaMistake, KafkaScenario } from "./runs.ts";
import { type KafkaProcess, withRequest } from "./world.ts";

/** A planted mistake, what shows it, and the invariant that it breaks. */
export interface PlantedKafkaMistake {
  readonly name: string;
  readonly breaks: RegExp;
  readonly scenario: KafkaScenario;
  readonly mistake?: KafkaMistake;
}

/** Where a batch has its CRC, and where the bytes begin that it is of. */
const CRC = { at: 17, from: 21 };

function withFiles(process: KafkaProcess, open: Storage["open"]): KafkaProcess {
  return { ...process, storage: { ...process.storage, open } };
}

/** Whatever is read from the spool has the CRC that it should have: the same as never to look at it. */
function spoolWithoutCrc(process: KafkaProcess): KafkaProcess {
  return withFiles(process, (path, options) => {
    const file = process.storage.open(path, options);
    const read = (position: number, lengthBytes: number): Buffer => {
      const bytes = file.read(position, lengthBytes);
      for (const { start, sizeBytes } of batchesIn(bytes))
        bytes.writeUInt32BE(crc32c(bytes.subarray(start + CRC.from, start + sizeBytes)), start + CRC.at);
      return bytes;
    };
    return { ...file, read, sizeBytes: file.sizeBytes };
  });
}

/** What a crash left of a batch stays, and others are written behind it. */
function tornSpoolIsKept(process: KafkaProcess): KafkaProcess {
  return withFiles(process, (path, options) => {
    const file = process.storage.open(path, options);
    return Object.defineProperty({ ...file, truncate: () => {} }, "sizeBytes", { get: () => file.sizeBytes });
  });
}

/** Records go in the cluster once they are uploaded. */
function deleteBeforePublish(process: KafkaProcess): KafkaProcess {
  const { store, client } = process;
  const putIfAbsent = async (key: string, bytes: Uint8Array): Promise<boolean> => {
    const { segments, partition } = decodeManifest(key, bytes);
    const place = { topic: partition.topic, index: partition.partition };
    await deleteRecords(client, [{ ...place, offset: (segments.at(-1)?.nextOffset ?? 0n) - BigInt(MARGIN_RECORDS) }]);
    return store.putIfAbsent(key, bytes);
  };
  return { ...process, store: { ...store, putIfAbsent } };
}

/** All that is archived goes. */
function noMargin(process: KafkaProcess): KafkaProcess {
  const { client } = process;
  const request: KafkaProcess["client"]["request"] = (target, api, body, options) => {
    if (api.name !== deleteRecordsApi.name) return client.request(target, api, body, options);
    const { topics } = body as unknown as { readonly topics: { readonly partitions: { offset: bigint }[] }[] };
    for (const { partitions } of topics) for (const asked of partitions) asked.offset += BigInt(MARGIN_RECORDS);
    return client.request(target, api, body, options);
  };
  return { ...process, client: withRequest(client, request) };
}

/** No group is known to read anything. */
function unreadIsRead(process: KafkaProcess): KafkaProcess {
  const { client } = process;
  const request: KafkaProcess["client"]["request"] = async (target, api, body, options) => {
    const answer = await client.request(target, api, body, options);
    return api.name === "ListGroups" ? { ...answer, groups: [] } : answer;
  };
  return { ...process, client: withRequest(client, request) };
}

/** The next segment begins where this place handed over the last one, whatever the archive says. */
function positionOfItsOwn(): KafkaMistake {
  const positions = new Map<string, ArchiveEnd>();
  return (process) => ({
    ...process,
    source: (source) => ({
      partitions: () => source.partitions(),
      readSegment: (...args) => source.readSegment(...args),
      dropLocal: (...args) => source.dropLocal(...args),
      closedSegments: async (partition, archiveEnd) => {
        const key = partition.topicId;
        const closed = await source.closedSegments(partition, async () => positions.get(key) ?? archiveEnd());
        const last = closed.at(-1);
        if (last !== undefined) positions.set(key, { nextOffset: last.nextOffset, leaderEpoch: -1 });
        return closed;
      },
    }),
  });
}

/** The damaged object makes room for what the cluster has, which is looked at once it is there. */
const repairInPlace: KafkaJob = async ({ store }, world) => {
  const segment = newestOf(world)?.manifest.segments.at(-1);
  if (segment === undefined) return;
  const { baseOffset, nextOffset, key } = segment;
  await store.remove(`${key}.log`);
  const batches = [...world.written.values()].filter(
    (one) => one.baseOffset >= baseOffset && one.baseOffset < nextOffset,
  );
  await store.put(`${key}.log`, Buffer.concat(batches.map(({ bytes }) => bytes)));
};

/** A file has its name before the disk has the file. */
function nameBeforeSync(process: KafkaProcess): KafkaProcess {
  return withFiles(process, (path, options) => {
    const file = process.storage.open(path, options);
    return Object.defineProperty({ ...file, sync: async () => {} }, "sizeBytes", { get: () => file.sizeBytes });
  });
}

const offload = offloadKafka(true);
const dies: KafkaScenario = { name: "offload dies", job: offload };
const WHAT_GOES = /deleted in the cluster only what is published, verified, beyond the margin and read/;

/** All of them. */
export const KAFKA_MISTAKES: readonly PlantedKafkaMistake[] = [
  {
    name: "a spool is trusted without a look at its CRCs",
    breaks: /other batches|no record unreadable/,
    scenario: { ...dies, survives: "zeroed" },
    mistake: spoolWithoutCrc,
  },
  {
    name: "a torn spool is not cut",
    breaks: /spools are empty in the end|everything is archived/,
    scenario: { ...dies, survives: "torn" },
    mistake: tornSpoolIsKept,
  },
  { name: "DeleteRecords before publication", breaks: WHAT_GOES, scenario: dies, mistake: deleteBeforePublish },
  { name: "DeleteRecords without the margin", breaks: WHAT_GOES, scenario: dies, mistake: noMargin },
  { name: "DeleteRecords of what a group has not read", breaks: WHAT_GOES, scenario: dies, mistake: unreadIsRead },
  {
    name: "a cut position of its own instead of the manifest's",
    breaks: /spools are empty in the end|everything is archived/,
    scenario: dies,
    mistake: positionOfItsOwn(),
  },
  {
    name: "a repair replaces before it has verified",
    breaks: /no dangling reference/,
    scenario: {
      name: "repair dies",
      before: inTurn(offload, damage("log")),
      job: repairInPlace,
      after: repairFromCluster,
    },
  },
  {
    name: "a Parquet file is named before it is on the disk",
    breaks: /a Parquet file is whole or not there/,
    scenario: { name: "Parquet", before: offload, job: toParquet(PARQUET_DIRECTORY), survives: "torn" },
    mistake: nameBeforeSync,
  },
];
