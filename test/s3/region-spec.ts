/** What regions of this suite are: everything that is closed is cold, and passes run when they are told to. */

import type { RegionSpec } from "../../src/runtime/region-spec.ts";
import type { S3Access } from "../../src/topology/store-schema.ts";

/** A region of one broker whose segments go to a store. */
export function specWith(stateRoot: string, store: string, s3: S3Access): RegionSpec {
  const rule = {
    topics: { include: ["*"], exclude: [] },
    olderThanMs: 0,
    keepLocalBytes: 0,
    everyMs: 60_000,
    limits: {},
    upkeep: { retention: {}, onTopicDeleted: "keep" as const, graceMs: 86_400_000 },
  };
  return {
    region: "hub",
    topology: "t",
    stateRoot,
    host: "127.0.0.1",
    brokers: 1,
    port: undefined,
    partitions: 1,
    replicationFactor: 1,
    topicDefaults: {},
    tiering: [{ ...rule, store, s3, deleteLocal: "after-verify" }],
    attached: false,
    logLevel: "silent",
  };
}
