/** Small Java programs against Apache Kafka's own classes: compiled once per process, run as often as wanted. */

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { kafkaJars } from "./kafka/jars.ts";

const run = promisify(execFile);
const SOURCES = join(import.meta.dirname, "java");
/** The compiler takes 2 s, a program about as long; two minutes bear a busy machine. */
const TIMEOUT_MS = 120_000;

let compiled: Promise<string> | undefined;

/** Runs the class of `test/peers/java` and answers its lines. @throws what it printed to stderr, when it failed */
export async function runJava(mainClass: string, args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run("java", await commandLine(mainClass, args), { timeout: TIMEOUT_MS });
  return stdout.split("\n").filter((line) => line !== "");
}

async function commandLine(mainClass: string, args: readonly string[]): Promise<string[]> {
  compiled ??= compileAll();
  const classPath = [await compiled, (await kafkaJars()).classPath].join(delimiter);
  const logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
  const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging];
  return [...jvm, "-cp", classPath, mainClass, ...args];
}

async function compileAll(): Promise<string> {
  const { classPath } = await kafkaJars();
  const classes = mkdtempSync(join(tmpdir(), "peer-classes-"));
  process.once("exit", () => rmSync(classes, { recursive: true, force: true }));
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".java"));
  const paths = files.map((name) => join(SOURCES, name));
  await run("javac", ["-d", classes, "-cp", classPath, ...paths], { timeout: TIMEOUT_MS });
  return classes;
}

/** A program that runs until it is told to end. */
export interface RunningJava extends AsyncDisposable {
  /** Resolves with its first line. Rejects when it ended before. */
  readonly firstLine: Promise<string>;
  /** Writes a line to its stdin, and waits for its end. */
  end(): Promise<void>;
}

/** Starts the class of `test/peers/java`; it must not outlive the test. */
export async function startJava(mainClass: string, args: readonly string[]): Promise<RunningJava> {
  const child = spawn("java", await commandLine(mainClass, args), { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const firstLine = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    void ended.then(() => reject(new Error(`${mainClass} ended without a word`)));
  });
  firstLine.catch(() => undefined); // told to whoever waits for it
  const end = async (): Promise<void> => {
    child.stdin.end("\n");
    const overdue = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    await ended;
    clearTimeout(overdue);
  };
  return { firstLine, end, [Symbol.asyncDispose]: end };
}
