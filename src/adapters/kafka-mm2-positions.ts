/** Reads MirrorMaker 2's source positions from the offsets topic of Kafka Connect. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { Clock } from "../core/clock.ts";
import { StoredPositions } from "../mirror/mm2/stored-positions.ts";
import { KafkaInternalTopic } from "./kafka-internal-topic.ts";

/** Where they are. */
export interface PositionsPlace {
  readonly sourceAlias: string;
  /** A topic that is missing has no positions. */
  readonly offsetsTopic: string;
}

/** The topic of MirrorMaker's dedicated mode (Kafka, `MirrorMakerConfig.workerConfig`). */
export function dedicatedOffsetsTopic(sourceAlias: string): string {
  return `mm2-offsets.${sourceAlias}.internal`;
}

/** What is stored now; nothing is written. @throws {ClientError} */
export async function readMm2Positions(
  place: PositionsPlace,
  deps: { readonly client: KafkaClient; readonly clock: Clock },
): Promise<StoredPositions> {
  const topic = await KafkaInternalTopic.open({ name: place.offsetsTopic, createIfMissing: false }, deps);
  const positions = new StoredPositions(place.sourceAlias);
  await topic.readNew((key, value) => positions.apply(key, value));
  return positions;
}
