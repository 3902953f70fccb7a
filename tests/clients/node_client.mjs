// A whole batch with the openai package for Node; prints what came of it as JSON.
// `node node_client.mjs GOOD SLOW BAD`: three inputs; the address and the key are in OPENAI_BASE_URL and OPENAI_API_KEY.

import { createReadStream, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, { toFile } from "openai";

const FINAL = ["completed", "failed", "expired", "cancelled"];
const client = new OpenAI();
const [good, slow, bad] = process.argv.slice(2);

async function sent(path) {
  return client.files.create({ file: createReadStream(path), purpose: "batch" });
}

async function sentInParts(path) {
  const bytes = readFileSync(path);
  const upload = await client.uploads.create({
    bytes: bytes.length,
    filename: path,
    mime_type: "application/jsonl",
    purpose: "batch",
  });
  const parts = [];
  for (const data of [bytes.subarray(0, 1000), bytes.subarray(1000)]) {
    const part = await client.uploads.parts.create(upload.id, { data: await toFile(data, "part") });
    parts.push(part.id);
  }
  return (await client.uploads.complete(upload.id, { part_ids: parts })).file;
}

async function submitted(file) {
  return client.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { client: "node" },
  });
}

async function finished(batch) {
  while (!FINAL.includes(batch.status)) {
    await sleep(200);
    batch = await client.batches.retrieve(batch.id);
  }
  return batch;
}

async function linesOf(id) {
  if (!id) return [];
  const content = await client.files.content(id);
  return (await content.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function all(pages) {
  const found = [];
  for await (const item of pages) found.push(item.id);
  return found;
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return [error.status, error.constructor.name, error.message, error.code, error.requestID];
  }
  return [200];
}

const done = await finished(await submitted(await sent(good)));
const cancelled = await submitted(await sentInParts(slow));
await client.batches.cancel(cancelled.id);
const stranger = new OpenAI({ apiKey: "hr-wrong" });
const model = (await all(client.models.list())).at(-1);

console.log(
  JSON.stringify({
    batch: done,
    output: await linesOf(done.output_file_id),
    errors: await linesOf(done.error_file_id),
    invalid: await finished(await submitted(await sent(bad))),
    cancelled: await finished(cancelled),
    listed: await all(client.batches.list({ limit: 2 })),
    files: await all(client.files.list({ limit: 2, order: "asc" })),
    file: await client.files.retrieve(done.input_file_id),
    deleted: (await client.files.delete(done.input_file_id)).deleted,
    refusals: {
      unknown_batch: await refusal(() => client.batches.retrieve("batch_none")),
      unknown_file: await refusal(() => client.files.content("file-none")),
      cancel_done: await refusal(() => client.batches.cancel(done.id)),
      wrong_key: await refusal(() => stranger.batches.list()),
    },
    model: await client.models.retrieve(model),
  }),
);
