/** The state of every link of a world: what it is by nature, and what the present faults make of it together. */

import type { LinkMode, LinkSettings } from "../../src/adapters/memory-link.ts";
import type { MemoryNetwork } from "../../src/adapters/memory-network.ts";

/** From the mildest to the worst; the worst of the present faults counts. */
const MODES: readonly LinkMode[] = ["open", "held", "lost", "cut"];

interface Link {
  readonly from: string;
  readonly to: string;
  base: Pick<LinkSettings, "latencyMs" | "jitterMs">;
  readonly faults: Set<Partial<LinkSettings>>;
}

/** Owns the links of a network. */
export class Links {
  readonly #network: MemoryNetwork;
  readonly #links = new Map<string, Link>();

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  /** Sets what both directions are like without faults. */
  setBase(one: string, other: string, base: Link["base"]): void {
    for (const link of [this.#link(one, other), this.#link(other, one)]) {
      link.base = base;
      this.#apply(link);
    }
  }

  /** Adds a fault to one direction; the result takes it away. */
  add(from: string, to: string, fault: Partial<LinkSettings>): () => void {
    const link = this.#link(from, to);
    link.faults.add(fault);
    this.#apply(link);
    return () => {
      if (link.faults.delete(fault)) this.#apply(link);
    };
  }

  #link(from: string, to: string): Link {
    const key = `${from} ${to}`;
    const link = this.#links.get(key) ?? { from, to, base: { latencyMs: 0, jitterMs: 0 }, faults: new Set() };
    this.#links.set(key, link);
    return link;
  }

  #apply({ from, to, base, faults }: Link): void {
    let { latencyMs, jitterMs } = base;
    let worst = 0;
    for (const fault of faults) {
      latencyMs += fault.latencyMs ?? 0;
      jitterMs += fault.jitterMs ?? 0;
      worst = Math.max(worst, MODES.indexOf(fault.mode ?? "open"));
    }
    this.#network.setLink(from, to, { mode: MODES[worst] ?? "open", latencyMs, jitterMs });
  }
}
