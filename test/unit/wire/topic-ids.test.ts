/** Ids for topics of clusters that give none. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type Uuid, ZERO_UUID } from "../../../src/core/brand.ts";
import { randomUuid } from "../../../src/core/random.ts";
import { idOfName, isClusterId } from "../../../src/wire/topic-ids.ts";
import { seededRandom } from "../../support/seeded-random.ts";

test("topic without an id has one made of its name, always the same and no cluster's", () => {
  assert.equal(idOfName("orders"), "HBaK2wDSiOQvkzFFKfH6nA");
  assert.notEqual(idOfName("orders"), idOfName("orders2"));
  for (let i = 0; i < 200; i++) assert.equal(isClusterId(idOfName(`t${i}`)), false);
});

test("ids that Kafka draws are a cluster's", () => {
  assert.equal(isClusterId(ZERO_UUID), false);
  for (let i = 0; i < 200; i++) {
    const drawn = Buffer.from(randomUUID().replaceAll("-", ""), "hex").toString("base64url") as Uuid;
    assert.equal(isClusterId(drawn), true, drawn);
  }
});

test("ids that embedded regions draw are a cluster's", () => {
  const random = seededRandom(1);
  for (let i = 0; i < 200; i++) {
    const drawn = randomUuid(random);
    assert.equal(isClusterId(drawn), true, drawn);
    assert.ok(!drawn.startsWith("-"));
  }
});
