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
import { SURVIVALS, type Survival } from "./spool-disk.ts";

const offload = offloadKafka(true);

/** Those that every run of the tests goes through. */
export const KAFKA_SCENARIOS: readonly KafkaScenario[] = [
  dies("torn"),
  {
    name: "another offloader of a Kafka topic works while one stands still",
    before: offload,
    job: offload,
    meanwhile: offload,
  },
  {
    name: "a Kafka topic is deleted while its offloader stands still",
    before: offload,
    job: offload,
    meanwhile: deleteTopic,
  },
  {
    name: "a Kafka topic is removed from the archive while its offloader stands still",
    before: offload,
    job: offload,
    meanwhile: remove,
  },
  repairDies("log"),
  {
    name: "the offloader works while a repair stands still",
    before: inTurn(offload, damage("log")),
    job: repairFromCluster,
    meanwhile: offload,
    after: repairFromCluster,
  },
  parquetDies("synced"),
];

/** The same and others with every disk and every damage, which take half a minute. */
export const MORE_KAFKA_SCENARIOS: readonly KafkaScenario[] = [
  ...SURVIVALS.filter((survives) => survives !== "torn").map(dies),
  {
    name: "a later offload of a Kafka topic dies over a spool that is filling",
    before: offloadKafka(false),
    job: offload,
  },
  { name: "gc runs while the offloader of a Kafka topic stands still", job: offload, meanwhile: inTurn(wait, gc) },
  { name: "the removal of a Kafka topic from the archive dies", before: offload, job: inTurn(remove, wait, gc) },
  repairDies("index"),
  repairDies("manifest"),
  {
    name: "Parquet files in the store are written by a process that dies",
    before: offload,
    job: toParquet(),
    after: allParquet(),
  },
  parquetDies("written"),
  parquetDies("torn"),
];

function dies(survives: Survival): KafkaScenario {
  const name = `the offloader of a Kafka topic dies, and of its spool is left what was ${survives}`;
  return { name, job: offload, survives };
}

function repairDies(what: Parameters<typeof damage>[0]): KafkaScenario {
  const before = inTurn(offload, damage(what));
  return { name: `the repair of a damaged ${what} dies`, before, job: repairFromCluster, after: repairFromCluster };
}

function parquetDies(survives: Survival): KafkaScenario {
  return {
    name: `Parquet files in a directory are written by a process that dies, and of its disk is left what was ${survives}`,
    before: offload,
    job: toParquet(PARQUET_DIRECTORY),
    after: allParquet(PARQUET_DIRECTORY),
    survives,
  };
}
