/** Frames of HTTP/2 for tests: how they are written, and what is read out of them. */
import {
  FrameReader,
  READ_BAD,
  READ_BAD_STREAM,
  READ_DATA,
  READ_DATA_END,
  READ_DATA_HEAD,
  READ_GOAWAY,
  READ_HEADERS,
  READ_IDLE_FRAME,
  READ_MORE,
  READ_PING,
  READ_PING_ACK,
  READ_RESET,
  READ_SETTINGS,
  READ_SETTINGS_ACK,
  READ_WINDOW,
} from '../../src/wire/http2/frame-reader.js';

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer | string | readonly number[] = '',
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Everything that is read out of the pieces, a line each; DATA frames as they are in all. */
export function readFrames(pieces: readonly Buffer[], blockBytesMax = 1000): string[] {
  const reader = new FrameReader(blockBytesMax);
  const lines: string[] = [];
  let data = '';
  const told = (event: number, bytes: Buffer): string | null => {
    const end = reader.endsStream ? ' END' : '';
    const payload = () => reader.payload.toString('latin1');
    switch (event) {
      case READ_DATA_HEAD:
        data = '';
        return null;
      case READ_DATA:
        data += bytes.toString('latin1', reader.dataStart, reader.dataEnd);
        return null;
      case READ_DATA_END:
        if (data.length !== reader.dataBytes) throw new Error('as many bytes as were announced');
        return `data ${reader.stream} ${data}+${reader.padBytes}${end}`;
      case READ_HEADERS:
        return `headers ${reader.stream} ${payload()}${reader.isSelfDependent ? ' SELF' : ''}${end}`;
      case READ_SETTINGS:
        return `settings ${reader.payload.toString('hex')}`;
      case READ_SETTINGS_ACK:
        return 'settings ack';
      case READ_PING:
        return `ping ${payload()}`;
      case READ_PING_ACK:
        return `ping ack ${payload()}`;
      case READ_GOAWAY:
        return `goaway ${reader.value} ${reader.code}`;
      case READ_RESET:
        return `reset ${reader.stream} ${reader.code}`;
      case READ_WINDOW:
        return `window ${reader.stream} ${reader.value}`;
      case READ_IDLE_FRAME:
        return 'idle';
      case READ_BAD_STREAM:
        return `bad stream ${reader.stream} ${reader.code}`;
      case READ_BAD:
        return `bad ${reader.code}`;
      default:
        throw new Error(`no such event: ${event}`);
    }
  };
  for (const piece of pieces) {
    // Bytes of a read are gone afterwards: nothing may point into them.
    const bytes = Buffer.from(piece);
    for (let at = 0; ; at = reader.at) {
      const event = reader.step(bytes, at, bytes.length);
      if (event === READ_MORE) break;
      const line = told(event, bytes);
      if (line !== null) lines.push(line);
      if (event === READ_BAD) return lines;
    }
    bytes.fill(0xee);
  }
  return lines;
}
