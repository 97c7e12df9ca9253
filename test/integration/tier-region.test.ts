/** An embedded region over an archive in memory. */

import { test } from "node:test";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { servesArchivedSegments } from "../support/cold-region.ts";

test("region serves archived segments through its brokers at their original offsets, also after a restart", () =>
  servesArchivedSegments(createMemoryStore()));
