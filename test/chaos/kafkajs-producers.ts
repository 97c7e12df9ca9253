/** Producers that write batches exactly as planned: kafkajs, idempotent, with and without transactions. */

import { setTimeout as delay } from "node:timers/promises";
import kafkajs, { type Message, type Producer, type Transaction } from "kafkajs";
import type { Random } from "../../src/core/random.ts";
import { stockClient } from "../../src/quickstart/region-access.ts";
import { installInto } from "../../src/wire/compression/kafkajs.ts";
import { between, streamOf } from "./chance.ts";
import type { Ledger } from "./ledger.ts";
import type { TopicPlace } from "./reader.ts";
import { filler, nextSend, type PlannedSend } from "./sends.ts";

/** Pause between two batches of a producer. Five producers then send some forty batches a second. */
const PAUSE_MS = [20, 240] as const;
/** Batches of one transaction, and how many of a hundred are given up. */
const TRANSACTION_SENDS = [1, 6] as const;
const ABORTED_SHARE = 0.25;
/** In September 2001. */
const YEAR_2001_MS = 1_000_000_000_000;

/** What every producer is started with. */
export interface ProducerOptions {
  readonly place: TopicPlace;
  readonly partitions: readonly [number, ...number[]];
  readonly seed: number;
  /** Unique among the producers; also the transactional id. */
  readonly name: string;
  readonly ledger: Ledger;
  /** Ends the producer after what it is doing. */
  readonly signal: AbortSignal;
}

installInto(kafkajs.CompressionCodecs as Parameters<typeof installInto>[0]);

/** Sends idempotent batches until told to end. Rejects when the source does not take one. */
export async function runIdempotent(options: ProducerOptions): Promise<void> {
  const { random, text } = source(options);
  await using producer = await connected(options, { idempotent: true });
  while (!options.signal.aborted) {
    const ids = await send(producer.own, options, nextSend(random, text, options.partitions));
    options.ledger.settle(ids, "acknowledged");
    await delay(between(random, ...PAUSE_MS));
  }
}

/** Sends transactions over several partitions, and aborts some of them, until told to end. */
export async function runTransactional(options: ProducerOptions): Promise<void> {
  const { random, text } = source(options);
  await using producer = await connected(options, { idempotent: true, transactionalId: options.name });
  while (!options.signal.aborted) {
    const transaction = await producer.own.transaction();
    const ids: number[] = [];
    for (let left = between(random, ...TRANSACTION_SENDS); left > 0; left--) {
      ids.push(...(await send(transaction, options, nextSend(random, text, options.partitions))));
      await delay(between(random, ...PAUSE_MS));
    }
    const aborted = random.next() < ABORTED_SHARE;
    await (aborted ? transaction.abort() : transaction.commit());
    options.ledger.settle(ids, aborted ? "aborted" : "acknowledged");
  }
}

function source({ seed, name }: ProducerOptions): { readonly random: Random; readonly text: string } {
  const random = streamOf(seed, name);
  return { random, text: filler(random) };
}

interface Connected extends AsyncDisposable {
  readonly own: Producer;
}

async function connected(
  { place }: ProducerOptions,
  kind: { readonly idempotent: true; readonly transactionalId?: string },
): Promise<Connected> {
  const kafka = stockClient({ region: "source", bootstrap: place.bootstrap });
  const own = kafka.producer({ ...kind, maxInFlightRequests: 1, allowAutoTopicCreation: false });
  await own.connect();
  return { own, [Symbol.asyncDispose]: () => own.disconnect() };
}

/** One batch in one request, for one partition: kafkajs repeats a request as a whole. */
async function send(
  to: Producer | Transaction,
  { place, ledger }: ProducerOptions,
  { partition, age, codec, records }: PlannedSend,
): Promise<readonly number[]> {
  const ids = records.map(() => ledger.next());
  const timestamp = String(age === "2001" ? YEAR_2001_MS + (ids[0] ?? 0) : Date.now());
  const messages: Message[] = records.map(({ key, value, headers }, index) => ({
    partition,
    key,
    value,
    headers: { id: String(ids[index]), ...headers },
    timestamp,
  }));
  await to.send({ topic: place.topic, acks: -1, compression: codec, messages });
  return ids;
}
