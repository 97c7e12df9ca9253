/** Several transactional writers on a region whose brokers stop, hang and are killed, in virtual time: whatever happened, each
 *  transaction is visible as a whole or not at all, and as its writer was told. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { type Random, randomInt } from "../../../src/core/random.ts";
import { AbortedTransactions } from "../../../src/mirror/aborted.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { endTxn } from "../../../src/wire/apis/26-end-txn.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { openTestRegion, type TestRegion } from "./region-fixture.ts";

const TOPICS = ["orders", "bills"] as const;
const SEEDS = 40;
const STEPS = 60;
const IMPLICIT_VERSION = 12;
const TIMEOUT_MS = 30_000;

/** What a writer was told of a transaction; `unknown`: the answer to its commit was lost or an error. */
type Outcome = "committed" | "aborted" | "unknown";

/** One transaction: its records carry its name. */
interface Ledger {
  readonly name: string;
  /** Records acknowledged, by topic. */
  readonly acked: Map<string, number>;
  outcome: Outcome;
}

class Writer {
  readonly id: string;
  producerId = -1n;
  epoch = -1;
  readonly sequences = new Map<string, number>();
  current: Ledger | undefined;

  constructor(id: string) {
    this.id = id;
  }
}

/** One run. */
class Chaos {
  readonly #random: Random;
  readonly #storage: MemoryStorage;
  readonly #writers = ["one", "two", "three"].map((id) => new Writer(id));
  readonly ledger: Ledger[] = [];
  readonly #held = new Set<number>();
  #world: TestRegion;

  private constructor(random: Random, world: TestRegion, storage: MemoryStorage) {
    this.#random = random;
    this.#world = world;
    this.#storage = storage;
  }

  static async open(seed: number): Promise<Chaos> {
    const storage = new MemoryStorage();
    const world = await openTestRegion({}, { storage });
    for (const topic of TOPICS)
      await world.createTopic(topic, { assignment: [1, 2, 3], configs: { "segment.bytes": "2000" } });
    return new Chaos(seededRandom(seed), world, storage);
  }

  get world(): TestRegion {
    return this.#world;
  }

  async step(): Promise<void> {
    const writer = this.#writers[randomInt(this.#random, this.#writers.length)];
    assert.ok(writer !== undefined);
    const dice = randomInt(this.#random, 100);
    if (dice < 55) await this.#write(writer);
    else if (dice < 70) await this.#end(writer, true);
    else if (dice < 78) await this.#end(writer, false);
    else if (dice < 82) await this.#reopen(writer);
    else if (dice < 95) await this.#disturb();
    else await this.#world.clock.advance(1_000 * randomInt(this.#random, 20));
  }

  /** Ends all trouble, and with the time all transactions. */
  async heal(): Promise<void> {
    for (const broker of [1, 2, 3]) await this.#world.region.startBroker(broker);
    for (const broker of this.#held) this.#world.region.setFollowing(broker, { isHeld: false });
    for (const writer of this.#writers) this.#forget(writer, "unknown");
    await this.#world.clock.advance(TIMEOUT_MS + 20_000);
  }

  async #disturb(): Promise<void> {
    const { region } = this.#world;
    const broker = 1 + randomInt(this.#random, 3);
    switch (randomInt(this.#random, 6)) {
      case 0:
      case 1:
        if (region.runningBrokers.length > 1) await region.stopBroker(broker);
        return;
      case 2:
      case 3:
        for (const one of [1, 2, 3]) await region.startBroker(one);
        return;
      case 4: {
        const isHeld = !this.#held.has(broker);
        if (isHeld) this.#held.add(broker);
        else this.#held.delete(broker);
        region.setFollowing(broker, { isHeld });
        return;
      }
      default: {
        // A killed process: everything that was written is there, nothing was closed.
        this.#storage.crash(({ sizeBytes }) => sizeBytes);
        this.#held.clear();
        const nowMs = this.#world.clock.nowMs();
        this.#world = await openTestRegion({}, { storage: this.#storage });
        await this.#world.clock.advance(nowMs - this.#world.clock.nowMs());
      }
    }
  }

  async #reopen(writer: Writer): Promise<void> {
    this.#forget(writer, "aborted");
    writer.producerId = -1n;
    const answer = await this.#asked(async () => {
      const coordinator = await this.#coordinator(writer);
      return coordinator?.ask(initProducerId, 4, { transactionalId: writer.id, transactionTimeoutMs: TIMEOUT_MS });
    });
    if (answer?.errorCode !== ErrorCode.NONE) return;
    [writer.producerId, writer.epoch] = [answer.producerId, answer.producerEpoch];
    writer.sequences.clear();
  }

  async #write(writer: Writer): Promise<void> {
    if (writer.producerId < 0n) await this.#reopen(writer);
    if (writer.producerId < 0n) return;
    writer.current ??= this.#begin(writer);
    const { current } = writer;
    const topic = TOPICS[randomInt(this.#random, TOPICS.length)] ?? "orders";
    const sequence = writer.sequences.get(topic) ?? 0;
    writer.sequences.set(topic, sequence + 1);
    const record = { timestampMs: BigInt(this.#world.clock.nowMs()), key: null, value: Buffer.from(current.name) };
    const batch = encodeBatch([record], {
      ...{ producerId: writer.producerId, producerEpoch: writer.epoch, baseSequence: sequence, isTransactional: true },
    });
    const code = await this.#asked(async () => {
      if ((this.#world.region.partition(topic, 0)?.leaderId ?? -1) < 0) return undefined;
      const answer = await (await this.#world.leader(topic)).ask(produce, IMPLICIT_VERSION, {
        ...{ transactionalId: writer.id, acks: -1, timeoutMs: 500 },
        topics: [{ name: topic, partitions: [{ index: 0, records: batch.bytes }] }],
      });
      return answer.topics[0]?.partitions[0]?.errorCode;
    });
    if (code === ErrorCode.NONE) current.acked.set(topic, (current.acked.get(topic) ?? 0) + 1);
    // What a write that failed left behind is for the next writer of the id to abort.
    else await this.#reopen(writer);
  }

  async #end(writer: Writer, committed: boolean): Promise<void> {
    const { current } = writer;
    if (current === undefined) return;
    const answer = await this.#asked(async () => {
      const { id: transactionalId, producerId, epoch: producerEpoch } = writer;
      const body = { transactionalId, producerId, producerEpoch, committed };
      return (await this.#coordinator(writer))?.ask(endTxn, 5, body);
    });
    if (answer?.errorCode === ErrorCode.NONE) {
      this.#forget(writer, committed ? "committed" : "aborted");
      writer.epoch = answer.producerEpoch;
      writer.producerId = answer.producerId;
      writer.sequences.clear();
      return;
    }
    this.#forget(writer, committed ? "unknown" : "aborted");
    await this.#reopen(writer);
  }

  #begin(writer: Writer): Ledger {
    const entry: Ledger = { name: `${writer.id}-${this.ledger.length}`, acked: new Map(), outcome: "unknown" };
    this.ledger.push(entry);
    return entry;
  }

