/** The configuration under deploy/ is valid, and its alerts ask for metrics that a worker really has. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { workerMetricsOf } from "../../../src/web/worker-metrics.ts";
import { flowOf, laneOf, workerOf } from "./snapshots.ts";

const DEPLOY = join(import.meta.dirname, "../../../deploy/prometheus");
const promtool = spawnSync("promtool", ["--version"]).status === 0;
const skip = promtool || process.env["CI"] === "true" ? false : "promtool is not installed (Debian: prometheus)";

test("Prometheus accepts the scrape configuration and its alert rules", { skip }, () => {
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "config", join(DEPLOY, "prometheus.yml")], {
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
});

test("every metric that an alert asks for is one that a worker has", () => {
  const families = workerMetricsOf({ granularity: "topic" })(workerOf([flowOf([laneOf("orders", 0)])]));
  const known = new Set(families.map(({ name }) => name));
  const rules = readFileSync(join(DEPLOY, "alerts.yml"), "utf8");
  const asked = [...new Set(rules.match(/\btributary_[a-z_]+/g))];
  assert.ok(asked.length >= 5);
  assert.deepEqual(
    asked.filter((name) => !known.has(name)),
    [],
  );
});
