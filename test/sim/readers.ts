/** Consumer groups of a region: they commit as they read, always forward, and at the end once more. */

import { commitOffsets } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { TributaryError } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { Network } from "../../src/core/network.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import type { RegionName, Shape } from "./plan.ts";
import type { SimRegion } from "./sim-region.ts";

/** Mean time between two commits. */
const PAUSE_MS = 700;
const RETRY_MS = 100;
/** For the last commits: by then every fault is over. */
const LAST_ATTEMPTS_MAX = 100;

/** What readers work with. */
export interface ReadersDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly clientRandom: Random;
  readonly network: Network;
  readonly logger: Logger;
  readonly region: SimRegion;
  readonly shape: Shape;
}

/** A position as the group knows it. */
export interface Position {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** The groups of one region. */
export class Readers {
  readonly #deps: ReadersDeps;
  readonly #positions = new Map<string, Position>();

  constructor(deps: ReadersDeps) {
    this.#deps = deps;
  }

  /** The region that the groups read in. */
  get region(): RegionName {
    return this.#deps.region.name;
  }

  /** Where each group stands after `finish`. */
  get positions(): readonly Position[] {
    return [...this.#positions.values()];
  }

  /** Commits now and then; what a failed commit did is left open. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, shape } = this.#deps;
    if (shape.groups === 0) return;
    while (!signal.aborted) {
      await sleep(clock, random.next() * 2 * PAUSE_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.#commit(this.#advanced()).catch(ignoreOperating);
    }
  }

  /** Commits where every group stands, until the region has taken it. */
  async finish(): Promise<void> {
    for (let attempt = 0; attempt < LAST_ATTEMPTS_MAX; attempt++) {
      const isDone = await this.#commit([...this.#positions.values(), ...this.#advanced()]).catch(ignoreOperating);
      if (isDone === true) return;
      await sleep(this.#deps.clock, RETRY_MS);
    }
    throw new Error(`groups of ${this.region} cannot commit although every fault is over`);
  }

  /** One group in one partition reads on a little. */
  #advanced(): readonly Position[] {
    const { random, shape, region } = this.#deps;
    const topic = shape.topics[randomInt(random, shape.topics.length)];
    const group = `${region.name}-readers-${1 + randomInt(random, Math.max(1, shape.groups))}`;
    const share = random.next();
    const partition = randomInt(random, topic?.partitions ?? 1);
    const at = region.up?.partition(topic?.name ?? "", partition);
    if (topic === undefined || at === undefined || shape.groups === 0) return [];
    const key = `${group}/${topic.name}/${partition}`;
    const before = this.#positions.get(key)?.offset ?? at.log.startOffset;
    const room = at.highWatermark - before;
    if (room < 0n) return [];
    const position = { group, topic: topic.name, partition, offset: before + BigInt(Math.ceil(Number(room) * share)) };
    this.#positions.set(key, position);
    return [position];
  }

  /** True when every commit was taken. */
  async #commit(positions: readonly Position[]): Promise<boolean> {
    if (positions.length === 0) return true;
    const { clock, clientRandom: random, network, logger, region } = this.#deps;
    const clientId = `readers-${region.name}`;
    const options = { bootstrap: region.endpoints, clientId, requestTimeoutMs: 1_000, connectTimeoutMs: 500 };
    const client = await KafkaClient.open(options, { clock, random, network, logger });
    try {
      for (const [group, ofGroup] of Map.groupBy(positions, (position) => position.group)) {
        const offsets = [...new Map(ofGroup.map((each) => [`${each.topic}/${each.partition}`, each])).values()].map(
          ({ topic, partition: index, offset: committedOffset }) => ({ topic, index, committedOffset }),
        );
        const outcomes = await commitOffsets(client, group, { offsets });
        if (outcomes.some(({ errorCode }) => errorCode !== ErrorCode.NONE)) return false;
      }
      return true;
    } finally {
      await client.close();
    }
  }
}

function ignoreOperating(error: unknown): undefined {
  if (!(error instanceof TributaryError)) throw error;
  return undefined;
}
