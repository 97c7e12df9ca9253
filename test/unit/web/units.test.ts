/** Series within a limit. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { UnitFolder, type Units } from "../../../src/web/units.ts";
import { flowOf, laneOf } from "./snapshots.ts";

function folder(seriesMax: number): UnitFolder {
  return new UnitFolder({ granularity: "topic", seriesMax, seriesOf: () => 1 });
}

function topicsIn({ units }: Units): readonly string[] {
  return units.map(({ labels, lanes }) => `${labels["source"]} ${labels["topic"]} ${lanes.length}`);
}

test("units beyond the limit become one per flow, and their lanes are all there", () => {
  const west = flowOf([laneOf("a", 0), laneOf("a", 1), laneOf("b", 0), laneOf("c", 0), laneOf("d", 0)]);
  const east = flowOf([laneOf("a", 0), laneOf("e", 0)], { source: "east" });
  const grouped = folder(2).group([west, east]);
  assert.deepEqual(topicsIn(grouped), ["west a 2", "west b 1", "west _other 2", "east _other 2"]);
  assert.equal(grouped.folded, 4);
});

test("Folding never changes its mind: a folded topic stays folded when there is room again", () => {
  const units = folder(2);
  units.group([flowOf([laneOf("a", 0), laneOf("b", 0), laneOf("c", 0)])]);
  assert.deepEqual(topicsIn(units.group([flowOf([laneOf("b", 0), laneOf("c", 0)])])), ["west b 1", "west _other 1"]);
  assert.deepEqual(topicsIn(units.group([flowOf([laneOf("b", 0), laneOf("c", 0), laneOf("d", 0)])])), [
    "west b 1",
    "west d 1",
    "west _other 1",
  ]);
});

test("topic with series of its own keeps them although others come before it by name", () => {
  const units = folder(1);
  units.group([flowOf([laneOf("b", 0)])]);
  assert.deepEqual(topicsIn(units.group([flowOf([laneOf("a", 0), laneOf("b", 0)])])), ["west b 1", "west _other 1"]);
});
