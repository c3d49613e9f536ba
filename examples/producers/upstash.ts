/* A complete producer for places without TCP (edge functions, Vercel): two
 * route handlers for a Next.js app, over Upstash's REST interface.
 *
 *   npm install @upstash/redis
 *   app/api/render/route.ts       export { POST } from "@/upstash";
 *   app/api/render/[id]/route.ts  export { GET } from "@/upstash";
 *
 * UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN are read from the
 * environment. The worker uses the same database over TLS (rediss://…). */
import { Redis } from "@upstash/redis";

const QUEUE = "manimd:{default}";
/* Job hashes hold JSON text as it was written; we parse it ourselves. */
const redis = new Redis({
  url: process.env.UPSTASH_REDIS_REST_URL!,
  token: process.env.UPSTASH_REDIS_REST_TOKEN!,
  automaticDeserialization: false,
});

/* POST {"code": "...", "scene": "Intro"} → 202 {"id": "..."} */
export async function POST(request: Request): Promise<Response> {
  const { code, scene } = (await request.json()) as { code?: string; scene?: string };
  if (!code) return Response.json({ error: "code is missing" }, { status: 422 });
  const id = crypto.randomUUID();
  await redis.lpush(`${QUEUE}:in`, JSON.stringify({ id, code, scene, quality: "720p30" }));
  return Response.json({ id }, { status: 202 });
}

/* GET /api/render/ID → {"state": "active", "progress": {...}, "result": null} */
export async function GET(
  _request: Request,
  { params }: { params: Promise<{ id: string }> },
): Promise<Response> {
  const { id } = await params;
  const fields = ["state", "progress", "result"] as const;
  const job = await redis.hmget<Record<string, string | null>>(`${QUEUE}:job:${id}`, ...fields);
  /* Not admitted yet is no error: it may still be in the inbox. */
  if (!job?.state) return Response.json({ id, state: "queued", progress: null, result: null });
  return Response.json({
    id,
    state: job.state,
    progress: job.progress ? JSON.parse(job.progress) : null,
    result: job.result ? JSON.parse(job.result) : null,
  });
}
