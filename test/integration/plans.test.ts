/** Sources of every kind between embedded regions. */

import { test } from "node:test";
import { MirrorWorld } from "./mirror-world.ts";
import { PLAN_CASES } from "./plan-cases.ts";

for (const one of PLAN_CASES.filter(({ needsCompaction }) => needsCompaction === undefined)) {
  test(`flow between embedded regions: ${one.name}`, async () => {
    await using world = new MirrorWorld();
    const source = await world.side("west", { brokers: 1 });
    const target = await world.side("central", { brokers: 1 });
    await one.run({ world, source, target }, "orders");
  });
}