  #forget(writer: Writer, outcome: Outcome): void {
    if (writer.current !== undefined) writer.current.outcome = outcome;
    writer.current = undefined;
  }

  async #coordinator(writer: Writer) {
    const brokerId = this.#world.region.transactionCoordinatorOf(writer.id);
    return brokerId < 0 ? undefined : this.#world.connect(brokerId);
  }

  /** The answer, undefined when the connection ended; lets time pass meanwhile. */
  async #asked<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
    let isDone = false;
    const answer = ask()
      .catch(() => undefined)
      .finally(() => {
        isDone = true;
      });
    while (!isDone) {
      await turn();
      await this.#world.clock.advance(20);
    }
    return answer;
  }
}

/** Names of the transactions that a committed reader sees in a topic, once per record. */
async function visible(world: TestRegion, topic: string): Promise<readonly string[]> {
  const partition = world.region.partition(topic, 0);
  const names: string[] = [];
  const client = await world.leader(topic);
  for (let next = 0n; next < (partition?.highWatermark ?? 0n); ) {
    const answer = await client.ask(fetchApi, 11, {
      ...{ maxWaitMs: 0, minBytes: 1, maxBytes: 1_000, isolationLevel: 1 },
      topics: [{ name: topic, partitions: [{ index: 0, fetchOffset: next, partitionMaxBytes: 1_000 }] }],
    });
    const found = answer.topics[0]?.partitions[0];
    const aborted = new AbortedTransactions(found?.abortedTransactions ?? []);
    const batches = [...batchesIn(found?.records ?? Buffer.alloc(0))];
    assert.ok(batches.length > 0, "the last stable offset is at the end when all transactions have ended");
    for (const batch of batches) {
      if (!aborted.covers(batch) && !batch.isControl)
        for (const { value } of decodeRecords(batch)) names.push(value?.toString() ?? "");
      next = batch.nextOffset;
    }
  }
  return names;
}

test("transactions are visible whole or not at all, and as their writers were told, whatever happens to the brokers", async () => {
  const seen = { committed: 0, aborted: 0, unknown: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const chaos = await Chaos.open(seed);
    for (let step = 0; step < STEPS; step++) await chaos.step();
    await chaos.heal();
    await using world = chaos.world;
    const found = new Map<string, readonly string[]>();
    for (const topic of TOPICS) found.set(topic, await visible(world, topic));
    for (const { name, acked, outcome } of chaos.ledger) {
      seen[outcome] += 1;
      const counts = TOPICS.map((topic) => found.get(topic)?.filter((each) => each === name).length ?? 0);
      const whole = TOPICS.map((topic) => acked.get(topic) ?? 0);
      const facts = `seed ${seed}, ${name}, ${outcome}: ${counts} of ${whole}`;
      if (outcome === "committed") assert.deepEqual(counts, whole, facts);
      else if (outcome === "aborted") assert.deepEqual(counts, [0, 0], facts);
      else assert.ok(counts.every((count) => count === 0) || String(counts) === String(whole), facts);
    }
  }
  for (const outcome of ["committed", "aborted", "unknown"] as const)
    assert.ok(seen[outcome] > SEEDS, JSON.stringify(seen));
});
