/** Settings follow a topic between two Apache Kafka clusters. */

import { test } from "node:test";
import { settingsFollow } from "../integration/settings-cases.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;

test("settings of a topic follow it on Apache Kafka", { skip, timeout }, async () => {
  await using kafka = await ApacheKafka.start();
  const endpoints = [...kafka.endpoints.values()];
  await settingsFollow(endpoints, endpoints);
});
