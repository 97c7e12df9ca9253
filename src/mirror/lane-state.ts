/** The states of a lane and the one pure function that moves it between them. */

import { unreachable } from "../core/errors.ts";
import { isRetriable, type LaneFault } from "./errors.ts";

/** What a lane is doing. */
export type LaneState =
  /** Runs takeover: finds out how far the lane is. `attempt` counts troubles since the last acknowledged batch. */
  | { readonly kind: "seeking"; readonly attempt: number }
  /** Reads and writes. `alone` until the first ack after takeover: then at most one batch is in flight, because a leader
   *  that does not know the producer gives it no order protection. */
  | { readonly kind: "copying"; readonly alone: boolean; readonly attempt: number }
  /** Waits before it seeks again. */
  | { readonly kind: "waiting"; readonly attempt: number; readonly fault: LaneFault }
  /** Will not go on by itself. */
  | { readonly kind: "stopped"; readonly fault: LaneFault }
  /** Asked to stop; everything in flight is settled. */
  | { readonly kind: "drained" };

/** What happens to a lane. */
export type LaneEvent =
  | { readonly kind: "found" }
  | { readonly kind: "acked" }
  /** Copying cannot go on in its mode. */
  | { readonly kind: "turned" }
  | { readonly kind: "failed"; readonly fault: LaneFault }
  | { readonly kind: "woken" }
  | { readonly kind: "asked-to-stop" };

/** Where every lane begins. */
export const INITIAL_STATE: LaneState = { kind: "seeking", attempt: 0 };

/** The next state. A stopped or drained lane stays so; events that make no sense in a state leave it unchanged. */
export function step(state: LaneState, event: LaneEvent): LaneState {
  if (state.kind === "stopped" || state.kind === "drained") return state;
  switch (event.kind) {
    case "found":
      return state.kind === "seeking" ? { kind: "copying", alone: true, attempt: state.attempt } : state;
    case "acked":
      if (state.kind !== "copying") return state;
      return state.alone || state.attempt > 0 ? { kind: "copying", alone: false, attempt: 0 } : state;
    case "turned":
      return state.kind === "copying" ? { kind: "seeking", attempt: state.attempt } : state;
    case "failed":
      if (!isRetriable(event.fault)) return { kind: "stopped", fault: event.fault };
      return state.kind === "waiting" ? state : { kind: "waiting", attempt: state.attempt + 1, fault: event.fault };
    case "woken":
      return state.kind === "waiting" ? { kind: "seeking", attempt: state.attempt } : state;
    case "asked-to-stop":
      return { kind: "drained" };
    default:
      return unreachable(event);
  }
}
