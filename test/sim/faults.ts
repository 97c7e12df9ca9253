/** What each kind of fault does to a world. An injection begins at once; what it returns ends it, and is always called. */

import { sleep } from "../../src/core/clock.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import type { FaultOf, PlannedFault, RegionName } from "./plan.ts";
import type { SimWorld } from "./world.ts";

const PRODUCE_KEY = 0;

/** Ends a fault; undefined when there is nothing to end. */
type Heal = () => void | Promise<void>;

/** How long each fault lasts, and what begins and ends it. */
interface Injection {
  readonly forMs: number;
  readonly heal: Heal;
}

type Inject<K extends PlannedFault["kind"]> = (
  world: SimWorld,
  fault: FaultOf<K>,
  signal: AbortSignal,
) => Injection | undefined | Promise<Injection | undefined>;

/** Carries out one fault, from its beginning to its end. Aborting `signal` ends it early. */
export async function injectFault(world: SimWorld, fault: PlannedFault, signal: AbortSignal): Promise<void> {
  const inject = INJECTIONS[fault.kind] as Inject<PlannedFault["kind"]>;
  const injection = await inject(world, fault, signal);
  if (injection === undefined) return;
  await pause(world, injection.forMs, signal);
  await injection.heal();
}

const INJECTIONS: { readonly [K in PlannedFault["kind"]]: Inject<K> } = {
  "stop-broker": async (world, { region: name, broker, forMs }) => {
    const region = world.regions[name].up;
    if (region === undefined) return undefined;
    await region.stopBroker(broker);
    return { forMs, heal: () => startBroker(world, name, broker) };
  },

  "unclean-election": async (world, { region: name, heldMs, downMs }, signal) => {
    const region = world.regions[name].up;
    const leader = region?.partition(world.shape.topics[0]?.name ?? "", 0)?.leaderId ?? -1;
    if (region === undefined || leader < 0) return undefined;
    const others = region.runningBrokers.filter((id) => id !== leader);
    for (const id of others) region.setFollowing(id, { isHeld: true });
    await pause(world, heldMs, signal);
    if (world.regions[name].up !== region) return undefined;
    await region.stopBroker(leader);
    for (const id of others) region.setFollowing(id, { isHeld: false });
    return { forMs: downMs, heal: () => startBroker(world, name, leader) };
  },

  "crash-region": async (world, { region: name, keeps, downMs }) => {
    const region = world.regions[name];
    if (region.up === undefined) return undefined;
    await region.crash(keeps);
    return {
      forMs: downMs,
      heal: async () => {
        // A disk without room would keep the region from coming back for good.
        region.disk.freeDisk();
        await world.startRegion(name);
        world.marks.hit("region-restarted");
      },
    };
  },

  "fill-disk": (world, { region, forMs }) => {
    const { disk } = world.regions[region];
    disk.fillDisk();
    return { forMs, heal: () => disk.freeDisk() };
  },

  overtake: (world, { topic, partition, forMs }) => {
    const removals = world.workers.map(({ place }) => world.links.add("east", place, { mode: "held" }));
    return {
      forMs,
      heal: () => {
        for (const remove of removals) remove();
        const { up, disk } = world.regions.east;
        const at = up?.partition(topic, partition);
        // A full disk takes no note of a new start either.
        if (!disk.isFull) at?.deleteRecordsBefore(at.highWatermark);
      },
    };
  },

  "recreate-topic": async (world, { topic }) => {
    await world.recreateTopic(topic);
    return undefined;
  },

  "skew-clock": (world, { worker: slot, skewMs, forMs }) => {
    const worker = world.worker(slot);
    if (worker === undefined) return undefined;
    worker.clock.skewMs += skewMs;
    return {
      forMs,
      heal: () => {
        worker.clock.skewMs -= skewMs;
      },
    };
  },

  "slow-link": (world, { from, to, latencyMs, jitterMs, forMs }) => ({
    forMs,
    heal: world.links.add(world.placeOf(from), world.placeOf(to), { latencyMs, jitterMs }),
  }),

  "break-link": (world, { from, to, mode, forMs }) => ({
    forMs,
    heal: world.links.add(world.placeOf(from), world.placeOf(to), { mode }),
  }),

  "disturb-produce": (world, { region, how, delayMs }) => {
    world.regions[region].up?.faults.control(PRODUCE_KEY, ({ clientId, body }) => {
      // State records share the API, but must not use up the fault.
      if (clientId?.startsWith("worker-") !== true || isInternal(body)) return undefined;
      if (how === "refuse") return { kind: "answer", response: refusalOf(body) };
      return how === "delay" || how === "delay-reply" ? { kind: how, delayMs } : { kind: how };
    });
    return undefined;
  },

  "kill-worker": async (world, { worker: slot, downMs }) => {
    if (!world.killWorker(slot)) return undefined;
    return { forMs: downMs, heal: () => world.startWorker(slot) };
  },

  "freeze-worker": (world, { worker: slot, forMs }) => {
    const worker = world.worker(slot);
    if (worker === undefined) return undefined;
    worker.clock.freeze();
    const held = ["east", "west"].flatMap((region) => [
      world.links.add(region, worker.place, { mode: "held" }),
      world.links.add(worker.place, region, { mode: "held" }),
    ]);
    return {
      forMs,
      heal: () => {
        for (const remove of held) remove();
        worker.clock.thaw();
        world.marks.hit("worker-frozen");
      },
    };
  },

  "pause-load": (world, { forMs }) => ({ forMs, heal: world.pauseLoad(forMs) }),
};

async function startBroker(world: SimWorld, name: RegionName, broker: number): Promise<void> {
  await world.regions[name].up?.startBroker(broker);
}

/** What the controls know of a Produce request and answer to it. */
interface ProduceBody {
  readonly topics: readonly {
    readonly name?: string;
    readonly topicId?: string;
    readonly partitions: readonly { readonly index: number; readonly records: Buffer | null }[];
  }[];
}

function isInternal(body: unknown): boolean {
  const { topics } = body as ProduceBody;
  // Mirrored batches carry a producer id, state records do not.
  return topics.every(({ partitions }) =>
    partitions.every(({ records }) => records === null || records.readBigInt64BE(43) === -1n),
  );
}

/** NOT_ENOUGH_REPLICAS for everything: nothing is appended. */
function refusalOf(body: unknown) {
  const { topics } = body as ProduceBody;
  return {
    topics: topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map(({ index }) => {
        return { index, errorCode: ErrorCode.NOT_ENOUGH_REPLICAS, baseOffset: -1n, logAppendTimeMs: -1n };
      }),
    })),
  };
}

async function pause(world: SimWorld, forMs: number, signal: AbortSignal): Promise<void> {
  await sleep(world.clock, forMs, signal).catch(() => undefined);
}
