// The official OpenAI client against a real `bantam serve`.
//
// BANTAM is the program (default: the release build), BANTAM_MODEL the model (default: seed).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import OpenAI from 'openai';

const program =
  process.env.BANTAM ?? fileURLToPath(new URL('../../build/release/bantam', import.meta.url));
const model = process.env.BANTAM_MODEL ?? 'seed';

let server, address, client;

before(async () => {
  assert.ok(existsSync(program), `there is no ${program}; build it, or set BANTAM`);
  server = spawn(program, ['serve', model, '--port', '0', '--name', 'served', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const first = await Promise.race([
    lines.next(),
    once(server, 'exit').then(([code]) => ({ value: `it ended with ${code}` })),
  ]);
  const ready = JSON.parse(first.value);
  address = ready.url;
  client = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'unused', maxRetries: 0 });
});

after(async () => {
  if (!server || server.exitCode !== null) return;
  server.kill('SIGTERM');
  const [code, signal] = await once(server, 'exit');
  assert.deepEqual([code, signal], [0, null], 'SIGTERM ends it in good order');
});

const greedy = {
  model: 'served',
  temperature: 0,
  max_tokens: 24,
  messages: [
    { role: 'system', content: 'Name the banking intent.' },
    { role: 'user', content: 'My transfer has not arrived yet' },
  ],
};

test('models', async () => {
  const page = await client.models.list();
  assert.deepEqual(page.data.map((entry) => entry.id), ['served']);
  const one = await client.models.retrieve('served');
  assert.equal(one.object, 'model');
  assert.ok(one.context_length > 0);
});

test('chat, whole and streamed, says the same', async () => {
  const { data: whole, response } = await client.chat.completions.create(greedy).withResponse();
  assert.equal(whole.object, 'chat.completion');
  assert.equal(whole.model, 'served');
  assert.match(whole.id, /^chatcmpl-/);
  assert.match(response.headers.get('x-request-id'), /^req-/);
  const { message, finish_reason } = whole.choices[0];
  assert.equal(message.role, 'assistant');
  assert.ok(message.content.length > 0);
  assert.ok(['stop', 'length'].includes(finish_reason));
  assert.equal(
    whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);

  const stream = await client.chat.completions.create({
    ...greedy, stream: true, stream_options: { include_usage: true },
  });
  let text = '', role, reason, usage, chunks = 0;
  for await (const chunk of stream) {
    chunks += 1;
    assert.equal(chunk.object, 'chat.completion.chunk');
    const choice = chunk.choices[0];
    role ??= choice?.delta.role;
    text += choice?.delta.content ?? '';
    reason = choice?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  assert.equal(role, 'assistant');
  assert.equal(text, message.content);
  assert.equal(reason, finish_reason);
  assert.equal(usage.prompt_tokens, whole.usage.prompt_tokens);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  assert.ok(chunks > 3);
});

test('the client\'s own stream helper puts it together', async () => {
  const runner = client.chat.completions.stream(greedy);
  const final = await runner.finalChatCompletion();
  const whole = await client.chat.completions.create(greedy);
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
});

test('log-probabilities of chat', async () => {
  const answer = await client.chat.completions.create({
    ...greedy, max_tokens: 6, logprobs: true, top_logprobs: 3,
  });
  const { content } = answer.choices[0].logprobs;
  assert.ok(content.length >= 1 && content.length <= 6);
  for (const token of content) {
    assert.ok(token.logprob <= 0);
    assert.deepEqual(token.bytes.every((byte) => byte >= 0 && byte < 256), true);
    assert.equal(token.top_logprobs.length, 3);
    // Temperature 0 takes the most likely token, and the alternatives are sorted.
    assert.equal(token.top_logprobs[0].logprob, token.logprob);
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
  }
});

test('completions: text, ids, echo, log-probabilities, several prompts', async () => {
  const request = { model: 'served', prompt: 'One day', temperature: 0, max_tokens: 8 };
  const plain = await client.completions.create(request);
  assert.equal(plain.object, 'text_completion');
  assert.match(plain.id, /^cmpl-/);
  const echoed = await client.completions.create({ ...request, echo: true, logprobs: 2 });
  assert.equal(echoed.choices[0].text, `One day${plain.choices[0].text}`);
  const { tokens, token_logprobs, top_logprobs, text_offset } = echoed.choices[0].logprobs;
  assert.equal(tokens.length, token_logprobs.length);
  assert.equal(tokens.length, text_offset.length);
  assert.equal(token_logprobs[0], null);
  assert.equal(top_logprobs[0], null);
  assert.ok(token_logprobs.slice(1).every((value) => value <= 0));
  assert.ok(Object.keys(top_logprobs[1]).length >= 2);

  const scored = await client.completions.create({
    ...request, max_tokens: 0, echo: true, logprobs: 0,
  });
  assert.equal(scored.choices[0].text, 'One day');
  assert.equal(scored.usage.completion_tokens, 0);

  const several = await client.completions.create({
    ...request, prompt: ['One day', 'Once upon a time'], n: 2,
  });
  assert.equal(several.choices.length, 4);
  assert.equal(several.choices[0].text, plain.choices[0].text);
  assert.equal(several.choices[1].text, plain.choices[0].text);

  let text = '';
  for await (const chunk of await client.completions.create({ ...request, stream: true }))
    text += chunk.choices[0]?.text ?? '';
  assert.equal(text, plain.choices[0].text);
});

test('the same seed says the same, stop strings are cut', async () => {
  const request = { ...greedy, temperature: 1.2, seed: 11, max_tokens: 32 };
  const first = await client.chat.completions.create(request);
  const second = await client.chat.completions.create(request);
  assert.equal(first.choices[0].message.content, second.choices[0].message.content);

  const whole = (await client.chat.completions.create(greedy)).choices[0].message.content;
  const stop = whole.slice(3, 5);
  const cut = await client.chat.completions.create({ ...greedy, stop });
  assert.equal(cut.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
  assert.equal(cut.choices[0].finish_reason, 'stop');
});

test('errors have the shape that the client knows', async () => {
  await assert.rejects(client.chat.completions.create({ ...greedy, model: 'other' }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, 'model_not_found');
    assert.match(error.message, /served/);
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...greedy, temprature: 1 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, 'unknown_param');
    assert.equal(error.param, '/temprature');
    assert.equal(error.type, 'invalid_request_error');
    assert.match(error.requestID, /^req-/);
    return true;
  });
  const schema = { type: 'json_schema', json_schema: { name: 'x', schema: {} } };
  await assert.rejects(
    client.chat.completions.create({ ...greedy, response_format: schema }),
    (error) => error.code === 'schema_unsupported');
  const long = 'word '.repeat(200_000);
  for (const stream of [false, true]) {
    await assert.rejects(
      client.completions.create({ model: 'served', prompt: long, stream }),
      (error) => error.status === 400 && error.code === 'context_length_exceeded' &&
        /\d+.*\d+/.test(error.message));
  }
});

