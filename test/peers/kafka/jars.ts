/** Apache Kafka's jars: fetched once through Maven into `libs/`, with the formatted bootstrap checkpoint beside them. */

import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where pom.xml is; the jars go to `libs/` in it, which git ignores. */
const FOLDER = import.meta.dirname;
const LIBS = join(FOLDER, "libs");
/** Maven has to fetch 55 MB; a minute on a slow line, so ten are certainly a hang. */
const MAVEN_TIMEOUT_MS = 600_000;
const FORMAT_TIMEOUT_MS = 60_000;

/** What a broker process needs: the class path and the checkpoint that says which features a fresh cluster has. */
export interface KafkaJars {
  readonly classPath: string;
  readonly bootstrapCheckpoint: string;
}

/** Why Apache Kafka cannot run here, or undefined when it can. Where `CI=true` nothing may be missing quietly, so there
 *  the same reason is thrown as an error. */
export function apacheKafkaMissing(): string | undefined {
  const reason = missing();
  if (reason !== undefined && process.env["CI"] === "true") throw new Error(`Apache Kafka cannot run: ${reason}`);
  return reason;
}

function missing(): string | undefined {
  if (!answers("java")) return "no java on the PATH (Java 17 or later is needed)";
  if (!fetched() && !answers("mvn")) return "no mvn on the PATH, which fetches Apache Kafka's jars";
  return undefined;
}

function answers(command: string): boolean {
  return spawnSync(command, ["-version"], { stdio: "ignore" }).status === 0;
}

function fetched(): boolean {
  return existsSync(LIBS) && readdirSync(LIBS).some((name) => name.startsWith("kafka_2.13-"));
}

let jars: Promise<KafkaJars> | undefined;

/** Fetches what is missing, once per process. Processes that do so at the same time end up with the same files. */
export function kafkaJars(): Promise<KafkaJars> {
  jars ??= fetchJars();
  return jars;
}

async function fetchJars(): Promise<KafkaJars> {
  if (!fetched()) {
    const arriving = mkdtempSync(join(FOLDER, "libs-"));
    await run("mvn", ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${arriving}`], {
      cwd: FOLDER,
      timeout: MAVEN_TIMEOUT_MS,
    });
    adopt(arriving);
  }
  const bootstrapCheckpoint = join(LIBS, "bootstrap.checkpoint");
  if (!existsSync(bootstrapCheckpoint)) await format(bootstrapCheckpoint);
  return { classPath: join(LIBS, "*"), bootstrapCheckpoint };
}

/** Moves a complete folder into place; somebody else's, if they were first, is as good. */
function adopt(arriving: string): void {
  try {
    renameSync(arriving, LIBS);
  } catch (error) {
    rmSync(arriving, { recursive: true, force: true });
    if (!fetched()) throw error;
  }
}

/** Formatting takes a whole JVM and two seconds; its one result that is not a line of text can be used again and again. */
async function format(checkpoint: string): Promise<void> {
  const scratch = join(LIBS, `format-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  const properties = join(scratch, "server.properties");
  const lines = [
    "process.roles=broker,controller",
    "node.id=1",
    "controller.quorum.voters=1@127.0.0.1:9093",
    "controller.listener.names=CONTROLLER",
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
    `log.dirs=${join(scratch, "data")}`,
  ];
  writeFileSync(properties, `${lines.join("\n")}\n`);
  const tool = ["-cp", join(LIBS, "*"), "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ"];
  await run("java", [...tool, "-c", properties], { timeout: FORMAT_TIMEOUT_MS });
  renameSync(join(scratch, "data", "bootstrap.checkpoint"), checkpoint);
  rmSync(scratch, { recursive: true, force: true });
}
