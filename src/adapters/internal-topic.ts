/** A compacted topic of ours, as a store sees it: keys with values, read in order, appended with all acks. */

/** A compacted topic, as the store sees it. */
export interface InternalTopic {
  readonly name: string;
  /** Hands over every record appended since the last call, in the order of the log, up to the topic's end at the time of the call.
   *  Values stay valid. One call at a time. @throws {TributaryError} */
  readNew(apply: (key: string, value: Buffer | null) => void): Promise<void>;
  /** Resolves when all are acked by all in-sync replicas. Records of one `route` stay in order. @throws {TributaryError} */
  append(records: readonly InternalRecord[]): Promise<void>;
}

/** A record to append; null removes the key. Equal routes go to one partition. */
export interface InternalRecord {
  readonly route: string;
  readonly key: string;
  readonly value: Buffer | null;
}
