/** The suite on Apache Kafka: its clusters are started once and shared by the contract cases and the main job. Run with
 *  `npm run test:kafka`; prints the totals of node:test. Without Java all is skipped, except where `CI=true`. */

import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import { flightsByRegion, loadFlights } from "../../src/quickstart/flights.ts";
import { type MainJobResult, runMainJob } from "../../src/quickstart/main-job.ts";
import { anomalyLines } from "../../src/quickstart/report.ts";
import { answerToUnknownVersion, apiRanges } from "../contract/api-versions.ts";
import { electionCases } from "../contract/cases/elections.ts";
import { transactionElectionCases } from "../contract/cases/transaction-elections.ts";
import { CONTRACT_CASES } from "../contract/cases.ts";
import { compareCase } from "../contract/compare.ts";
import type { BrokerAddress } from "../contract/connection.ts";
import { openContractCluster, openContractRegion } from "../contract/embedded.ts";
import { KAFKA_PROPERTIES } from "../contract/peer.ts";
import { Probe } from "../contract/probe.ts";
import { recorded } from "../contract/recorded.ts";
import { CLIENT_CASES } from "../integration/client-cases.ts";
import { type ApacheRegions, apacheWorld } from "./apache-world.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";
import { startRival } from "./rival.ts";
import "./acls.ts";
import "./archive.ts";
import "./java-transactions.ts";
import "./deletions.ts";
import "./groups.ts";
import "./mm2-compat.ts";
import "./chaos.ts";
import "./mm2-takeover.ts";
import "./offload.ts";
import "./old-clusters.ts";
import "./plans.ts";
import "./security.ts";
import "./segment-files.ts";
import "./history.ts";
import "./settings.ts";
import "./trouble.ts";

const skip = apacheKafkaMissing() ?? false;
/** Everything here ends by itself much sooner; the limit only keeps a hang from holding up whoever runs the suite. */
const timeout = 300_000;
const flights = loadFlights();
const cleanup = new AsyncDisposableStack();
after(() => cleanup.disposeAsync());

/** Starts on first use and is shared from then on. */
function shared<T extends AsyncDisposable>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open().then((resource) => cleanup.use(resource));
    return opened;
  };
}

const region = shared(openContractRegion);
const sourceClusters = new Map(
  [...flightsByRegion(flights).keys()].map((alias) => [
    alias,
    shared(() => ApacheKafka.start({ properties: KAFKA_PROPERTIES })),
  ]),
);
/** Writes need one replica, as the embedded region's do, unless a topic says otherwise. */
const targetCluster = shared(() => ApacheKafka.start({ nodes: 3, properties: KAFKA_PROPERTIES }));

/** The cluster for the contract is one of the main job's sources: a JVM less. */
async function kafkaAddress(): Promise<BrokerAddress> {
  const [first] = sourceClusters.values();
  const endpoint = (await first?.())?.endpoints.get(1);
  assert.ok(endpoint !== undefined);
  return endpoint;
}

for (const one of CONTRACT_CASES) {
  test(`Apache Kafka and embedded region agree: ${one.name}`, { skip, timeout }, async () => {
    const kafka = await Probe.answersOf(one, await kafkaAddress());
    assert.deepEqual(kafka, recorded().cases[one.name]);
    const own = await Probe.answersOf(one, (await region()).address);
    assert.deepEqual(compareCase(one.name, own, kafka), { unexplained: [], stale: [] });
  });
}

for (const one of [...electionCases, ...transactionElectionCases]) {
  test(`Apache Kafka and embedded region agree: ${one.name}`, { skip, timeout }, async () => {
    const cluster = await targetCluster();
    const control = {
      addresses: cluster.endpoints,
      stopBroker: (id: number) => cluster.stopBroker(id, "kill"),
      startBroker: (id: number) => cluster.startBroker(id),
    };
    const kafka = await Probe.answersOf(one, addressOf(control.addresses), control);
    await using own = await openContractCluster();
    const answers = await Probe.answersOf(one, addressOf(own.addresses), own);
    assert.deepEqual(compareCase(one.name, answers, kafka), { unexplained: [], stale: [] });
  });
}

function addressOf(addresses: ReadonlyMap<number, BrokerAddress>): BrokerAddress {
  return addresses.get(1) ?? assert.fail("no broker 1");
}

test("Apache Kafka claims the versions that were recorded", { skip, timeout }, async () => {
  const address = await kafkaAddress();
  assert.deepEqual(await apiRanges(address), recorded().apiRanges);
  assert.deepEqual(await answerToUnknownVersion(address), recorded().answerToUnknownVersion);
});

for (const one of CLIENT_CASES) {
  test(`client on Apache Kafka ${one.name}`, { skip, timeout }, async () => {
    const kafka = await targetCluster();
    await one.run({
      bootstrap: [...kafka.endpoints.values()],
      stopBroker: (id) => kafka.stopBroker(id),
      startBroker: (id) => kafka.startBroker(id),
    });
  });
}

async function startedRegions(): Promise<ApacheRegions> {
  const sources = new Map<string, ApacheKafka>();
  await Promise.all([...sourceClusters].map(async ([alias, start]) => sources.set(alias, await start())));
  return { sources, target: await targetCluster() };
}

test("main job holds on Apache Kafka under kills and a broker's crash", { skip, timeout }, async (t) => {
  using apache = apacheWorld(await startedRegions(), "flights");
  const result = await runMainJob(apache.world, { flights, onEvent: (text) => t.diagnostic(text) });
  checkResult(t, result);
});

test("main job holds on Apache Kafka while a rival copies the same lanes", { skip, timeout }, async (t) => {
  const regions = await startedRegions();
  const topic = "raced-flights";
  using apache = apacheWorld(regions, topic);
  using other = apacheWorld(regions, topic);
  await using rival = await startRival(other.world);
  const result = await runMainJob(apache.world, { flights, topic, onEvent: (text) => t.diagnostic(text) });
  t.diagnostic(`the rival was frozen ${rival.pauses} times`);
  assert.ok(rival.pauses > 3);
  checkResult(t, result);
});

function checkResult(t: TestContext, result: MainJobResult): void {
  assert.deepEqual(anomalyLines(result.anomalies), []);
  const { elapsedMs, offsetsChecked, ...rest } = result.figures;
  t.diagnostic(`${offsetsChecked} offsets translated, all in ${elapsedMs} ms`);
  assert.ok(offsetsChecked > 2 * flights.length);
  assert.deepEqual(rest, {
    produced: flights.length,
    mirrored: flights.length,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    mutated: 0,
    workerKills: 3,
    brokerStops: 1,
    offsetsWrong: 0,
    groupsChecked: 3,
    groupsWrong: 0,
    segmentsOffloaded: 0,
    bytesOffloaded: 0,
    coldRecordsRead: 0,
  });
}
