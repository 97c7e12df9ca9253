/** Jars of Apache Kafka's last versions with ZooKeeper: fetched once through Maven, each version into a folder of its own. */

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The versions that are tested: the last without Fetch by topic id, and the last that runs with ZooKeeper. */
export type OldVersion = "2.8.2" | "3.9.2";

const FOLDER = import.meta.dirname;
/** Maven has to fetch 35 to 46 MB; ten minutes are certainly a hang. */
const MAVEN_TIMEOUT_MS = 600_000;

/** The class path, once everything of it is there. Processes that fetch at the same time end up with the same files. */
export async function oldKafkaClassPath(version: OldVersion): Promise<string> {
  const libs = join(FOLDER, `libs-${version}`);
  if (!isComplete(libs)) {
    const arriving = mkdtempSync(`${libs}-`);
    const arguments_ = ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${arriving}`];
    await run("mvn", [...arguments_, `-Dkafka.version=${version}`], { cwd: FOLDER, timeout: MAVEN_TIMEOUT_MS });
    try {
      renameSync(arriving, libs);
    } catch (error) {
      // Somebody else was first; theirs is as good.
      rmSync(arriving, { recursive: true, force: true });
      if (!isComplete(libs)) throw error;
    }
  }
  return join(libs, "*");
}

function isComplete(libs: string): boolean {
  return existsSync(libs) && readdirSync(libs).some((name) => name.startsWith("kafka_2.13-"));
}
