/** One broker as the controller sees it: its id, where clients reach it, and whether it runs and follows. */

import type { Endpoint } from "../core/network.ts";
import type { FollowPolicy } from "./replica.ts";

/** Mutated by the region only. */
export class BrokerNode {
  readonly id: number;
  /** As advertised; port 0 until the first listener is open. */
  endpoint: Endpoint;
  isRunning = false;
  /** Whether the broker's replicas fetch from their leaders while it runs. */
  isHeld = false;
  followDelayMs: number;

  constructor(id: number, endpoint: Endpoint, followDelayMs: number) {
    this.id = id;
    this.endpoint = endpoint;
    this.followDelayMs = followDelayMs;
  }

  get followPolicy(): FollowPolicy {
    if (!this.isRunning) return { kind: "stopped" };
    return this.isHeld ? { kind: "held" } : { kind: "following", delayMs: this.followDelayMs };
  }
}
