/** Sources of every kind on Apache Kafka: as both ends, and as either one with an embedded region as the other. */

import { after, test } from "node:test";
import { type EmbeddedSide, MirrorWorld, type Side } from "../integration/mirror-world.ts";
import { PLAN_CASES } from "../integration/plan-cases.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 180_000;
const cleanup = new AsyncDisposableStack();
after(() => cleanup.disposeAsync());

interface Clusters {
  readonly world: MirrorWorld;
  readonly apache: Side;
  readonly embedded: EmbeddedSide;
}

let opened: Promise<Clusters> | undefined;

function clusters(): Promise<Clusters> {
  opened ??= open();
  return opened;
}

async function open(): Promise<Clusters> {
  const kafka = cleanup.use(await ApacheKafka.start({ properties: { "log.cleaner.backoff.ms": "200" }, heapMiB: 512 }));
  const world = cleanup.use(new MirrorWorld());
  const apache = await world.foreignSide([...kafka.endpoints.values()]);
  return { world, apache, embedded: await world.side("embedded", { brokers: 1 }) };
}

const WAYS = [
  ["apache", "apache"],
  ["apache", "embedded"],
  ["embedded", "apache"],
] as const;

for (const [from, to] of WAYS) {
  for (const [index, one] of PLAN_CASES.entries()) {
    if (one.needsCompaction && from === "embedded") continue;
    test(`flow from ${from} to ${to}: ${one.name}`, { skip, timeout }, async () => {
      const { world, ...sides } = await clusters();
      await one.run({ world, source: sides[from], target: sides[to] }, `${from}-${to}-${index}`);
    });
  }
}
