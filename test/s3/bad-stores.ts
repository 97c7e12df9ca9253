/** Stores that fail in every way that stores do: each is a clear state of the region, no record is lost, and once the cause is
 *  gone archiving goes on without anybody's help. */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { mock, test } from "node:test";
import { makeBucket } from "./buckets.ts";
import type { HttpFault } from "./fault-proxy.ts";
import { SERVERS } from "./shared-servers.ts";
import { openTroubledRegion, type TroubledRegion } from "./troubled-region.ts";

const timeout = 120_000;
const HOUR_MS = 3_600_000;

/** One way to be bad. */
interface BadStore {
  readonly name: string;
  /** What the region's status says. */
  readonly code: RegExp;
  readonly spoil: (world: TroubledRegion) => unknown;
  readonly mend: (world: TroubledRegion) => unknown;
}

/** Every request meets the fault. */
function always(fault: HttpFault): Pick<BadStore, "spoil" | "mend"> {
  return {
    spoil: ({ proxy }) => {
      proxy.choose = () => fault;
    },
    mend: letPass,
  };
}

function anHourAhead(): void {
  const now = Date.now.bind(Date);
  mock.method(Date, "now", () => now() + HOUR_MS);
}

function letPass({ proxy }: TroubledRegion): void {
  proxy.choose = () => undefined;
}

/** Does something before the first request of a kind passes. */
function atFirst(
  method: string,
  what: RegExp,
  act: (world: TroubledRegion, key: string) => void | Promise<void>,
): BadStore["spoil"] {
  return (world) => {
    let isDone = false;
    world.proxy.choose = async ({ method: asked, url }) => {
      if (isDone || asked !== method || !what.test(url)) return undefined;
      isDone = true;
      const { pathname } = new URL(url, "http://store");
      await act(world, decodeURIComponent(pathname).slice(`/${world.bucket.bucket}/${world.bucket.prefix}`.length));
      return undefined;
    };
  };
}

/** The store has another bit somewhere in the data. */
async function flipBit({ store }: TroubledRegion, key: string): Promise<void> {
  const bytes = await store.get(key);
  const at = Math.floor(bytes.length * 0.9);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await store.put(key, bytes);
}

const removeBucket = ({ server, bucket }: TroubledRegion): void =>
  rmSync(join(server.directory, bucket.bucket), { recursive: true, force: true });

const BAD_STORES: readonly BadStore[] = [
  { name: "refuses the keys", code: /^STORE_DENIED$/, ...always("spoil-signature") },
  { name: "is full", code: /^STORE_FULL$/, ...always("full") },
  { name: "asks for less, whatever comes", code: /^STORE_UNAVAILABLE$/, ...always("slow-down") },
  { name: "cuts its answers", code: /^STORE_UNAVAILABLE$/, ...always("cut-answer") },
  {
    name: "is away",
    code: /^STORE_UNAVAILABLE$/,
    spoil: ({ server }) => server.stop(),
    mend: ({ server }) => server.start(),
  },
  { name: "has another time, whatever the time", code: /^STORE_CLOCK_SKEW$/, ...always("skewed") },
  {
    // Its own judgement of real signatures. The SDK cannot learn the difference, which the other case with a clock is about.
    name: "has another time, and nobody tells which",
    code: /^STORE_CLOCK_SKEW$/,
    spoil: ({ proxy }) => {
      anHourAhead();
      proxy.choose = () => "hide-time";
    },
    mend: (world) => {
      mock.restoreAll();
      letPass(world);
    },
  },
  {
    name: "loses its bucket under way",
    code: /^STORE_NO_BUCKET$/,
    spoil: atFirst("PUT", /\.index/, removeBucket),
    mend: ({ server, bucket }) => makeBucket(server, bucket.bucket),
  },
  {
    name: "damages what it was given",
    code: /^ARCHIVE_READ_BACK_DIFFERS$/,
    spoil: atFirst("GET", /\.log/, flipBit),
    mend: letPass,
  },
  {
    name: "loses what it was given",
    code: /^STORE_MISSING$/,
    spoil: atFirst("GET", /\.log/, ({ store }, key) => store.remove(key)),
    mend: letPass,
  },
];

/** What a region has to get along with. */
const HARMLESS: Readonly<Record<string, (world: TroubledRegion) => void>> = {
  "is slow": ({ proxy }) => {
    proxy.choose = () => "slow";
  },
  "lists what was there before": ({ proxy }) => {
    proxy.choose = ({ url }) => (url.includes("list-type=2") ? "old-answer" : undefined);
  },
  "has another time, and later the same again": anHourAhead,
};

for (const { name, skip, get } of SERVERS) {
  for (const bad of BAD_STORES) {
    test(`region says what is wrong, loses nothing and goes on by itself when ${name} ${bad.name}`, {
      skip,
      timeout,
    }, async () => {
      await using world = await openTroubledRegion(await get());
      await bad.spoil(world);
      const said = await world.offload();
      const { failures } = await world.status();
      await bad.mend(world);
      assert.ok(said !== undefined, "the pass fails");
      assert.equal(failures.length, 1);
      const [{ code, cause } = { code: "", cause: "" }] = failures;
      assert.match(code, bad.code, cause);
      assert.match(cause, /^[^\n]{20,}$/);
      await world.assertNothingLost();
      assert.equal(await world.offload(), undefined);
      const after = await world.status();
      assert.deepEqual(after.failures, []);
      assert.ok(after.segmentsDropped >= 3);
      await world.assertNothingLost();
      await world.assertWhole();
    });
  }

  test(`region begins no new archive while the manifests in ${name} are gone, and goes on when they are back`, {
    skip,
    timeout,
  }, async () => {
    await using world = await openTroubledRegion(await get());
    assert.equal(await world.offload(), undefined);
    const manifests = (await world.store.list("")).filter((key) => key.includes("/manifest/"));
    const held = await Promise.all(manifests.map(async (key) => [key, await world.store.get(key)] as const));
    for (const [key] of held) await world.store.remove(key);
    await world.produceMore();
    await world.offload();
    assert.match((await world.status()).failures[0]?.code ?? "", /^ARCHIVE_(MANIFESTS_GONE|GAP)$/);
    // Readers wait; to be told that there is nothing would make them go on elsewhere.
    await assert.rejects(world.assertNothingLost(), /56 !== 0/);
    for (const [key, bytes] of held) await world.store.put(key, bytes);
    assert.equal(await world.offload(), undefined);
    await world.assertNothingLost();
    await world.assertWhole();
  });

  for (const [what, trouble] of Object.entries(HARMLESS)) {
    test(`region archives all of it although ${name} ${what}`, { skip, timeout }, async () => {
      await using world = await openTroubledRegion(await get());
      await using _over = { [Symbol.asyncDispose]: async () => mock.restoreAll() };
      trouble(world);
      assert.equal(await world.offload(), undefined);
      await world.produceMore();
      assert.equal(await world.offload(), undefined);
      mock.restoreAll();
      assert.equal(await world.offload(), undefined);
      letPass(world);
      await world.assertNothingLost();
      await world.assertWhole();
    });
  }
}
