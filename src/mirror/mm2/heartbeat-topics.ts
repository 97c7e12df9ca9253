/** Heartbeats travel with a flow whatever its topics and naming are: their names tell Kafka's `MirrorClient` which clusters lie
 *  upstream, and how far. */

import type { Pattern, Selection } from "../../topology/patterns.ts";
import { heartbeatHops, type ReplicationPolicy } from "../../topology/replication-policy.ts";
import type { Naming } from "../naming.ts";

/** One direction, by the aliases of its ends. */
export interface Aliases {
  readonly source: string;
  readonly target: string;
}

/** What a flow copies and how it names it. */
export interface FlowNames {
  readonly topics: Selection;
  readonly naming: Naming;
}

/** The same flow with heartbeats: the source's own, and those that reached it from elsewhere unless they have been in the target
 *  ("A heartbeat never returns to a cluster that it came through"). */
export function withHeartbeats(flow: FlowNames, policy: ReplicationPolicy, aliases: Aliases): FlowNames {
  const { topics, naming } = flow;
  const prefix = aliases.source + policy.separator;
  const travels = (topic: string): boolean => {
    const hops = heartbeatHops(policy, topic);
    return hops !== undefined && !hops.includes(aliases.target) && !hops.includes(aliases.source);
  };
  const isHeartbeats = (topic: string): boolean => heartbeatHops(policy, topic) !== undefined;
  return {
    topics: {
      include: [...topics.include, madePattern("heartbeats", travels)],
      exclude: [
        ...topics.exclude,
        madePattern("heartbeats that return", (topic) => isHeartbeats(topic) && !travels(topic)),
      ],
    },
    naming: {
      keepsNames: naming.keepsNames,
      targetOf: (topic) => (isHeartbeats(topic) ? prefix + topic : naming.targetOf(topic)),
      sourceOf: (topic) => {
        if (!isHeartbeats(topic)) return naming.sourceOf(topic);
        return topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined;
      },
    },
  };
}

function madePattern(text: string, matches: (topic: string) => boolean): Pattern {
  return { text, kind: "name", matches };
}
