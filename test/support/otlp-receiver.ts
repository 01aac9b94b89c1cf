/**
 * A receiver of OTLP over HTTP in a process of its own: decodes what arrives from the bytes of the
 * protocol, without a library, and prints each span as a line of JSON.
 *
 * Started by OtlpReceiver; prints `PORT n` first.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: none. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  /** 2: error. */
  readonly status: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly service: string;
  /** The x-key field of the export. */
  readonly key: string;
}

const FILE = fileURLToPath(new URL('../../dist/test/support/otlp-receiver.js', import.meta.url));
const PATH = '/v1/traces';

/** Fields of one message: number, and a number or bytes. */
type Fields = readonly (readonly [number, bigint | Buffer])[];

function fieldsOf(message: Buffer): Fields {
  const fields: [number, bigint | Buffer][] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const type = tag & 7;
    if (type === 0) fields.push([tag >> 3, varint()]);
    else {
      const length = type === 1 ? 8 : type === 5 ? 4 : Number(varint());
      fields.push([tag >> 3, message.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

function bytes(fields: Fields, number: number): Buffer {
  const found = fields.find(([one]) => one === number)?.[1];
  return Buffer.isBuffer(found) ? found : Buffer.alloc(0);
}

function messages(fields: Fields, number: number): Fields[] {
  return fields.flatMap(([one, value]) =>
    one === number && Buffer.isBuffer(value) ? [fieldsOf(value)] : [],
  );
}

function integer(fields: Fields, number: number): number {
  const found = fields.find(([one]) => one === number)?.[1];
  return typeof found === 'bigint' ? Number(found) : 0;
}

function attributesOf(list: readonly Fields[]): Record<string, unknown> {
  const pairs = list.map((pair) => {
    const value = fieldsOf(bytes(pair, 2));
    const [number = 0, raw = 0n] = value[0] ?? [];
    let shown: unknown = Buffer.isBuffer(raw) ? raw.toString('utf8') : Number(raw);
    if (number === 2) shown = raw === 1n;
    if (number === 4 && Buffer.isBuffer(raw)) shown = raw.readDoubleLE();
    return [bytes(pair, 1).toString('utf8'), shown];
  });
  return Object.fromEntries(pairs);
}

function spansOf(request: Buffer, key: string): ReceivedSpan[] {
  return messages(fieldsOf(request), 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(fieldsOf(bytes(resourceSpans, 1)), 1));
    const spans = messages(resourceSpans, 2).flatMap((scope) => messages(scope, 2));
    return spans.map((span) => ({
      traceId: bytes(span, 1).toString('hex'),
      spanId: bytes(span, 2).toString('hex'),
      parentSpanId: bytes(span, 4).toString('hex'),
      name: bytes(span, 5).toString('utf8'),
      kind: integer(span, 6),
      startMs: Number(bytes(span, 7).readBigUInt64LE()) / 1e6,
      endMs: Number(bytes(span, 8).readBigUInt64LE()) / 1e6,
      status: integer(fieldsOf(bytes(span, 15)), 3),
      attributes: attributesOf(messages(span, 9)),
      service: String(resource['service.name']),
      key,
    }));
  });
}

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  private port = 0;

  private constructor(private readonly child: ChildProcess) {
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('PORT ')) this.port = Number(line.slice(5));
        else this.spans.push(JSON.parse(line) as ReceivedSpan);
      }
    });
  }

  static async start(): Promise<OtlpReceiver> {
    const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
    const receiver = new OtlpReceiver(spawn(process.execPath, [FILE, 'serve'], { stdio }));
    await eventually('the receiver listens', () => receiver.port > 0);
    return receiver;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}${PATH}`;
  }

  /** Spans of one trace, the request's own first. */
  trace(traceId: string): ReceivedSpan[] {
    const own = this.spans.filter((span) => span.traceId === traceId);
    return own.toSorted((one, other) => Number(other.kind === 2) - Number(one.kind === 2));
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.kill();
    await exited;
  }
}

if (process.argv[2] === 'serve' && process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const isRight = request.method === 'POST' && request.url === PATH;
      const key = String(request.headers['x-key'] ?? '');
      const spans = isRight ? spansOf(Buffer.concat(chunks), key) : [];
      for (const span of spans) process.stdout.write(`${JSON.stringify(span)}\n`);
      response.statusCode = isRight ? 200 : 404;
      response.setHeader('content-type', 'application/x-protobuf');
      response.end();
    });
  });
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`PORT ${(server.address() as AddressInfo).port}\n`);
  });
}
