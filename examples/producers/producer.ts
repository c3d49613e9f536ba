/* A complete producer in TypeScript for a server: pushes a scene with ioredis
 * and waits for the result.
 *
 *   npm install ioredis
 *   npx tsx producer.ts SCENE.py [SCENE]
 *
 * REDIS_URL says where Redis is (default: this machine). */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import Redis from "ioredis";

const QUEUE = "manimd:{default}";

interface Output {
  kind: string;
  key: string;
  url: string | null;
  frames: number;
  duration_s: number;
}

interface Result {
  id: string;
  state: "completed" | "failed" | "cancelled" | "dead";
  outcome: string;
  outputs: Output[];
  error: { code: string; message: string; line: number | null } | null;
}

/* Pushing the same id and body again is harmless: after a lost answer, do. */
async function push(redis: Redis, code: string, scene?: string): Promise<string> {
  const id = randomUUID();
  const job = { id, code, scene, quality: "720p30", notify: true };
  await redis.lpush(`${QUEUE}:in`, JSON.stringify(job));
  return id;
}

/* "notify" puts the result on wait:ID, where it stays for an hour. */
async function wait(redis: Redis, id: string, seconds: number): Promise<Result | null> {
  const popped = await redis.blpop(`${QUEUE}:wait:${id}`, seconds);
  return popped ? (JSON.parse(popped[1]) as Result) : null;
}

async function main(file: string, scene?: string): Promise<number> {
  const redis = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0");
  try {
    const id = await push(redis, await readFile(file, "utf8"), scene);
    const result = await wait(redis, id, 3600);
    console.log(JSON.stringify(result ?? { id, state: "unknown" }, null, 2));
    return result?.state === "completed" ? 0 : 1;
  } finally {
    redis.disconnect();
  }
}

const [file, scene] = process.argv.slice(2);
if (!file) {
  console.error("usage: producer.ts SCENE.py [SCENE]");
  process.exit(2);
}
main(file, scene).then((code) => process.exit(code));
