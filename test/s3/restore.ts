/** What was archived from Apache Kafka comes back in another cluster. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { apacheKafkaMissing } from "../peers/kafka/jars.ts";
import { roundTrip } from "./round-trip.ts";
import { SERVERS } from "./shared-servers.ts";

const MIB = 32;
/** A process of Node with the client for S3 takes 110 MiB before it begins. */
const RSS_MIB_MAX = 256;

for (const { name, skip, get } of SERVERS.filter((server) => server.name === "minio")) {
  test(`topic of Apache Kafka is archived in ${name}, deleted, and restored in another cluster, record for record`, {
    skip: skip || (apacheKafkaMissing() ?? false),
    timeout: 180_000,
  }, async (t) => {
    const { records, offsets, groupsChecked, offload, restore } = await roundTrip(MIB, await get());
    for (const [command, { seconds, cpuSeconds, peakRssMiB }] of Object.entries({ offload, restore }))
      t.diagnostic(`${command}: ${seconds.toFixed(1)} s, ${cpuSeconds} CPU s, at most ${peakRssMiB.toFixed(0)} MiB`);
    assert.deepEqual(offsets, ["exact", "mapped"]);
    assert.ok(records.every((count) => count > 5_000) && groupsChecked === 120);
    assert.ok(restore.peakRssMiB < RSS_MIB_MAX, `${restore.peakRssMiB} MiB`);
  });
}
