/** Produces every flight into the `flights` topic of its own region with stock kafkajs producers, in waves. */

import { setTimeout as delay } from "node:timers/promises";
import { CompressionTypes, Partitioners, type Producer } from "kafkajs";
import {
  FLIGHTS_PARTITIONS,
  FLIGHTS_TOPIC,
  type Flight,
  type FlightMessage,
  flightMessage,
  flightsByRegion,
} from "./flights.ts";
import type { SeenRecord } from "./records.ts";
import { type RegionAccess, stockClient } from "./region-access.ts";

/** How fast the load runs. */
export interface LoadOptions {
  /** Default: `FLIGHTS_TOPIC`. */
  readonly topic?: string | undefined;
  /** Each region's flights are sent in this many requests, one after the other. */
  readonly waves: number;
  /** Pause of every region between two of its waves. */
  readonly paceMs: number;
  /** Asked before each wave of a region with the share of its flights that will then be sent; the wave waits for it. */
  readonly gate?: (share: number) => Promise<void>;
  /** Called after each acknowledged wave with the number of flights acknowledged so far, all regions together. */
  readonly onProduced?: (produced: number) => void;
}

/** Creates the topic in every region. The broker chooses the replication factor. */
export async function createFlightTopics(sources: readonly RegionAccess[], topic = FLIGHTS_TOPIC): Promise<void> {
  await Promise.all(
    sources.map(async (source) => {
      const admin = stockClient(source).admin();
      await admin.connect();
      try {
        const topics = [{ topic, numPartitions: FLIGHTS_PARTITIONS }];
        await admin.createTopics({ topics, waitForLeaders: true });
      } finally {
        await admin.disconnect();
      }
    }),
  );
}

/** Sends all flights, regions side by side, and returns what was sent per region in the order of sending. Offsets in the
 *  result are -1: where the records are, only the region knows. Rejects when a region does not acknowledge. */
export async function produceFlights(
  sources: readonly RegionAccess[],
  flights: readonly Flight[],
  options: LoadOptions,
): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const own = flightsByRegion(flights);
  let produced = 0;
  const onWave = (count: number): void => {
    produced += count;
    options.onProduced?.(produced);
  };
  const sent = await Promise.all(
    sources.map(async (source) => {
      const records = await produceRegion(source, own.get(source.region) ?? [], { ...options, onWave });
      return [source.region, records] as const;
    }),
  );
  return new Map(sent);
}

type WaveOptions = LoadOptions & { readonly onWave: (count: number) => void };

async function produceRegion(
  source: RegionAccess,
  flights: readonly Flight[],
  options: WaveOptions,
): Promise<readonly SeenRecord[]> {
  const producer = stockClient(source).producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const topic = options.topic ?? FLIGHTS_TOPIC;
  const sent: SeenRecord[] = [];
  try {
    for (let wave = 0; wave < options.waves; wave++) {
      const from = Math.floor((flights.length * wave) / options.waves);
      const to = Math.floor((flights.length * (wave + 1)) / options.waves);
      if (wave > 0) await delay(options.paceMs);
      await options.gate?.((wave + 1) / options.waves);
      sent.push(...(await sendWave(producer, flights.slice(from, to), { topic, wave })));
      options.onWave(to - from);
    }
  } finally {
    await producer.disconnect();
  }
  return sent;
}

/** Every other wave is compressed: gzip is the one codec that kafkajs brings along. */
async function sendWave(
  producer: Producer,
  flights: readonly Flight[],
  { topic, wave }: { readonly topic: string; readonly wave: number },
): Promise<readonly SeenRecord[]> {
  if (flights.length === 0) return [];
  const messages = flights.map((flight) => flightMessage(flight, Date.now()));
  const compression = wave % 2 === 1 ? CompressionTypes.GZIP : CompressionTypes.None;
  await producer.send({ topic, acks: -1, compression, messages });
  return flights.map((flight, index) => sentRecord(topic, flight, messages[index] ?? flightMessage(flight, 0)));
}

function sentRecord(topic: string, flight: Flight, message: FlightMessage): SeenRecord {
  const headers = Object.entries(message.headers).flatMap(([key, value]) =>
    [value].flat().map((one) => ({ key, value: Buffer.from(one) })),
  );
  return {
    topic,
    partition: -1,
    offset: -1n,
    key: Buffer.from(message.key),
    value: Buffer.from(message.value),
    headers,
    timestampMs: BigInt(message.timestamp),
    flight: flight.flight,
  };
}
