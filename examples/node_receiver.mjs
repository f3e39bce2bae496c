// A receiver in plain Node.js (18 or newer, nothing to install): takes what is genuine, each event
// once and in order, refuses gaps.
//
//     JWKS_URL=… COMPANY=… STORE=events.jsonl PORT=8000 node node_receiver.mjs

import { createHash, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';

const { JWKS_URL, COMPANY, AUDIENCE, STORE, PORT = '8000' } = process.env;
const MAXIMUM_BYTES = 1_000_000;
const CLOCK_SKEW_SECONDS = 30;
const KEYS_KEPT_MS = 300_000;
const FETCH_AT_MOST_EVERY_MS = 10_000;

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// ------------------------------------------------------------------------------------- the keys

let keys = new Map();
let fetchedAt = -Infinity;
let triedAt = -Infinity;
let fetching = null;

async function keyNamed(kid) {
  const now = performance.now();
  const isOld = now - fetchedAt >= KEYS_KEPT_MS;
  if (isOld || !keys.has(kid)) {
    if (!fetching && now - triedAt >= FETCH_AT_MOST_EVERY_MS) {
      triedAt = now;
      fetching = fetchKeys().finally(() => (fetching = null));
    }
    if (fetching) await fetching;
    else if (isOld) throw new Refused(503, 'the key set could not be fetched a moment ago');
  }
  const key = keys.get(kid);
  if (!key) throw new Refused(401, 'the token was signed with an unknown key');
  return key;
}

async function fetchKeys() {
  try {
    const answer = await fetch(JWKS_URL, { redirect: 'error', signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const found = (await answer.json()).keys.filter((jwk) => jwk.kty === 'RSA');
    keys = new Map(found.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]));
    fetchedAt = performance.now();
  } catch (error) {
    throw new Refused(503, `the key set could not be fetched: ${error.message}`);
  }
}

// ------------------------------------------------------------------------------ is it genuine?

async function verified(authorization, body) {
  const parts = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization ?? '');
  if (!parts) throw new Refused(401, 'there is no bearer token');
  const [, head, payload, signature] = parts;
  const header = parsed(head);
  if (header.alg !== 'RS256' || header.typ !== 'webhook+jwt')
    throw new Refused(401, "the token is not a webhook's");
  const key = await keyNamed(header.kid);
  const signed = Buffer.from(signature, 'base64url');
  if (
    signed.toString('base64url') !== signature || // decoders overlook bits that mean nothing
    !verify('RSA-SHA256', Buffer.from(`${head}.${payload}`), key, signed)
  )
    throw new Refused(401, "the token's signature is not right");
  check(parsed(payload), body);
  return JSON.parse(body);
}

function check(claims, body) {
  const now = Date.now() / 1000;
  if (!(claims.iat - CLOCK_SKEW_SECONDS <= now && now <= claims.exp + CLOCK_SKEW_SECONDS))
    throw new Refused(401, 'the token has expired, or a clock is wrong');
  if (claims.iss !== 'jetpay' || claims.sub !== 'webhook')
    throw new Refused(401, "the token is not a webhook's");
  if (claims.company !== COMPANY) throw new Refused(401, 'the token is for another company');
  if (claims.aud !== AUDIENCE) throw new Refused(401, 'the token is for another audience');
  const hash = createHash('sha256').update(body).digest();
  const claimed = Buffer.from(String(claims.payload_hash), 'base64url');
  if (claimed.length !== hash.length || !timingSafeEqual(claimed, hash))
    throw new Refused(401, 'the body is not the one that was signed');
}

function parsed(part) {
  try {
    return JSON.parse(Buffer.from(part, 'base64url')) ?? {};
  } catch {
    throw new Refused(401, 'the token cannot be read');
  }
}

// ------------------------------------------------------------- each event once, and in order

// A line for each event. The last one is the cursor, so that the two are never written apart.
const store = openSync(STORE, 'a+');
const kept = readFileSync(STORE);
let size = kept.lastIndexOf('\n') + 1;
ftruncateSync(store, size); // half a line, from a crash while it was written
const lastLine = kept.subarray(0, size).toString().trimEnd().split('\n').at(-1);
let lastEventId = lastLine ? JSON.parse(lastLine).id : null;

// Without `await`, so that nothing comes between reading the cursor and moving it.
function take(events) {
  const fresh = events.filter(({ id }) => id > (lastEventId ?? 0)); // 0 is a test, no event
  let before = lastEventId;
  for (const { id } of fresh) {
    if (before !== null && id !== before + 1)
      throw new Refused(409, `events ${before + 1} to ${id - 1} did not arrive`);
    before = id;
  }
  const lines = Buffer.from(fresh.map((event) => JSON.stringify(event) + '\n').join(''));
  try {
    for (let at = 0; at < lines.length; ) at += writeSync(store, lines, at);
    fsyncSync(store);
  } catch (error) {
    ftruncateSync(store, size); // a full disk: nothing was taken
    throw error;
  }
  size += lines.length;
  lastEventId = before;
}

// ------------------------------------------------------------------------------------ the server

async function bodyOf(request) {
  const chunks = []; // the bytes as they came: they are what was signed
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAXIMUM_BYTES) throw new Refused(413, 'too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

createServer(async (request, response) => {
  let status = 204;
  let said = '';
  try {
    if (request.url !== '/webhooks/jetpay') throw new Refused(404, 'nothing is here');
    if (request.method !== 'POST') throw new Refused(405, 'post it');
    const body = await bodyOf(request);
    const { events } = await verified(request.headers.authorization, body);
    take(events);
  } catch (error) {
    status = error.status ?? 500;
    said = error.status ? error.message : '';
    if (!error.status) console.error(error);
  }
  response.writeHead(status, { Connection: status === 413 ? 'close' : 'keep-alive' }).end(said);
}).listen(Number(PORT), '127.0.0.1');
