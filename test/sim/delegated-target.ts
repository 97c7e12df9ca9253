/** A target with some calls replaced: how watchers and planted mistakes get between a lane and its target. */

import type { Target } from "../../src/mirror/ports.ts";

/** Everything that is not in `instead` goes to `target`. */
export function delegatedTarget(target: Target, instead: Partial<Target>): Target {
  return {
    clusterId: target.clusterId,
    history: target.history,
    append: (at, batch) => target.append(at, batch),
    producer: (at, producerId) => target.producer(at, producerId),
    bounds: (at) => target.bounds(at),
    scan: (at, from, to) => target.scan(at, from, to),
    limits: (topic) => target.limits(topic),
    topics: () => target.topics(),
    createTopic: (topic) => target.createTopic(topic),
    growTopic: (topic, partitions) => target.growTopic(topic, partitions),
    ...instead,
  };
}
