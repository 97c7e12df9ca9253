/** What a flow is told, and what it works with. */

import type { Selection } from "../topology/patterns.ts";
import type { RecordFilter } from "../topology/record-filter.ts";
import type { WantedLane } from "./discovery.ts";
import type { LaneFault } from "./errors.ts";
import type { LaneDeps } from "./lane-options.ts";
import type { Naming } from "./naming.ts";
import type { LaneEntry, LaneIdentity } from "./offset-ports.ts";
import type { Provenance } from "./plan.ts";
import type { Delivery, TopicInfo, TopicPartition } from "./ports.ts";

/** New topics and partitions are copied this soon after they appear. */
export const DEFAULT_DISCOVER_EVERY_MS = 2_000;
/** Lanes look this often for what they would not notice by themselves: one small request per leader. */
export const DEFAULT_CHECK_EVERY_MS = 10_000;
/** A transaction of the source is told as trouble when it is open for longer: producers may not ask for more by default
 *  (`transaction.max.timeout.ms`), so its coordinator has forgotten it. */
export const DEFAULT_OPEN_TRANSACTION_MS = 15 * 60_000;
/** Time for lanes to settle what is in flight when the flow is asked to stop; with the final flush below 10 s in all. */
export const DEFAULT_DRAIN_MS = 7_000;

/** One flow's rules. */
export interface FlowOptions {
  /** For status and logs, for example `mirror/us-west`. */
  readonly name: string;
  readonly topics: Selection;
  readonly naming: Naming;
  readonly delivery: Delivery;
  readonly start: "earliest" | "latest";
  readonly onGap: "stop" | "skip";
  readonly onDivergence?: "stop" | "continue";
  readonly onRecreate: "stop" | "restart";
  readonly provenance: Provenance;
  /** Records that are left out; default: none. */
  readonly filter?: RecordFilter | undefined;
  /** Replicas of topics that the flow makes; default: as many as on the source. Never more than the target has brokers. */
  readonly replicationFactor?: number | "source";
  readonly discoverEveryMs?: number;
  readonly checkEveryMs?: number;
  readonly openTransactionMs?: number;
  readonly drainMs?: number;
}

/** What a flow works with: what it lends to each of its lanes, and who answers what it cannot know itself. */
export interface FlowDeps extends LaneDeps {
  /** Which other lanes write into a lane's target partition; only the one who knows all flows can say. Default: none. */
  readonly companyOf?: (lane: LaneIdentity, names: LaneNames) => LaneEntry["company"];
  /** Why a lane of which nothing is stored must not begin by itself; default: it may. */
  readonly barred?: (wanted: WantedLane) => Promise<LaneFault | undefined>;
  /** Told of every topic that the flow itself made on the target; must not reject. */
  readonly onTopicMade?: (made: { readonly source: TopicInfo; readonly target: TopicRef }) => Promise<void>;
}

/** A topic incarnation. */
export type TopicRef = Pick<TopicPartition, "topic" | "topicId">;

/** What a lane's topic is called on both sides. */
export interface LaneNames {
  readonly sourceTopic: string;
  readonly targetTopic: string;
}

/** Topics of both sides. */
export interface FlowTopics {
  readonly sources: readonly TopicInfo[];
  readonly targets: readonly TopicInfo[];
}
