/** Settings of topics between embedded regions; the suite on Apache Kafka runs the same cases there. */

import { test } from "node:test";
import { MirrorWorld } from "./mirror-world.ts";
import { settingsFollow } from "./settings-cases.ts";

test("settings of a topic follow it between embedded regions", async () => {
  await using world = new MirrorWorld();
  const [west, east] = [await world.side("west", { brokers: 1 }), await world.side("east", { brokers: 1 })];
  await settingsFollow([...west.region.endpoints], [...east.region.endpoints]);
});
