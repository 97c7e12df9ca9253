/** What a planted mistake may replace. Mistakes get in through ports and hooks only: the code under test is as it ships. */

import type { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import type { FlowOptions } from "../../src/mirror/flow-options.ts";
import type { LaneHooks } from "../../src/mirror/lane-options.ts";
import type { Source, Target } from "../../src/mirror/ports.ts";

/** See the file's comment; empty: no mistake. */
export interface Mutation {
  readonly hooks?: LaneHooks;
  readonly target?: (target: Target) => Target;
  readonly source?: (source: Source) => Source;
  readonly flow?: Partial<FlowOptions>;
  /** Called when a region came up. */
  readonly region?: (region: EmbeddedRegion) => void;
}
