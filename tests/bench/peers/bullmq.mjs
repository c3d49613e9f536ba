// BullMQ's side of the queue benchmark: a worker that does nothing, and producers.
//
//   node bullmq.mjs work PORT CONCURRENCY [STARTS]
//   node bullmq.mjs fill PORT COUNT
//   node bullmq.mjs pace PORT GAPS    milliseconds between pushes, by commas
//
// BENCH_PEERS names the directory whose node_modules has bullmq. STARTS is a file
// that gets a line for each job: when it was pushed and when its handler began,
// in nanoseconds of CLOCK_MONOTONIC.
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(`${process.env.BENCH_PEERS}/`);
const { Queue, Worker } = require('bullmq');
const BATCH = 1000;

const [what, port, ...rest] = process.argv.slice(2);
// null: what BullMQ's documentation asks of a worker's connection.
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };

async function work(concurrency, starts) {
  const worker = new Worker('bench', async (job) => {
    if (starts) {
      const now = process.hrtime.bigint();
      appendFileSync(starts, `${job.data.pushed} ${now}\n`);
    }
  }, { connection, concurrency: Number(concurrency) });
  worker.on('error', (error) => console.error(error.message));
  await worker.waitUntilReady();
  console.log('ready');
  process.on('SIGTERM', async () => {
    await worker.close();
    process.exit(0);
  });
}

async function fill(count) {
  const queue = new Queue('bench', { connection });
  for (let done = 0; done < Number(count); done += BATCH) {
    const size = Math.min(BATCH, Number(count) - done);
    await queue.addBulk(Array.from({ length: size }, () => ({ name: 'nothing', data: { pushed: '0' } })));
  }
  await queue.close();
}

async function pace(gaps) {
  const queue = new Queue('bench', { connection });
  await queue.waitUntilReady();
  for (const gap of gaps.split(',')) {
    await sleep(Number(gap));
    await queue.add('nothing', { pushed: String(process.hrtime.bigint()) });
  }
  await queue.close();
}

await { work, fill, pace }[what](...rest);
