/** What a route of gRPC takes, and how gRPC-Web is translated. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src/base/assert.js';
import {
  entriesOf,
  type FieldBlock,
  field,
  joinFields,
  NO_FIELDS,
} from '../../../src/base/field-block.js';
import { CollectedBody } from '../../../src/filters/collected-body.js';
import { grpcSteps } from '../../../src/filters/grpc/grpc.js';
import { type CompiledGrpc, GRPC } from '../../../src/filters/grpc/options.js';
import type { ReplyStage, StageHead } from '../../../src/filters/reply-stage.js';
import { frameMessage } from '../../../src/wire/grpc/message-scanner.js';
import { frameTrailers } from '../../../src/wire/grpc/web-codec.js';
import { compileConfig } from '../../support/compile-config.js';
import { aRequest } from '../../support/filter-request.js';

const OPTIONS: CompiledGrpc = {
  isOnly: true,
  maxRequestMessageBytes: 8,
  maxReplyMessageBytes: 8,
  isWeb: true,
  webBytesMax: 1000,
};
const STEPS = grpcSteps(OPTIONS);

const of = (...types: readonly string[]) =>
  aRequest({ method: 'POST', headers: types.map((type) => ['content-type', type] as const) });

const headOf = (fields: FieldBlock, isLocal = false): StageHead => ({
  status: 200,
  fields,
  bodyBytes: 9,
  isBodiless: false,
  isLocal,
});

/** A reply through the stage, as its client gets it. */
class Client {
  readonly pieces: string[] = [];
  head: StageHead | null = null;
  end = '';

  constructor(stage: ReplyStage, encoding: BufferEncoding) {
    stage.connect({
      next: {
        head: (head) => {
          this.head = head;
        },
        data: (bytes, isLast) => {
          this.pieces.push(bytes.toString(encoding));
          if (isLast) this.end = 'data';
          return true;
        },
        trailers: () => {
          this.end = 'trailers';
        },
        end: () => {
          this.end = 'end';
        },
        abort: () => {},
      },
      resumeSource: () => {},
      refuse: () => expect.unreachable('the stage refuses nothing'),
      fail: (error) => expect.unreachable(String(error)),
    });
  }
}

const GRPC_HEAD = field('Content-Type', 'application/grpc');

describe('a route of gRPC', () => {
  it.each(['application/grpc', 'application/grpc+json', 'application/grpc-web-text'])(
    'takes %s',
    (type) => {
      expect(STEPS.enter?.(of(type))).toBeNull();
    },
  );

  it.each([[['application/json']], [[]], [['application/grpc', 'application/json']]])(
    'refuses %j',
    (types) => {
      expect(STEPS.enter?.(of(...types))).toMatchObject({ status: 415 });
    },
  );

  it('takes anything where it is a route to a path', () => {
    expect(grpcSteps({ ...OPTIONS, isOnly: false }).enter).toBeNull();
  });
});

describe('a reply for a client of gRPC-Web', () => {
  const open = (type: string, head: StageHead) =>
    defined(STEPS.replyStage, 'the stage').open(of(type), head);

  it('has its trailers as a last frame', () => {
    const head = headOf(joinFields(field('x-a', '1'), GRPC_HEAD));
    const stage = defined(open('application/grpc-web+proto', head), 'the stage');
    const client = new Client(stage, 'hex');
    const trailers = field('grpc-status', '0');
    stage.head(head);
    stage.data(frameMessage(Buffer.from('hi')), false);
    stage.trailers(trailers);
    expect(Object.fromEntries(entriesOf(client.head?.fields ?? NO_FIELDS))).toEqual({
      'content-type': 'application/grpc-web+proto',
      'x-a': '1',
    });
    expect(client.head?.bodyBytes).toBe(-1);
    expect(client.pieces).toEqual([
      frameMessage(Buffer.from('hi')).toString('hex'),
      frameTrailers(trailers).toString('hex'),
    ]);
    expect(client.end).toBe('data');
  });

  it('comes in base64, piece by piece, to whoever asks in that', () => {
    const head = headOf(GRPC_HEAD);
    const stage = defined(open('application/grpc-web-text', head), 'the stage');
    const client = new Client(stage, 'latin1');
    stage.head(head);
    stage.data(Buffer.from('a'), false);
    stage.trailers(field('grpc-status', '5'));
    expect(client.head?.fields).toContain('application/grpc-web-text+proto');
    expect(client.pieces.map((text) => Buffer.from(text, 'base64').toString('latin1'))).toEqual([
      'a',
      frameTrailers(field('grpc-status', '5')).toString('latin1'),
    ]);
  });

  it('stays a head where that is all of it', () => {
    const head = headOf(joinFields(GRPC_HEAD, field('grpc-status', '7')));
    const stage = defined(open('application/grpc-web', head), 'the stage');
    const client = new Client(stage, 'hex');
    stage.head(head);
    stage.end();
    expect([client.pieces, client.end]).toEqual([[], 'end']);
    expect(client.head?.fields).toContain('grpc-status: 7');
  });

  it('is left alone for others, and where the gateway itself has made it', () => {
    expect(open('application/grpc', headOf(GRPC_HEAD))).toBeNull();
    expect(open('application/grpc-web', headOf(GRPC_HEAD, true))).toBeNull();
  });
});

describe('a request in base64', () => {
  const body = (text: string) => {
    const collected = new CollectedBody(Buffer.from(text), { maxDepth: 1, maxMembers: 1 });
    const reply = STEPS.requestBody?.step(collected, of('application/grpc-web-text'));
    return { reply, bytes: collected.bytes() };
  };

  it('is decoded, however it was flushed', () => {
    const framed = frameMessage(Buffer.from('hello'));
    const text = framed.subarray(0, 4).toString('base64') + framed.subarray(4).toString('base64');
    expect(body(text)).toEqual({ reply: null, bytes: framed });
  });

  it('is refused where it is something else, or too large', () => {
    expect(body('***').reply).toMatchObject({ status: 400 });
    expect(body(frameMessage(Buffer.alloc(9)).toString('base64')).reply).toMatchObject({
      status: 413,
    });
  });

  it('is the only one that is collected', () => {
    expect(STEPS.requestBody?.isNeeded(of('application/grpc-web-text'))).toBe(true);
    expect(STEPS.requestBody?.isNeeded(of('application/grpc-web'))).toBe(false);
    expect(STEPS.requestBody?.isNeeded(of('application/grpc'))).toBe(false);
  });
});

describe('grpcWeb of a route', () => {
  it('lets the pages that may call send its fields, and read the status', () => {
    const cors = { origins: ['https://a.example'], exposeHeaders: ['x-a'] };
    const { routes } = compileConfig({
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }], protocol: 'h2c' } },
      routes: [{ name: 'web', match: { grpc: {} }, upstream: 'api', grpcWeb: true, cors }],
    });
    expect(routes[0]?.filters.cors).toMatchObject({
      headers: ['content-type', 'grpc-timeout', 'x-grpc-web', 'x-user-agent'],
      exposeHeaders: ['x-a', 'grpc-status', 'grpc-message', 'grpc-status-details-bin'],
    });
    expect(GRPC.places).toContain('replyStage');
  });
});
