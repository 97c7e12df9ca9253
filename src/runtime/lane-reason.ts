/** Why a lane waits or stands, in words for the person who has to decide: the fact, and what can be done. */

import { describeFault } from "../core/errors.ts";
import type { OffsetRange } from "../mirror/divergence.ts";
import type { LaneFault } from "../mirror/errors.ts";

/** A flow's trouble comes as text; of a region that cannot be reached only the side and the cause matter to a person. */
const UNAVAILABLE = /^(SOURCE|TARGET)_UNAVAILABLE .*?why=/;

/** What keeps a flow from running, in words. */
export function flowReason(failure: string): string {
  return failure.replace(UNAVAILABLE, (_, side: string) => `the ${side.toLowerCase()} cannot be reached: `);
}

function placesOf(ranges: readonly OffsetRange[]): string {
  if (ranges.length === 0) return "";
  const texts = ranges.map(({ fromOffset, toOffset }) =>
    toOffset - fromOffset === 1n ? `${fromOffset}` : `${fromOffset} to ${toOffset - 1n}`,
  );
  return ` at its offsets ${texts.join(", ")}`;
}

/** One line. Faults that pass by themselves are told by their facts alone. */
export function laneReason(fault: LaneFault): string {
  switch (fault.code) {
    case "SOURCE_GAP":
      return `source offsets ${fault.fromOffset} to ${fault.logStartOffset - 1n} were deleted before they were copied; onGap: skip goes on after them and keeps a note`;
    case "SOURCE_DIVERGED":
      return `the source lost records from offset ${fault.endOffset} on (unclean election) that the target holds${placesOf(fault.copies ?? [])}; compare both sides, then onDivergence: continue copies what the source has now behind them`;
    case "SOURCE_TOPIC_RECREATED":
      return fault.newTopicId === fault.topicId
        ? "the topic was deleted and made again, and its cluster gives topics no ids to tell them apart; delete or rename its copy to begin anew"
        : "the topic was deleted and made again; onRecreate: restart copies the new one behind the old";
    case "SOURCE_TOPIC_DELETED":
      return "the topic is gone from the source; its copy stays";
    case "SOURCE_TRANSACTION_OPEN": {
      const since = new Date(fault.sinceMs).toISOString();
      const who = fault.producerId < 0n ? "a producer" : `producer ${fault.producerId}`;
      return `a transaction of ${who} has held source offset ${fault.offset} since ${since}: nothing behind it can be read; end it there (kafka-transactions.sh abort --topic ${fault.topic} --partition ${fault.partition} --start-offset ${fault.offset})`;
    }
    case "HISTORY_NEEDED": {
      const days = (fault.producerIdExpirationMs / 2 / 86_400_000).toFixed(1);
      return `records from offset ${fault.offset} on are older than ${days} days and cannot go in transactions: ${fault.obstacle ?? "not possible here"}; or raise producer.id.expiration.ms on the target, or write delivery: at-least-once`;
    }
    case "SOURCE_DENIED":
      return `the source does not let this worker read (${fault.why}); allow Read and Describe on topic ${fault.topic}, it goes on by itself`;
    case "TARGET_DENIED":
      return `the target does not let this worker write (${fault.why}); allow Write and Describe on topic ${fault.topic}, it goes on by itself`;
    case "SOURCE_UNAVAILABLE":
      return `the source cannot be reached: ${fault.why}`;
    case "TARGET_UNAVAILABLE":
      return `the target cannot be reached: ${fault.why}`;
    case "TARGET_FENCED":
      return "another worker copies its old records in transactions now; this one stands by";
    case "TARGET_REFUSED":
      return `the target refuses a batch: ${fault.why} ${fault.detail}`.trimEnd();
    case "TARGET_KEYLESS":
      return `topic ${fault.topic} of the target is compacted and takes no record without a key; take compact out of its cleanup.policy, or leave such records out (filter: {skipKeyless: true}), it goes on by itself`;
    case "TARGET_TOPIC_CHANGED":
      return "the topic on the target was deleted; it is made again, if it is not yet, and filled from the beginning";
    case "ADOPTION_NEEDED":
      return `MirrorMaker 2 copied ${fault.copiedOffset < 0n ? "some of it and stored no position" : `it up to source offset ${fault.copiedOffset} or further`}; stop MirrorMaker, then tributary mirror adopt finds where to go on`;
    case "LANE_UNEXPLAINED":
      return `the target holds what nothing explains, so nothing was written: ${fault.what}`;
    case "LANE_RULES_CHANGED":
      return `a worker that started later copies this lane by other rules (${fault.theirs}; here ${fault.ours}); restart this one with the same topology file`;
    default:
      return describeFault(fault);
  }
}
