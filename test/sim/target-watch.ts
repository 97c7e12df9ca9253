/** A target that notes what brokers answer, for the marks. Changes nothing. */

import type { Target } from "../../src/mirror/ports.ts";
import { delegatedTarget } from "./delegated-target.ts";
import type { Marks } from "./marks.ts";

/** Wraps a worker's target. `seen` holds offsets that were acknowledged to any worker of the world. */
export function watchedTarget(target: Target, marks: Marks, seen: Set<string>): Target {
  return delegatedTarget(target, {
    append: async (at, batch) => {
      const outcome = await target.append(at, batch);
      if (outcome.kind === "appended") {
        const key = `${at.topicId}/${at.partition}/${batch.producerEpoch}/${batch.baseSequence}/${outcome.baseOffset}`;
        if (seen.has(key)) marks.hit("duplicate-answer");
        seen.add(key);
      } else if (outcome.fault.code === "TARGET_DOUBT") {
        if (outcome.fault.why === "OUT_OF_ORDER_SEQUENCE_NUMBER") marks.hit("sequence-refused");
        if (outcome.fault.why === "KAFKA_STORAGE_ERROR") marks.hit("refused-by-disk");
      }
      return outcome;
    },
  });
}