test('a stream that is aborted makes room for the next request', async () => {
  const endless = { ...greedy, temperature: 1, ignore_eos: true, max_tokens: 9000, stream: true };
  for (let round = 0; round < 3; round += 1) {
    const stream = await client.chat.completions.create(endless);
    let seen = 0;
    for await (const chunk of stream) {
      seen += chunk.choices.length;
      if (seen >= 4) stream.controller.abort();
    }
    assert.ok(seen >= 4);
  }
  const aborter = new AbortController();
  const waiting = client.chat.completions.create(
    { ...endless, stream: false }, { signal: aborter.signal });
  setTimeout(() => aborter.abort(), 20);
  await assert.rejects(waiting, OpenAI.APIUserAbortError);
  const after = await client.chat.completions.create(greedy);
  assert.ok(after.choices[0].message.content.length > 0);
});

test('twenty requests at once are all answered, and alike', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => client.chat.completions.create(greedy)));
  const texts = new Set(answers.map((answer) => answer.choices[0].message.content));
  assert.equal(texts.size, 1);
});

test('a web page of another origin is refused', async () => {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain', origin: 'https://evil.example' },
    body: JSON.stringify(greedy),
  });
  assert.equal(response.status, 403);
  assert.equal((await response.json()).error.code, 'origin_not_allowed');
});

test('a connection that is cut in the middle of a request leaves the server well', async () => {
  const { hostname, port } = new URL(address);
  for (let round = 0; round < 20; round += 1) {
    const socket = createConnection({ host: hostname, port: Number(port) });
    await once(socket, 'connect');
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le');
    socket.resetAndDestroy();
  }
  const health = await fetch(`${address}/health`);
  assert.deepEqual(await health.json(), { status: 'ok' });
});
