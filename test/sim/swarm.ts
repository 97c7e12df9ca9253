/** Chooses a world and its faults from a seed. Each seed uses a few kinds of fault only: many kinds at once hide each other. */

import { type Random, randomInt } from "../../src/core/random.ts";
import type { FaultOf, PlannedFault, RegionName, Shape, SimPlan } from "./plan.ts";
import { streamsOf } from "./streams.ts";

/** Kafka's own: no producer is forgotten in a run. */
const LONG_EXPIRATION_MS = 86_400_000;
/** Short enough to pass within a run. Connections are held for less than half of it, as brokers see to by closing idle ones. */
const SHORT_EXPIRATION_MS = 12_000;
/** Longest a link is held or a worker frozen. */
const HELD_MS_MAX = 2_500;

type Kind = PlannedFault["kind"];

/** The plan of a seed: always the same. */
export function planOf(seed: number): SimPlan {
  const streams = streamsOf(seed);
  const shape = chosenShape(new Dice(streams("shape")));
  return { version: 1, seed, shape, faults: chosenFaults(new Dice(streams("faults")), shape) };
}

/** Draws. */
class Dice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + randomInt(this.#random, high - low + 1);
  }

  one<T>(choices: readonly [T, ...T[]]): T {
    return choices[randomInt(this.#random, choices.length)] ?? choices[0];
  }

  /** Each choice with the probability. */
  some<T>(choices: readonly T[], probability: number): T[] {
    return choices.filter(() => this.chance(probability));
  }
}

function chosenShape(dice: Dice): Shape {
  const directions = dice.chance(0.3) ? "two-way" : "one-way";
  const topics = ["orders", "payments"].slice(0, dice.between(1, 2)).map((name) => ({
    name,
    partitions: dice.between(1, 2),
    // In two-way worlds the copies' topic would stamp them with a time of its own.
    appendTime: directions === "one-way" && dice.chance(0.1),
  }));
  const codecs = dice.some(["none", "gzip", "snappy", "lz4", "zstd"] as const, 0.4);
  return {
    directions,
    topics,
    workers: dice.chance(0.6) ? 2 : 1,
    brokers: { east: dice.one([1, 3]), west: dice.one([1, 3, 3]) },
    followDelayMs: dice.one([0, 0, 5]),
    loadMs: dice.between(3_000, 6_000),
    pauseMs: dice.one([20, 50, 100]),
    batchRecordsMax: dice.one([1, 6, 20]),
    valueBytesMax: dice.one([10, 100]),
    codecs: codecs.length === 0 ? ["none"] : codecs,
    compactedShare: dice.one([0, 0, 0.2]),
    link: { latencyMs: dice.one([0, 1, 20]), jitterMs: dice.one([0, 3]) },
    randomPieces: dice.chance(0.1),
    mergeAckMs: dice.one([0, 10]),
    targetBytesMax: dice.chance(0.15) ? 600 : 0,
    onGap: dice.one(["stop", "skip"]),
    onRecreate: dice.one(["stop", "restart"]),
    expirationMs: dice.chance(0.25) ? SHORT_EXPIRATION_MS : LONG_EXPIRATION_MS,
    uncleanElections: dice.chance(0.25),
    groups: dice.between(0, 2),
  };
}

/** What a draw of one kind gives; undefined when the shape leaves no room for it. */
type Draw = (dice: Dice, shape: Shape, atMs: number) => readonly PlannedFault[];

const KINDS: readonly Kind[] = [
  "stop-broker",
  "unclean-election",
  "crash-region",
  "fill-disk",
  "overtake",
  "recreate-topic",
  "skew-clock",
  "slow-link",
  "break-link",
  "disturb-produce",
  "kill-worker",
  "freeze-worker",
  "pause-load",
];

function chosenFaults(dice: Dice, shape: Shape): readonly PlannedFault[] {
  const kinds = dice.some(KINDS, 0.35);
  const faults: PlannedFault[] = [];
  for (const kind of kinds) {
    const times = dice.between(1, RARE.has(kind) ? 1 : 6);
    for (let i = 0; i < times; i++) faults.push(...DRAWS[kind](dice, shape, dice.between(0, shape.loadMs - 500)));
  }
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

/** What ends a lane for good, or takes long, happens once. */
const RARE: ReadonlySet<Kind> = new Set([
  "unclean-election",
  "overtake",
  "recreate-topic",
  "pause-load",
  "crash-region",
  "skew-clock",
]);

const DRAWS: Readonly<Record<Kind, Draw>> = {
  "stop-broker": (dice, shape, atMs) => {
    const region = anyRegion(dice);
    const broker = dice.between(1, shape.brokers[region]);
    return [{ kind: "stop-broker", atMs, region, broker, forMs: dice.between(50, 800) }];
  },
  "unclean-election": (dice, shape, atMs) => {
    const region = anyRegion(dice);
    if (!shape.uncleanElections || shape.brokers[region] < 2) return [];
    return [{ kind: "unclean-election", atMs, region, heldMs: dice.between(800, 1_600), downMs: dice.between(0, 500) }];
  },
  "crash-region": (dice, shape, atMs) => {
    const keeps = shape.uncleanElections && dice.chance(0.5) ? "synced" : "written";
    return [{ kind: "crash-region", atMs, region: anyRegion(dice), keeps, downMs: dice.between(0, 1_500) }];
  },
  "fill-disk": (dice, _shape, atMs) => [
    { kind: "fill-disk", atMs, region: anyRegion(dice), forMs: dice.between(50, 800) },
  ],
  overtake: (dice, shape, atMs) => {
    const topic = anyTopic(dice, shape);
    return [
      {
        kind: "overtake",
        atMs,
        topic: topic.name,
        partition: dice.between(0, topic.partitions - 1),
        forMs: dice.between(300, 1_500),
      },
    ];
  },
  "recreate-topic": (dice, shape, atMs) =>
    shape.directions === "two-way" ? [] : [{ kind: "recreate-topic", atMs, topic: anyTopic(dice, shape).name }],
  "skew-clock": (dice, shape, atMs) => [
    {
      kind: "skew-clock",
      atMs,
      worker: dice.between(1, shape.workers),
      skewMs: dice.between(-2_000, 2_000),
      forMs: dice.between(500, 5_000),
    },
  ],
  "slow-link": (dice, shape, atMs) => {
    const latency = { latencyMs: dice.between(1, 100), jitterMs: dice.between(0, 50) };
    return [{ kind: "slow-link", atMs, ...anyWay(dice, shape), ...latency, forMs: dice.between(200, 3_000) }];
  },
  "break-link": (dice, shape, atMs) => {
    const mode = dice.one<"held" | "lost" | "cut">(["held", "lost", "cut"]);
    return [{ kind: "break-link", atMs, ...anyWay(dice, shape), mode, forMs: dice.between(20, HELD_MS_MAX) }];
  },
  "disturb-produce": (dice, shape, atMs) => {
    const region = shape.directions === "two-way" ? anyRegion(dice) : "west";
    const how = dice.one(DISTURBANCES);
    return [{ kind: "disturb-produce", atMs, region, how, delayMs: dice.between(1, 600) }];
  },
  "kill-worker": (dice, shape, atMs) => [
    { kind: "kill-worker", atMs, worker: dice.between(1, shape.workers), downMs: dice.between(0, 600) },
  ],
  "freeze-worker": (dice, shape, atMs) => [
    { kind: "freeze-worker", atMs, worker: dice.between(1, shape.workers), forMs: dice.between(100, HELD_MS_MAX) },
  ],
  "pause-load": (dice, shape, atMs) => {
    const isLong = shape.expirationMs === SHORT_EXPIRATION_MS;
    const forMs = isLong ? shape.expirationMs * 2 : dice.between(500, 2_000);
    const first: FaultOf<"disturb-produce">[] = dice.chance(0.5)
      ? [{ kind: "disturb-produce", atMs: atMs + forMs - 1, region: "west", how: dice.one(DISTURBANCES), delayMs: 300 }]
      : [];
    return [{ kind: "pause-load", atMs, forMs }, ...first];
  },
};

const DISTURBANCES = ["cut-reply", "swallow-reply", "delay-reply", "delay", "drop", "repeat", "refuse"] as const;

function anyRegion(dice: Dice): RegionName {
  return dice.one(["east", "west"]);
}

function anyTopic(dice: Dice, shape: Shape): Shape["topics"][number] {
  const [first = { name: "orders", partitions: 1, appendTime: false }, ...rest] = shape.topics;
  return dice.one([first, ...rest]);
}

/** One direction between a worker, or now and then a producer, and a region. */
function anyWay(dice: Dice, shape: Shape): { readonly from: string; readonly to: string } {
  const region = anyRegion(dice);
  const other = dice.chance(0.1) ? `producer-${region}` : `worker-${dice.between(1, shape.workers)}`;
  return dice.chance(0.5) ? { from: other, to: region } : { from: region, to: other };
}
