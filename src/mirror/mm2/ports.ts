/** What MirrorMaker 2 compatibility needs from the outside. */

import type { OffsetMap } from "../offset-map.ts";
import type { Mm2Record } from "./formats.ts";

/** Compacted topics of one partition on one cluster, as MirrorMaker 2 keeps them. */
export interface CompactedTopics {
  /** Makes the topic when it is missing; resolves when all records are acked by all in-sync replicas. After a failure some of
   *  them may be there: writing them again says the same twice. @throws {TributaryError} */
  append(topic: string, records: readonly Mm2Record[]): Promise<void>;
}

/** A running lane as offset syncs see it. */
export interface LaneMap {
  readonly sourceTopic: string;
  readonly partition: number;
  readonly map: OffsetMap;
}
