/** The offset map of a partition that was restored with its own offsets. */

import type { OffsetTranslator, ReverseTranslator } from "../../mirror/offset-ports.ts";

/** Offsets below `fromOffset` are not there, as in a map that begins there; those beyond `endOffset` have not been restored. */
export function identityMap(fromOffset: bigint, endOffset: bigint): OffsetTranslator & ReverseTranslator {
  return {
    progress: { sourceNext: endOffset, targetNext: endOffset, count: endOffset - fromOffset },
    translate(sourceOffset) {
      if (sourceOffset < fromOffset) return { kind: "expired", targetOffset: fromOffset, sourceFloor: fromOffset };
      if (sourceOffset <= endOffset) return { kind: "exact", targetOffset: sourceOffset };
      return { kind: "clamped", targetOffset: endOffset, sourceNext: endOffset };
    },
    reverse(targetOffset) {
      if (targetOffset < fromOffset) return { kind: "expired", sourceOffset: fromOffset, targetFloor: fromOffset };
      if (targetOffset <= endOffset) return { kind: "exact", sourceOffset: targetOffset };
      return { kind: "clamped", sourceOffset: endOffset, targetNext: endOffset };
    },
  };
}
