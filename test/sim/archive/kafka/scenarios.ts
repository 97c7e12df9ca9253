/** Every kind of interruption that the archive of a Kafka topic has to survive. */

import {
  allParquet,
  damage,
  deleteTopic,
  gc,
  inTurn,
  offloadKafka,
  PARQUET_DIRECTORY,
  remove,
  repairFromCluster,
  toParquet,
  wait,
} from "./jobs.ts";
import type { KafkaScenario } from "./runs.ts";
import { SURVIVALS } from "./spool-disk.ts";

const offload = offloadKafka(true);

/** All of them. */
export const KAFKA_SCENARIOS: readonly KafkaScenario[] = [
  ...SURVIVALS.map((survives) => ({
    name: `the offloader of a Kafka topic dies, and of its spool is left what was ${survives}`,
    job: offload,
    survives,
  })),
  {
    name: "a later offload of a Kafka topic dies over a spool that is filling",
    before: offloadKafka(false),
    job: offload,
  },
  {
    name: "another offloader of a Kafka topic works while one stands still",
    before: offload,
    job: offload,
    meanwhile: offload,
  },
  { name: "gc runs while the offloader of a Kafka topic stands still", job: offload, meanwhile: inTurn(wait, gc) },
  {
    name: "a Kafka topic is deleted while its offloader stands still",
    before: offload,
    job: offload,
    meanwhile: deleteTopic,
  },
  { name: "the removal of a Kafka topic from the archive dies", before: offload, job: inTurn(remove, wait, gc) },
  {
    name: "a Kafka topic is removed from the archive while its offloader stands still",
    before: offload,
    job: offload,
    meanwhile: remove,
  },
  ...(["log", "index", "manifest"] as const).map((what) => ({
    name: `the repair of a damaged ${what} dies`,
    before: inTurn(offload, damage(what)),
    job: repairFromCluster,
    after: repairFromCluster,
  })),
  {
    name: "Parquet files in the store are written by a process that dies",
    before: offload,
    job: toParquet(),
    after: allParquet(),
  },
  ...(["written", "synced", "torn"] as const).map((survives) => ({
    name: `Parquet files in a directory are written by a process that dies, and of its disk is left what was ${survives}`,
    before: offload,
    job: toParquet(PARQUET_DIRECTORY),
    after: allParquet(PARQUET_DIRECTORY),
    survives,
  })),
];
