/** Stock kafkajs and a region in a process of its own. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSource } from "../../src/quickstart/check-lanes.ts";
import { flightsByRegion, loadFlights } from "../../src/quickstart/flights.ts";
import { readShare } from "../../src/quickstart/group.ts";
import { createFlightTopics, produceFlights } from "../../src/quickstart/load.ts";
import { continueGroup, readTopics } from "../../src/quickstart/reader.ts";
import { commitsOf, stockClient } from "../../src/quickstart/region-access.ts";
import { startedRegion } from "./started-region.ts";

test("stock kafkajs produces, lists, reads in a group and goes on from its commits on a region that tributary up started", async () => {
  await using started = await startedRegion("us-west");
  const access = { region: "us-west", bootstrap: started.bootstrap };
  const flights = flightsByRegion(loadFlights()).get("us-west") ?? [];
  await createFlightTopics([access]);
  const sent = await produceFlights([access], flights, { waves: 6, paceMs: 0 });
  const content = await readTopics(access, ["flights"]);
  assert.deepEqual(checkSource(sent.get("us-west") ?? [], content), []);

  await readShare(access, 0.5);
  const commits = await commitsOf(stockClient(access), "delays", "flights");
  const rest = await continueGroup(access, { groupId: "delays", topics: ["flights"] });
  const unread = content.flatMap(({ partition, records }) =>
    records.filter(({ offset }) => offset >= (commits.get(partition) ?? 0n)).map(({ flight }) => flight),
  );
  assert.deepEqual(rest.map(({ flight }) => flight).sort(byNumber), unread.sort(byNumber));
  assert.ok(rest.length < flights.length);
});

function byNumber(a: number | undefined, b: number | undefined): number {
  return (a ?? 0) - (b ?? 0);
}
